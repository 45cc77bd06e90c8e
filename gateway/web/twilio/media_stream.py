"""`WS /twilio/media`: the handshake's signature is checked here, the token after `start`."""

from __future__ import annotations

import structlog
from prometheus_client import Counter
from starlette.websockets import WebSocket

from gateway import limits
from gateway.bridge.inbound.stream_admission import StreamAdmission
from gateway.bridge.inbound.stream_handshake import StreamHandshake
from gateway.errors import SignatureRefused
from gateway.transports.media_socket import media_socket_of
from gateway.web.twilio.signature import TwilioSignature

log = structlog.get_logger()


class MediaEndpoint:
    """Accepts media streams whose handshake Twilio has signed."""

    def __init__(
        self,
        signature: TwilioSignature,
        admission: StreamAdmission,
        refused: Counter,
        *,
        start_wait_s: float = limits.call.START_WAIT_S,
    ) -> None:
        """`refused` counts refused streams by reason."""
        self._signature, self._admission, self._counter = signature, admission, refused
        self._start_wait_s = start_wait_s

    async def media(self, websocket: WebSocket) -> None:
        try:
            self._signature.check_handshake(websocket)
        except SignatureRefused as error:
            self._refused(error.reason)
            log.warning("stream_handshake_refused", reason=error.reason, url=error.url)
            await websocket.close()  # before acceptance: the handshake is answered 403
            return
        await websocket.accept()
        socket = media_socket_of(websocket)
        StreamHandshake(
            socket, self._admission.let_in, self._refused, start_wait_s=self._start_wait_s
        )
        await socket.gone()

    def _refused(self, reason: str) -> None:
        self._counter.labels(reason).inc()
