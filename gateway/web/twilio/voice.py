"""Voice webhooks: a call arrives, a leg of it has ended, or the model's leg refers it."""

from __future__ import annotations

import asyncio
import re
from typing import Final
from weakref import WeakValueDictionary

import structlog
from starlette.requests import Request
from starlette.responses import Response

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.bridge.calls.outbound_state import OutboundState
from gateway.bridge.calls.registry import CallRegistry
from gateway.bridge.failover.snapshots import SnapshotStore
from gateway.ops.limits.signed_tokens import OutboundTokens
from gateway.ops.store.shared import Store
from gateway.ops.telemetry.logs import masked
from gateway.protocols.twilio_webhooks import TERMINAL, VoiceRequest, parse_voice
from gateway.web.twilio.failover import SUCCEEDED, Failover
from gateway.web.twilio.incoming import IncomingCalls
from gateway.web.twilio.legs import HUMAN, SIP, STREAM, TRANSFER, WARM
from gateway.web.twilio.transfers import REDIRECTED, TransferWebhooks
from gateway.web.twilio.twiml_documents import TwimlDocuments, twiml

log = structlog.get_logger()
_RETRY: Final = "i-twilio-idempotency-token"
_QUEUE_RESULTS: Final = {"bridged": "completed", "hangup": "completed", "leave": "completed"}
"""Twilio's QueueResult as the status of a dial; the others are failures."""


class VoiceEndpoints:
    """Answers the webhooks that decide what a caller hears."""

    def __init__(
        self,
        registry: CallRegistry,
        store: Store,
        snapshots: SnapshotStore,
        tokens: OutboundTokens,
        documents: TwimlDocuments,
        incoming: IncomingCalls,
        failover: Failover,
        transfers: TransferWebhooks,
    ) -> None:
        self._registry, self._store, self._snapshots = registry, store, snapshots
        self._tokens, self._documents = tokens, documents
        self._incoming, self._failover, self._transfers = incoming, failover, transfers
        self._being_answered: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def voice(self, fields: dict[str, str], request: Request) -> Response:
        """`POST /twilio/voice`: a retry of a request gets the same answer, and one call."""
        call = parse_voice(fields)
        key = f"voice:{request.headers.get(_RETRY) or call.call_sid}"
        # A retry that comes while the operator is still asked about the call waits for its answer.
        async with self._being_answered.setdefault(key, asyncio.Lock()):
            known = await self._store.get(key)
            return twiml(known) if known is not None else await self._answer(call, request, key)

    async def _answer(self, call: VoiceRequest, request: Request, key: str) -> Response:
        call, agent = await self._answering(call, request.query_params.get("dial"))
        if agent is None:
            log.warning("no_agent_for_number", call_sid=call.call_sid, dialled=masked(call.dialled))
            response = self._incoming.no_agent()
        else:
            response = await self._incoming.answer(call, agent)
        await self._store.put(key, bytes(response.body).decode(), limits.web.WEBHOOK_REMEMBERED_S)
        return response

    async def _answering(
        self, call: VoiceRequest, token: str | None
    ) -> tuple[VoiceRequest, Agent | None]:
        """Return the agent that answers; an outbound call has a token. Raises SignatureRefused."""
        if token is None:
            return call, self._registry.on_duty([call.dialled])
        name = await self._tokens.redeem(token, call.caller, call.dialled)
        dialled = OutboundState(name, call.dialled, call.caller)
        await self._registry.dials.remember(call.call_sid, dialled)
        await self._registry.briefings.placed(token, call.call_sid)
        return call.turned(), self._registry.agents.agent(name)

    async def after(self, fields: dict[str, str], request: Request) -> Response:
        """`POST /twilio/after`: a leg has ended; does the caller still need something?"""
        call, agent = await self.current(parse_voice(fields))
        leg = request.query_params.get("leg", STREAM)
        if leg == WARM:
            await self._transfers.out_of_queue(call, fields, request)
        if call.status in TERMINAL:
            self._registry.leg_is_over(call.call_sid)
            return self._documents.response("hangup.xml")
        if agent is None:
            return self._documents.response("apology.xml")
        retry = request.headers.get(_RETRY)
        known = await self._store.get(f"after:{retry}") if retry else None
        if known is not None:
            return twiml(known)
        dial_status = fields.get("DialCallStatus") or _QUEUE_RESULTS.get(
            fields.get("QueueResult", ""), ""
        )
        if leg == WARM:
            warm = await self._transfers.known(request)
            if warm is not None and fields.get("QueueResult") == REDIRECTED:
                return self._transfers.redirected(warm)
            leg, dial_status = TRANSFER, await self._transfers.outcome(warm, fields)
        if dial_status not in SUCCEEDED and leg in (SIP, HUMAN, TRANSFER):
            _log_failed_leg(call.call_sid, leg, dial_status, fields)
        response = await self._failover.after(call, agent, leg, dial_status)
        if retry:
            body = bytes(response.body).decode()
            await self._store.put(f"after:{retry}", body, limits.web.WEBHOOK_REMEMBERED_S)
        return response

    async def refer(self, fields: dict[str, str], _request: Request) -> Response:
        """`POST /twilio/refer`: the agent on the SIP leg of a dial transfers the caller."""
        call, agent = await self.current(parse_voice(fields))
        if agent is None:
            return self._documents.response("apology.xml")
        return await self._failover.refer(call, agent)

    async def current(self, call: VoiceRequest) -> tuple[VoiceRequest, Agent | None]:
        """Return the agent of a call that was answered before, in the caller's language."""
        agents = self._registry.agents
        dialled = await self._registry.dials.find(call.call_sid)
        # The call may have been handed over, or answered before the opening hours ended.
        state = await self._snapshots.load(call.call_sid)
        leader = state.agent if state else await self._registry.briefings.leader(call.call_sid)
        known = agents.agent(leader, call.call_sid) if leader else None
        if known is not None and state is not None and state.language:
            known = known.model_copy(update={"language": state.language})
        if dialled is not None:
            return call.turned(), known or agents.agent(dialled.agent, call.call_sid)
        return call, known or self._registry.on_duty([call.dialled])


def _log_failed_leg(call_sid: str, leg: str, dial_status: str, fields: dict[str, str]) -> None:
    # The far end's SIP status is reported nowhere else.
    sip_status = fields.get("DialSipResponseCode", "")
    log.warning(
        "leg_failed",
        call_sid=call_sid,
        leg=leg[:16],
        dial_status=dial_status[:16],
        sip_status=sip_status if re.fullmatch(r"[0-9]{3}", sip_status) else "",
    )
