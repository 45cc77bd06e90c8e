"""Addresses that calls of the agents use: would a request get through?"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.agents.config.signed_request import SignedRequest
from gateway.agents.config.tool_options import PLACEHOLDER, HttpCall
from gateway.agents.routing import AgentBook
from gateway.cli.doctor.check import Finding, fail, ok, unreachable
from gateway.errors import ToolError
from gateway.settings import Settings
from gateway.tools.pinned_http import NameLookups
from gateway.transports.tls import tls_context

_PRIVATE_FIX: Final = (
    "Every call of it fails. Set `allow_private: true` in its `http:`, if it is meant to be there."
)
_HOSTED_FIX: Final = (
    "OpenAI connects to it from the internet: use a public address, or via: gateway."
)


async def addresses(settings: Settings, book: AgentBook) -> Iterable[Finding]:
    """Connect to each service that is asked as a call would, without a request."""
    asked = {
        (name, _host(request.url), request.allow_private): request
        for agent in book.agents.values()
        for name, request in _requests(agent)
    }
    found = [_service(name, request) for (name, _, _), request in asked.items()]
    if not settings.simulated:  # a simulated vendor runs here, and reaches what is here
        hosted = {
            label: server.url
            for agent in book.agents.values()
            for label, server in agent.hosted.items()
            if server.url is not None
        }
        found += [_hosted(label, url) for label, url in hosted.items()]
    return await asyncio.gather(*found)


def _requests(agent: Agent) -> Iterator[tuple[str, HttpCall | SignedRequest]]:
    """Yield the requests that are made in calls of an agent, by what a finding calls them."""
    for name, function in agent.functions.items():
        if function.http is not None:
            yield f"function {name}", function.http
    if agent.before is not None and agent.before.http is not None:
        yield "before", agent.before.http
    for name, secret in (*agent.secret_digits.items(), *agent.payments.items()):
        yield f"secret input {name}", secret.http


async def _service(shown: str, request: HttpCall | SignedRequest) -> Finding:
    url = urlsplit(PLACEHOLDER.sub("x", request.url))
    host, tls = url.hostname or "", url.scheme == "https"
    port = url.port or (443 if tls else 80)
    try:
        address = await NameLookups().allowed(host, port, allow_private=request.allow_private)
    except ToolError as error:
        return _refused(shown, host, error, _PRIVATE_FIX)
    try:
        async with asyncio.timeout(limits.sockets.CONNECT_MAX_S):
            _, writer = await asyncio.open_connection(
                address,
                port,
                ssl=tls_context() if tls else None,
                server_hostname=host if tls else None,
            )
    except TimeoutError:
        fix = "Is a firewall in the way?"
        return fail(shown, f"{host} does not answer within {limits.sockets.CONNECT_MAX_S:g} s", fix)
    except OSError as error:
        return unreachable(shown, error)
    writer.close()
    return ok(shown, host)


async def _hosted(label: str, url: str) -> Finding:
    shown, parts = f"hosted MCP {label}", urlsplit(url)
    host = parts.hostname or ""
    try:
        await NameLookups().allowed(host, parts.port or 443, allow_private=False)
    except ToolError as error:
        return _refused(shown, host, error, _HOSTED_FIX)
    return ok(shown, host)


def _refused(name: str, host: str, error: ToolError, fix: str) -> Finding:
    if error.reason == "private_address":
        return fail(name, f"{host} is in a private network", fix)
    return unreachable(name, error.__cause__ or socket.gaierror())


def _host(url: str) -> str:
    return urlsplit(PLACEHOLDER.sub("x", url)).netloc
