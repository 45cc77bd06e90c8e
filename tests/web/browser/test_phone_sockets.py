"""The bound on sockets of the browser telephone, without a gateway."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from starlette.types import Message
from starlette.websockets import WebSocket

from gateway import limits
from gateway.ops.limits.signed_tokens import PhoneTokens
from gateway.web.browser.phone import PROTOCOL, PhoneEndpoints

TOKENS = PhoneTokens(["a secret"], lambda: 1_790_000_000.0)


class Phone:
    """The endpoint, and what became of each socket."""

    def __init__(self) -> None:
        self.became: asyncio.Queue[str] = asyncio.Queue()
        metrics = SimpleNamespace(phone_refused=SimpleNamespace(labels=self._refused))
        self._endpoints = PhoneEndpoints("https://gateway", [], TOKENS, None, None, metrics)  # type: ignore[arg-type] # not reached
        self._token, _ = TOKENS.issue("front_desk", 60)

    def _refused(self, reason: str) -> SimpleNamespace:
        return SimpleNamespace(inc=lambda: self.became.put_nowait(reason))

    async def opened(self, *, lost: bool = False) -> None:
        """Open a socket that stays open, or is lost before it was accepted."""

        async def receive() -> Message:
            if lost:
                raise ConnectionResetError
            self.became.put_nowait("open")
            await asyncio.Event().wait()
            raise AssertionError

        async def send(_message: Message) -> None: ...

        scope = {"type": "websocket", "headers": [], "subprotocols": [PROTOCOL, self._token]}
        await self._endpoints.line(WebSocket(scope, receive, send))


async def test_sockets_that_are_gone_change_nothing_of_the_bound() -> None:
    phone, most = Phone(), limits.phone.SOCKETS_MAX
    for _ in range(most + 1):
        with pytest.raises(ConnectionResetError):
            await phone.opened(lost=True)
    async with asyncio.TaskGroup() as group:
        sockets = [group.create_task(phone.opened()) for _ in range(most + 1)]
        assert [await phone.became.get() for _ in sockets] == ["open"] * most + ["sockets"]
        for one in sockets:
            one.cancel()
