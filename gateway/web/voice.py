"""A call arrives, ends, or goes on: Twilio's voice webhooks."""

from __future__ import annotations

import structlog
from starlette.requests import Request
from starlette.responses import Response

from gateway.agents.config import Agent
from gateway.bridge.live_call import CallFacts
from gateway.call.endings import Ending
from gateway.errors import NotAdmitted
from gateway.limits import WEBHOOK_REMEMBERED_S
from gateway.ops.logs import masked
from gateway.protocols.twilio_webhooks import TERMINAL, VoiceRequest, parse_voice
from gateway.web.desk import Desk

log = structlog.get_logger()
_RETRY = "i-twilio-idempotency-token"
_STREAM_EVENTS = frozenset({"stream-started", "stream-stopped", "stream-error"})


class VoiceDoors:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def voice(self, fields: dict[str, str], request: Request) -> Response:
        """`POST /twilio/voice`. A retry of the same request gets the same answer, and one call."""
        call = parse_voice(fields)
        key = f"voice:{request.headers.get(_RETRY) or call.call_sid}"
        known = self._desk.store.get(key)
        if known is not None:
            return Response(known, media_type="text/xml")
        response = self._answer(call)
        self._desk.store.put(key, bytes(response.body).decode(), WEBHOOK_REMEMBERED_S)
        return response

    def _answer(self, call: VoiceRequest) -> Response:
        desk = self._desk
        agent = desk.switchboard.book.pick(call.dialled)
        if agent is None:
            log.warning("no agent answers this number", dialled=masked(call.dialled))
            desk.metrics.refused.labels("no_agent").inc()
            return desk.twiml("unavailable.xml")
        facts = CallFacts(call.call_sid, call.caller, call.dialled, agent.name, agent.path)
        try:
            desk.switchboard.announce(facts, agent)
        except NotAdmitted as error:
            desk.metrics.refused.labels(error.reason).inc()
            return desk.twiml("busy.xml", agent.language)
        return self._connect(call.call_sid, agent)

    def _connect(self, call_sid: str, agent: Agent) -> Response:
        desk = self._desk
        return desk.twiml(
            "connect.xml",
            agent.language,
            media_url=desk.media_url,
            token=desk.tokens.issue(call_sid, agent.name),
            after_url=f"{desk.public_url}/twilio/after",
            stream_status_url=f"{desk.public_url}/twilio/stream-status",
        )

    async def after(self, fields: dict[str, str], _request: Request) -> Response:
        """`POST /twilio/after`: the stream has ended; does the caller still need something?"""
        call = parse_voice(fields)
        ending = self._desk.switchboard.ending_of(call.call_sid)
        agent = self._desk.switchboard.book.pick(call.dialled)
        language = agent.language if agent else "en"
        if call.status in TERMINAL or (ending is not None and ending.well):
            return self._desk.twiml("hangup.xml", language)
        return self._desk.twiml("apology.xml", language)

    async def status(self, fields: dict[str, str], _request: Request) -> Response:
        """`POST /twilio/status`: a caller who gave up while it rang is not waited for."""
        call = parse_voice(fields)
        if call.status in TERMINAL:
            waiting = self._desk.switchboard.expected(call.call_sid)
            if waiting is not None:
                waiting.hang_up(Ending.NEVER_ARRIVED)
        return Response(status_code=204)

    async def stream_status(self, fields: dict[str, str], _request: Request) -> Response:
        """`POST /twilio/stream-status`: the only place that tells of a failed handshake."""
        event = fields.get("StreamEvent", "")
        event = event if event in _STREAM_EVENTS else "other"
        self._desk.metrics.stream_events.labels(event).inc()
        if event == "stream-error":
            log.warning(
                "the carrier reports a stream error",
                call_sid=fields.get("CallSid", "")[:34],
                error=fields.get("StreamError", "")[:200],
            )
        return Response(status_code=204)
