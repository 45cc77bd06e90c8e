"""`WS /twilio/media`: the handshake is checked here, the token in `start` behind the door."""

from __future__ import annotations

import structlog
from starlette.websockets import WebSocket

from gateway.bridge.inbound.stream_admission import StreamAdmission
from gateway.bridge.inbound.stream_handshake import StreamHandshake
from gateway.errors import SignatureRefused
from gateway.transports.media_socket import media_socket_of
from gateway.web.twilio.context import TwilioContext

log = structlog.get_logger()


class MediaEndpoint:
    def __init__(self, desk: TwilioContext) -> None:
        self._desk = desk
        self._arrivals = StreamAdmission(
            desk.account_sid, desk.registry, desk.tokens, desk.snapshots
        )

    async def media(self, websocket: WebSocket) -> None:
        desk = self._desk
        try:
            desk.guard.check_handshake(websocket)
        except SignatureRefused as error:
            desk.metrics.streams_refused.labels(error.reason).inc()
            log.warning("media handshake refused", reason=error.reason, url=error.url)
            await websocket.close()  # before acceptance: the handshake is answered 403
            return
        await websocket.accept()
        socket = media_socket_of(websocket)
        StreamHandshake(socket, self._arrivals.let_in, self._refused)
        await socket.gone()

    def _refused(self, reason: str) -> None:
        self._desk.metrics.streams_refused.labels(reason).inc()
