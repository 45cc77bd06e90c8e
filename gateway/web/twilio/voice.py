"""A call arrives, ends, or goes on: Twilio's voice webhooks."""

from __future__ import annotations

import re

import structlog
from starlette.requests import Request
from starlette.responses import Response

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.bridge.calls.outbound_state import OutboundState
from gateway.ops.telemetry.logs import masked
from gateway.protocols.twilio_webhooks import TERMINAL, VoiceRequest, parse_detection, parse_voice
from gateway.web.twilio.context import TwilioContext
from gateway.web.twilio.failover import WELL, Failover
from gateway.web.twilio.transfers import REDIRECTED, TransferWebhooks
from gateway.web.twilio.twiml_responses import HUMAN, SIP, STREAM, TRANSFER, WARM

log = structlog.get_logger()
_RETRY = "i-twilio-idempotency-token"
_OF_QUEUE = {"bridged": "completed", "hangup": "completed", "leave": "completed"}
"""Twilio's QueueResult as the status of a dial: the others are failures."""
_STREAM_EVENTS = frozenset({"stream-started", "stream-stopped", "stream-error"})


class VoiceEndpoints:
    def __init__(self, desk: TwilioContext) -> None:
        self._desk = desk
        self.handing = TransferWebhooks(desk)
        self._ladder = Failover(desk, self.handing)

    async def voice(self, fields: dict[str, str], request: Request) -> Response:
        """`POST /twilio/voice`. A retry of the same request gets the same answer, and one call."""
        call = parse_voice(fields)
        key = f"voice:{request.headers.get(_RETRY) or call.call_sid}"
        known = await self._desk.store.get(key)
        if known is not None:
            return Response(known, media_type="text/xml")
        call, agent = await self._answerer(call, request.query_params.get("dial"))
        response = self._nobody(call) if agent is None else await self._ladder.answer(call, agent)
        await self._desk.store.put(
            key, bytes(response.body).decode(), limits.web.WEBHOOK_REMEMBERED_S
        )
        return response

    async def _answerer(
        self, call: VoiceRequest, token: str | None
    ) -> tuple[VoiceRequest, Agent | None]:
        """With the token of a call that we placed, its agent. Raises SignatureRefused."""
        registry = self._desk.registry
        if token is None:
            return call, registry.on_duty([call.dialled])
        name = await self._desk.out_tokens.redeem(token, call.caller, call.dialled)
        dialled = OutboundState(name, call.dialled, call.caller)
        await registry.dials.remember(call.call_sid, dialled)
        return call.turned(), registry.book.agents.get(name)

    async def _whose(self, call: VoiceRequest) -> tuple[VoiceRequest, Agent | None]:
        """The agent of a call that goes on."""
        dialled = await self._desk.registry.dials.find(call.call_sid)
        if dialled is None:
            return call, await self._agent_of(call)
        return call.turned(), self._desk.registry.book.agents.get(dialled.agent)

    def _nobody(self, call: VoiceRequest) -> Response:
        log.warning("no agent answers this number", dialled=masked(call.dialled))
        self._desk.metrics.refused.labels("no_agent").inc()
        return self._desk.twiml("unavailable.xml")

    async def after(self, fields: dict[str, str], request: Request) -> Response:
        """`POST /twilio/after`: a leg has ended; does the caller still need something?"""
        call, agent = await self._whose(parse_voice(fields))
        leg = request.query_params.get("leg", STREAM)
        if leg == WARM:
            await self.handing.out_of_queue(call, fields, request)
        if call.status in TERMINAL:
            self._desk.registry.leg_is_over(call.call_sid)
            return self._desk.twiml("hangup.xml")
        if agent is None:
            return self._desk.twiml("apology.xml")
        retry = request.headers.get(_RETRY)
        known = await self._desk.store.get(f"after:{retry}") if retry else None
        if known is not None:
            return Response(known, media_type="text/xml")
        dialled = fields.get("DialCallStatus") or _OF_QUEUE.get(fields.get("QueueResult", ""), "")
        if leg == WARM:
            warm = await self.handing.known(request)
            if warm is not None and fields.get("QueueResult") == REDIRECTED:
                return self.handing.redirected(warm)
            leg, dialled = TRANSFER, await self.handing.outcome(warm, fields)
        if dialled not in WELL and leg in (SIP, HUMAN, TRANSFER):
            _tell_of_failure(call.call_sid, leg, dialled, fields)
        response = await self._ladder.after(call, agent, leg, dialled)
        if retry:
            body = bytes(response.body).decode()
            await self._desk.store.put(f"after:{retry}", body, limits.web.WEBHOOK_REMEMBERED_S)
        return response

    async def refer(self, fields: dict[str, str], _request: Request) -> Response:
        """`POST /twilio/refer`: the model's leg of a dial hands the caller over."""
        call, agent = await self._whose(parse_voice(fields))
        if agent is None:
            return self._desk.twiml("apology.xml")
        return await self._ladder.refer(call, agent)

    async def _agent_of(self, call: VoiceRequest) -> Agent | None:
        """Who has the caller: he may have been answered before somebody's hours were over."""
        board = self._desk.registry
        state = await self._desk.snapshots.load(call.call_sid)
        known = board.book.agents.get(state.agent) if state is not None else None
        return known or board.on_duty([call.dialled])

    async def status(self, fields: dict[str, str], _request: Request) -> Response:
        """`POST /twilio/status`: a caller who gave up while it rang is not waited for."""
        call = parse_voice(fields)
        if call.status in TERMINAL:
            self._desk.registry.leg_is_over(call.call_sid)
            await self._desk.warm.call_is_over(call.call_sid)
        if fields.get("Direction") == "outbound-api":
            await self._desk.outbound.told(call.call_sid, call.status)
        return Response(status_code=204)

    async def amd(self, fields: dict[str, str], _request: Request) -> Response:
        """`POST /twilio/amd`: who has answered a call of ours."""
        found = parse_detection(fields)
        await self._desk.outbound.detected(found.call_sid, found.who)
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


def _tell_of_failure(call_sid: str, leg: str, dialled: str, fields: dict[str, str]) -> None:
    """What the far end answered is said nowhere else."""
    sip_status = fields.get("DialSipResponseCode", "")
    log.warning(
        "a leg has failed",
        call_sid=call_sid,
        leg=leg[:16],
        dial_status=dialled[:16],
        sip_status=sip_status if re.fullmatch(r"[0-9]{3}", sip_status) else "",
    )
