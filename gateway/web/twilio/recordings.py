"""Webhook of recordings that the carrier made of SIP calls."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from starlette.requests import Request
from starlette.responses import Response

from gateway.agents.config.agent import Agent
from gateway.bridge.recordings.carrier_recordings import CarrierRecordings
from gateway.protocols.twilio_webhooks import parse_recording

log = structlog.get_logger()


class RecordingWebhook:
    """Takes over what the carrier has recorded; `agent_of` finds an agent by name and call."""

    def __init__(
        self, recordings: CarrierRecordings, agent_of: Callable[[str, str], Agent | None]
    ) -> None:
        self._recordings, self._agent_of = recordings, agent_of

    async def recording(self, fields: dict[str, str], request: Request) -> Response:
        """`POST /twilio/recording?agent=NAME`: signed, the agent's name included."""
        report = parse_recording(fields)
        agent = self._agent_of(request.query_params.get("agent", ""), report.call_sid)
        if agent is None:
            log.warning("carrier_recording_of_nobody", call_sid=report.call_sid)
            return Response(status_code=204)
        try:
            await self._recordings.reported(report, agent)
        except OSError:  # it would be forgotten: Twilio shows the failure in its debugger
            log.exception("carrier_recording_not_taken", call_sid=report.call_sid)
            return Response(status_code=503)
        return Response(status_code=204)
