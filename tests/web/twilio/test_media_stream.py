"""The socket of a media stream, before anything is heard on it."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter
from starlette.types import Message
from starlette.websockets import WebSocket
from structlog.testing import capture_logs

from gateway.errors import BugError, SignatureRefused
from gateway.web.twilio.media_stream import MediaEndpoint


class Rig:
    """The endpoint, with a signature that is `wrong` for some reason or right."""

    def __init__(self, wrong: str = "") -> None:
        self._wrong = wrong
        self._registry = CollectorRegistry()
        counter = Counter("refused", "", ["reason"], registry=self._registry)
        signature: Any = self
        admission: Any = None
        self._endpoint = MediaEndpoint(signature, admission, counter)
        self.sent: list[Message] = []

    def check_handshake(self, _connection: object) -> None:
        if self._wrong:
            raise SignatureRefused(self._wrong, "wss://gw.example.com/twilio/media")

    async def asks(self) -> None:
        async def receive() -> Message:
            return {"type": "websocket.connect"}

        async def send(message: Message) -> None:
            self.sent.append(message)

        scope = {"type": "websocket", "headers": [], "subprotocols": []}
        await self._endpoint.media(WebSocket(scope, receive, send))

    def refused(self, reason: str) -> float | None:
        return self._registry.get_sample_value("refused_total", {"reason": reason})


@pytest.mark.parametrize("reason", ["unsigned", "bad_signature"])
async def test_a_stream_that_the_carrier_has_not_signed_is_never_accepted(reason: str) -> None:
    rig = Rig(reason)
    with capture_logs() as lines:
        await rig.asks()
    assert [message["type"] for message in rig.sent] == ["websocket.close"]
    assert rig.refused(reason) == 1
    assert [(line["event"], line["reason"]) for line in lines] == [
        ("stream_handshake_refused", reason)
    ]


async def test_one_that_it_has_signed_needs_the_socket_of_our_server() -> None:
    rig = Rig()
    with pytest.raises(BugError):
        await rig.asks()
    assert [message["type"] for message in rig.sent] == ["websocket.accept"]
