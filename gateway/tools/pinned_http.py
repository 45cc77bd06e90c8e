"""HTTP requests to addresses of the operator's: the address that was checked is the one asked.

Addresses of this machine and network are refused after they were resolved. Redirects are not
followed, cookies are not kept, and what comes back is bounded.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

import httpx2

from gateway import limits
from gateway.errors import ToolError
from gateway.tools.thread_runner import ThreadRunner
from gateway.transports.kept_connections import kept_connections
from gateway.transports.tls import tls_context

Resolve = Callable[..., list[Any]]
"""Looks a name up, as `socket.getaddrinfo` does."""
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_CHARSETS: Final = frozenset(
    {
        *("utf-8", "utf-16", "us-ascii", "koi8-r", "koi8-u"),
        *(f"iso-8859-{part}" for part in (*range(1, 12), *range(13, 17))),
        *(f"windows-{page}" for page in range(1250, 1259)),
        *("shift_jis", "euc-jp", "iso-2022-jp", "gb2312", "gbk", "gb18030", "big5", "euc-kr"),
    }
)
"""Charsets of the web. Of Python's others `punycode` takes seconds, and `idna` replaces nothing."""
_NAT64: Final = IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    status: int
    body: bytes
    """Empty of an error or a redirect: nobody reads it."""
    charset: str
    location: str


class PinnedHttp:
    """Connections of one function or hook.

    They are its own: they are kept by address, and two services behind the same one must not
    share what was made for one of their names.
    """

    def __init__(
        self,
        *,
        allow_private: bool,
        kept_s: float = limits.web.KEPT_CONNECTION_MAX_S,
        resolve: Resolve = socket.getaddrinfo,
    ) -> None:
        """`resolve` looks names up, as `socket.getaddrinfo` does."""
        self._allow_private = allow_private
        self._lookups = NameLookups(resolve)
        # A cookie that one caller's request received is not for the next caller's.
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        self._client = httpx2.AsyncClient(
            verify=tls_context(),
            follow_redirects=False,
            trust_env=False,
            timeout=None,
            cookies=no_cookies,
            limits=kept_connections(idle_max_s=kept_s),
        )

    async def ask(
        self,
        method: str,
        url: httpx2.URL,
        headers: httpx2.Headers,
        body: bytes | None,
        most_bytes: int = limits.tools.TOOL_RESPONSE_MAX_BYTES,
    ) -> HttpAnswer:
        """Send one request and return the answer. Raises ToolError."""
        try:
            response = await self._send(method, url, headers, body)
            try:
                return await _answer(response, most_bytes)
            finally:
                await response.aclose()
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            kind = type(_deepest(error)).__name__
            raise ToolError("The service could not be reached.", kind) from error

    async def close(self) -> None:
        await self._client.aclose()

    async def _send(
        self, method: str, url: httpx2.URL, headers: httpx2.Headers, body: bytes | None
    ) -> httpx2.Response:
        """Send to the address that was checked: the name may resolve to another a moment later."""
        headers = httpx2.Headers(headers)
        headers["Host"] = url.netloc.decode("ascii")
        headers["Accept-Encoding"] = "identity"  # a small answer could become a large one
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        port = url.port or (443 if url.scheme == "https" else 80)
        address = await self._lookups.allowed(url.host, port, allow_private=self._allow_private)
        request = self._client.build_request(
            method,
            url.copy_with(host=address),
            headers=headers,
            content=body,
            extensions={"sni_hostname": url.host},
        )
        return await self._client.send(request, stream=True)


class NameLookups:
    """Addresses of hosts, looked up in threads of one function or hook.

    The loop's own threads are few, and look up the model's host: a name server that does not answer
    for an operator's name would keep every call from the model.
    """

    def __init__(self, resolve: Resolve = socket.getaddrinfo) -> None:
        self._resolve, self._threads = resolve, ThreadRunner()

    async def allowed(self, host: str, port: int, *, allow_private: bool) -> str:
        """Return the address of a host to which functions may connect. Raises ToolError."""
        look = partial(self._resolve, host, port, type=socket.SOCK_STREAM)
        try:
            found = await self._threads.run(look)
        except (OSError, UnicodeError) as error:
            raise ToolError("The service could not be found.", "unknown_host") from error
        addresses = [str(entry[4][0]) for entry in found]
        if not allow_private and not all(map(is_public, addresses)):
            raise ToolError("The service stands where functions may not go.", "private_address")
        return addresses[0]


def _deepest(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


def is_public(address: str) -> bool:
    """Return whether an address is of the open internet: not loopback, link-local or private.

    One of IPv6 that carries one of IPv4 leads to that.
    """
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        carried = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            carried = IPv4Address(ip.packed[-4:])
        if carried is None and ip not in _GLOBAL_UNICAST:
            return False
        ip = carried or ip
    return ip.is_global and not ip.is_multicast


async def _answer(response: httpx2.Response, most_bytes: int) -> HttpAnswer:
    status, location = response.status_code, response.headers.get("location", "")
    body = bytearray()
    if status not in REDIRECTS:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise ToolError("The service answered in a form that cannot be read.", "compressed")
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > most_bytes:
                raise ToolError("The service answered with more than can be read.", "too_long")
    return HttpAnswer(status, bytes(body), response.charset_encoding or "utf-8", location)


def text_of(answer: HttpAnswer) -> str:
    """Return the text of an answer. Raises ToolError for the status of an error."""
    if answer.status >= 400:
        status = answer.status
        raise ToolError(f"The service answered with an error, status {status}.", f"status_{status}")
    charset = answer.charset.lower()
    return answer.body.decode(charset if charset in _CHARSETS else "utf-8", "replace")
