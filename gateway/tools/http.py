"""HTTP functions: the operator's request with the model's arguments.

The model makes arguments up and a caller can talk it into any, so neither may choose the host: an
argument fills one place of the address, percent-encoded; addresses of this machine and network
are refused after they were resolved, and a redirect that leaves the host loses the credentials by
not being followed.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit

import httpx2

from gateway import limits
from gateway.agents.config.call_values import filled_json, with_call_values
from gateway.agents.config.tool_options import IN_QUERY, PLACEHOLDER, HttpCall, with_secrets
from gateway.errors import ToolError
from gateway.tools.call_headers import call_headers, header_value
from gateway.tools.python import ToolContext
from gateway.tools.tool import InvalidArguments
from gateway.transports.tls import tls_context

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_NO_SEGMENTS: Final = frozenset({"", ".", ".."})
"""Path segments that would remove themselves and others from the address."""
_NAT64: Final = IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")


class HttpTool:
    """One function of one agent; `secrets` are the variables that its headers name.

    Its connections are its own: they are kept by address, and two services behind the same one
    must not share what was made for one of their names.
    """

    def __init__(self, call: HttpCall, secrets: Mapping[str, str]) -> None:
        self._call = call
        self._headers = {
            name: with_secrets(value, dict(secrets)) for name, value in call.headers.items()
        }
        # A cookie that one caller's request received is not for the next caller's.
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        self._client = httpx2.AsyncClient(
            verify=tls_context(),
            follow_redirects=False,
            trust_env=False,
            timeout=None,
            cookies=no_cookies,
        )

    async def run(self, arguments: Mapping[str, Any], context: ToolContext) -> str:
        """Send the request and return the text of the answer. Raises ToolError."""
        url = httpx2.URL(self._address(arguments, context))
        rest = {name: value for name, value in arguments.items() if name not in self._call.in_url}
        body = None
        if self._call.method in IN_QUERY:
            url = _with_query(url, rest)
        else:
            # The operator's own fields come last: no argument replaces one.
            rest |= filled_json(self._call.body or {}, context.value)
            body = json.dumps(rest, ensure_ascii=False, allow_nan=False).encode()
        try:
            return await self._ask(url, body, self._headers_of(context))
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            kind = type(_deepest(error)).__name__
            raise ToolError("The service could not be reached.", kind) from error

    async def close(self) -> None:
        await self._client.aclose()

    def _headers_of(self, context: ToolContext) -> httpx2.Headers:
        """Return the headers of one request: the call's ids, under those of the operator."""
        headers = httpx2.Headers(call_headers(context))
        for name, value in self._headers.items():
            headers[name] = with_call_values(value, context.value, header_value)
        return headers

    def _address(self, arguments: Mapping[str, Any], context: ToolContext) -> str:
        path, mark, query = self._call.url.partition("?")
        segments = []
        for segment in path.split("/"):
            of_call = with_call_values(segment, context.value, _quoted)
            if of_call != segment and of_call in _NO_SEGMENTS:
                raise ToolError("This call lacks what the request needs.", "no_call_value")
            filled = _filled(of_call, arguments)
            if filled != of_call and filled in _NO_SEGMENTS:
                raise InvalidArguments("Wrong arguments: one of them cannot stand in an address.")
            segments.append(filled)
        of_call = with_call_values(query, context.value, _quoted)
        return "/".join(segments) + mark + _filled(of_call, arguments)

    async def _ask(self, url: httpx2.URL, body: bytes | None, headers: httpx2.Headers) -> str:
        for _ in range(limits.tools.TOOL_REDIRECTS_MAX + 1):
            response = await self._send(url, body, headers)
            try:
                if response.status_code not in _REDIRECTS:
                    return await _text(response)
            finally:
                await response.aclose()
            following = redirected(url, response.headers.get("location", ""))
            if following is None or self._call.method not in IN_QUERY:
                raise ToolError("The service sent us elsewhere, where we do not go.", "redirect")
            url = following
        raise ToolError("The service sent us in a circle.", "redirects")

    async def _send(
        self, url: httpx2.URL, body: bytes | None, headers: httpx2.Headers
    ) -> httpx2.Response:
        """Send to the address that was checked: the name may resolve to another a moment later."""
        headers = httpx2.Headers(headers)
        headers["Host"] = url.netloc.decode("ascii")
        headers["Accept-Encoding"] = "identity"  # a small answer could become a large one
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        request = self._client.build_request(
            self._call.method,
            url.copy_with(host=await self._resolve(url)),
            headers=headers,
            content=body,
            extensions={"sni_hostname": url.host},
        )
        return await self._client.send(request, stream=True)

    async def _resolve(self, url: httpx2.URL) -> str:
        port = url.port or (443 if url.scheme == "https" else 80)
        return await allowed_address(url.host, port, allow_private=self._call.allow_private)


async def allowed_address(host: str, port: int, *, allow_private: bool) -> str:
    """Return the address of a host to which functions may connect. Raises ToolError."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
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


def redirected(url: httpx2.URL, location: str) -> httpx2.URL | None:
    """Return a redirect's target, if that is the same host, and as secure."""
    try:
        there = urlsplit(urljoin(str(url), location))
    except ValueError:
        return None
    same = there.netloc == url.netloc.decode("ascii") and there.scheme in (url.scheme, "https")
    return httpx2.URL(there.geturl()) if location and same else None


def _with_query(url: httpx2.URL, arguments: Mapping[str, Any]) -> httpx2.URL:
    """Fill arguments into the address; the operator's own part of it stays as it is."""
    more = [
        (name, _plain(value))
        for name, given in arguments.items()
        if name not in url.params
        for value in (given if isinstance(given, list) else [given])
        if value is not None
    ]
    return url.copy_with(params=[*url.params.multi_items(), *more]) if more else url


async def _text(response: httpx2.Response) -> str:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise ToolError("The service answered in a form that cannot be read.", "compressed")
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > limits.tools.TOOL_RESPONSE_MAX_BYTES:
            raise ToolError("The service answered with more than can be read.", "too_long")
    if response.status_code >= 400:
        status = response.status_code
        raise ToolError(f"The service answered with an error, status {status}.", f"status_{status}")
    try:
        return body.decode(response.charset_encoding or "utf-8", "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


def _filled(text: str, arguments: Mapping[str, Any]) -> str:
    return PLACEHOLDER.sub(lambda found: _quoted(_plain(arguments[found[1]])), text)


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _plain(value: Any) -> str:
    """Return an argument as it is written in an address."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
