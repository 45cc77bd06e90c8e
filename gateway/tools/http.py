"""HTTP functions: a request of the operator's making with arguments of the model's.

The model makes arguments up and a caller can talk it into any, so neither may choose the host: an
argument fills one place of the address, percent-encoded; addresses of this machine and network
are refused after they were resolved, and a redirect that leaves the host loses the credentials by
not being followed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urljoin, urlsplit

import httpx2

from gateway.agents.functions import HttpCall, with_secrets
from gateway.errors import ToolError
from gateway.limits import TOOL_REDIRECTS_MAX, TOOL_RESPONSE_MAX_BYTES

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_IN_QUERY: Final = frozenset({"GET", "DELETE"})


class HttpTool:
    """One function of one agent; `secrets` are the variables that its headers name."""

    def __init__(self, call: HttpCall, secrets: Mapping[str, str]) -> None:
        self._call = call
        self._headers = {
            name: with_secrets(value, dict(secrets)) for name, value in call.headers.items()
        }

    async def run(self, arguments: Mapping[str, Any], client: httpx2.AsyncClient) -> str:
        """The text of the answer. Raises ToolError."""
        url = self._address(arguments)
        rest = {name: value for name, value in arguments.items() if name not in self._call.in_url}
        sent: dict[str, Any] = {}
        if self._call.method in _IN_QUERY:
            sent["params"] = {name: _plain(value) for name, value in rest.items()}
        else:
            sent["json"] = rest
        try:
            return await self._ask(client, url, sent)
        except httpx2.HTTPError as error:
            raise ToolError("The service could not be reached.") from error

    def _address(self, arguments: Mapping[str, Any]) -> str:
        url = self._call.url
        for name in self._call.in_url:
            url = url.replace("{" + name + "}", quote(_plain(arguments[name]), safe=""))
        return url

    async def _ask(self, client: httpx2.AsyncClient, url: str, sent: dict[str, Any]) -> str:
        host = urlsplit(url).netloc
        for _ in range(TOOL_REDIRECTS_MAX + 1):
            response = await self._send(client, url, sent)
            try:
                if response.status_code not in _REDIRECTS:
                    return await _text(response)
            finally:
                await response.aclose()
            url = urljoin(url, response.headers.get("location", ""))
            if urlsplit(url).netloc != host or self._call.method not in _IN_QUERY:
                raise ToolError("The service sent us elsewhere, where we do not go.")
            sent = {}
        raise ToolError("The service sent us in a circle.")

    async def _send(
        self, client: httpx2.AsyncClient, url: str, sent: dict[str, Any]
    ) -> httpx2.Response:
        """To the very address that was checked: a name may mean another one a moment later."""
        asked = httpx2.URL(url)
        address = await self._resolve(asked)
        request = client.build_request(
            self._call.method,
            asked.copy_with(host=address),
            headers={**self._headers, "Host": asked.netloc.decode("ascii")},
            extensions={"sni_hostname": asked.host},
            **sent,
        )
        return await client.send(request, stream=True)

    async def _resolve(self, url: httpx2.URL) -> str:
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                url.host, port, type=socket.SOCK_STREAM
            )
        except OSError as error:
            raise ToolError("The service could not be found.") from error
        addresses = [str(entry[4][0]) for entry in found]
        if not self._call.allow_private and not all(map(is_public, addresses)):
            raise ToolError("The service stands where functions may not go.")
        return addresses[0]


def is_public(address: str) -> bool:
    """Whether an address is of the open internet: not loopback, link-local, private or the like."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return (mapped or ip).is_global and not (mapped or ip).is_multicast


async def _text(response: httpx2.Response) -> str:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > TOOL_RESPONSE_MAX_BYTES:
            raise ToolError("The service answered with more than can be read.")
    if response.status_code >= 400:
        raise ToolError(f"The service answered with an error, status {response.status_code}.")
    return body.decode(response.charset_encoding or "utf-8", "replace")


def _plain(value: Any) -> str:
    """An argument as it stands in an address."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)
