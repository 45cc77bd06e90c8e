"""Status callbacks: calls, machine detection, media streams."""

from __future__ import annotations

from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import Response

from gateway.bridge.calls.registry import CallRegistry
from gateway.bridge.failover.carrier_end import CarrierEnd
from gateway.bridge.outbound.outbound_calls import OutboundCalls
from gateway.bridge.outbound.warm_transfer import WarmTransfers
from gateway.ops.telemetry.metrics import Metrics
from gateway.protocols.twilio_webhooks import TERMINAL, parse_detection, parse_voice
from gateway.web.twilio.secret_input import SecretInputEndpoints

log = structlog.get_logger()
_STREAM_EVENTS: Final = frozenset({"stream-started", "stream-stopped", "stream-error"})


class StatusEndpoints:
    """Callbacks that report what has happened and decide nothing."""

    def __init__(
        self,
        registry: CallRegistry,
        outbound: OutboundCalls,
        warm: WarmTransfers,
        secret_inputs: SecretInputEndpoints,
        carrier_end: CarrierEnd,
        metrics: Metrics,
    ) -> None:
        self._registry, self._outbound = registry, outbound
        self._carrier_end = carrier_end
        self._warm, self._secret_inputs, self._metrics = warm, secret_inputs, metrics

    async def status(self, fields: dict[str, str], _request: Request) -> Response:
        """`POST /twilio/status`: a caller who hung up before the stream began is not awaited."""
        call = parse_voice(fields)
        if call.status in TERMINAL:
            self._registry.leg_is_over(call.call_sid)
            await self._warm.call_is_over(call.call_sid)
            await self._secret_inputs.hung_up(call.call_sid)
            self._carrier_end.reported(call.call_sid)
        if fields.get("Direction") == "outbound-api":
            await self._outbound.on_status(call.call_sid, call.status)
        return Response(status_code=204)

    async def amd(self, fields: dict[str, str], _request: Request) -> Response:
        """`POST /twilio/amd`: machine detection has a result for an outbound call."""
        found = parse_detection(fields)
        await self._outbound.detected(found.call_sid, found.who)
        return Response(status_code=204)

    async def stream_status(self, fields: dict[str, str], _request: Request) -> Response:
        """`POST /twilio/stream-status`: the only report of a failed stream handshake."""
        event = fields.get("StreamEvent", "")
        event = event if event in _STREAM_EVENTS else "other"
        self._metrics.stream_events.labels(event).inc()
        if event == "stream-error":
            log.warning(
                "carrier_stream_error",
                call_sid=fields.get("CallSid", "")[:34],
                error=fields.get("StreamError", "")[:200],
            )
        return Response(status_code=204)
