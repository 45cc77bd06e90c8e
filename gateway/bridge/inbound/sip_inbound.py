"""Incoming SIP calls: which agent answers, or which SIP status refuses the call.

The status makes the carrier do the right thing: a Twilio trunk fails over on 503, and not on 486.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Final

import structlog

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.agents.config.models import DEFAULT_MODEL
from gateway.agents.session import essential_session
from gateway.bridge.calls.live_call import LiveCall
from gateway.bridge.calls.outbound_state import OutboundState
from gateway.bridge.calls.registry import CallRegistry
from gateway.bridge.inbound.before_calls import ArrivingCall, BeforeCalls, transfer_of
from gateway.call import inputs
from gateway.call.briefing import NO_BRIEFING, Briefing
from gateway.call.call_info import CallInfo
from gateway.call.commands import TransferCaller
from gateway.call.endings import Ending
from gateway.call.snapshot import CallSnapshot
from gateway.errors import LinkError, NotAdmitted, SignatureRefused
from gateway.ops.limits.admission import Admission, RateWatch
from gateway.ops.limits.signed_tokens import DialTokens
from gateway.protocols.openai_webhooks import IncomingCall
from gateway.transports.openai_calls import OpenAICalls, SessionRefused

log = structlog.get_logger()

CALL_HEADER: Final = "X-Gateway-Call"
AGENT_HEADER: Final = "X-Gateway-Agent"
_ATTESTATION: Final = "X-Twilio-VerStat"
TOKEN_HEADER: Final = "X-Gateway-Token"  # noqa: S105 - the name of a header

STATUS: Final = {
    "agent_full": 486,
    "caller_busy": 486,
    "insecure": 488,
    "full": 503,
    "budget": 503,
    "draining": 503,
    "unavailable": 503,
    "rate_limited": 503,
    "forged": 603,
    "no_agent": 404,
    "over_trunk": 503,  # a trunk fails over to its Disaster Recovery URL
    "before_busy": 486,
    "before_declined": 603,
}
"""SIP status of each reason to refuse a call."""
_DECIDED: Final = frozenset({"http_404", "http_409"})
"""Errors of a call that is not pending any more."""
_ANY_SESSION: Final = {"type": "realtime", "model": DEFAULT_MODEL}


@dataclass(frozen=True, slots=True)
class SipSlot:
    """Agent and line of an incoming call."""

    agent: Agent
    call_sid: str
    dialled: str
    out: OutboundState | None = None
    """State of the outbound call for which the model's leg is dialled."""
    opening: str | None = None
    briefing: Briefing = NO_BRIEFING
    refuse: str = ""
    """A sentence in place of a conversation."""
    transfer: TransferCaller | None = None
    """Where the caller goes in place of a conversation."""


class SipInbound:
    """Accepts or rejects incoming SIP calls.

    `counted` gets the decision on each call: `accepted`, or a reason.
    """

    def __init__(
        self,
        registry: CallRegistry,
        calls: OpenAICalls,
        tokens: DialTokens,
        admission: Admission,
        before: BeforeCalls,
        *,
        rates: RateWatch,
        allow_rtp: bool,
        counted: Callable[[str], None],
        accept_max_s: float = limits.sip.ACCEPT_MAX_S,
        decide_max_s: float = limits.sip.DECIDE_MAX_S,
    ) -> None:
        self._registry, self._calls, self._tokens = registry, calls, tokens
        self._admission, self._rates, self._before = admission, rates, before
        self._allow_rtp, self._counted = allow_rtp, counted
        self._accept_max_s, self._decide_max_s = accept_max_s, decide_max_s

    async def take(self, incoming: IncomingCall) -> None:
        """Accept or reject one call, within two seconds of its webhook or of `before`'s answer."""
        came_at = monotonic()
        try:
            slot = await self._slot(incoming)
            session = self._registry.session(slot.agent, "sip", slot.briefing)
            call = await self._let_in(incoming, slot, session, came_at)
            if slot.refuse:
                call.machine.decision.refuse(slot.refuse)
            elif slot.transfer is not None:
                call.machine.decision.transfer(slot.transfer)
        except NotAdmitted as error:
            return await self._reject(incoming.call_id, error.reason, self._decide_max_s)
        try:
            await self._accept(call, session)
        except LinkError as error:
            return await self._not_accepted(call, error.reason)
        self._counted("accepted")
        return call.accepted()

    def adopt(self, state: CallSnapshot) -> None:
        """Continue a call that another process accepted. Raises NotAdmitted."""
        agent = self._registry.agents.agent(state.agent, state.call_sid)
        if agent is None:
            raise NotAdmitted("no_agent")
        facts = CallInfo(
            state.call_sid,
            state.caller,
            state.dialled,
            state.agent,
            "sip",
            state.call_id,
            state.direction,
        )
        briefing = state.briefing
        session = self._registry.session(agent, "sip", briefing)
        call = self._registry.announce_sip(facts, agent, session, state=state, briefing=briefing)
        call.adopted()

    async def _accept(self, call: LiveCall, session: Mapping[str, Any]) -> None:
        """Accept a call, once more with less if its session is refused. Raises LinkError."""
        call_id, until = call.facts.call_id, monotonic() + self._accept_max_s
        try:
            return await self._calls.accept(call_id, session, self._accept_max_s)
        except SessionRefused as refused:
            call.notify(inputs.AcceptRefused(refused.error))
            essential = essential_session(call.machine.agent, session, "sip")
            if essential == session:
                raise
        try:
            return await self._calls.accept(call_id, essential, until - monotonic())
        except SessionRefused as refused:
            call.notify(inputs.AcceptRefused(refused.error))
            raise

    async def _not_accepted(self, call: LiveCall, why: str) -> None:
        call_id = call.facts.call_id
        log.warning("sip_accept_failed", call_id=call_id, reason=why)
        if why in _DECIDED:
            self._counted("gone")
            return call.hang_up(Ending.NEVER_ARRIVED)
        call.accept_failed()
        left_s = self._decide_max_s - self._accept_max_s
        return await self._reject(call_id, "unavailable", left_s, unsure=why == "timeout")

    async def _slot(self, incoming: IncomingCall) -> SipSlot:
        """Raises NotAdmitted."""
        security = incoming.media_security
        if security not in ("srtp", None) and not self._allow_rtp:
            raise NotAdmitted("insecure")
        if incoming.first(TOKEN_HEADER):
            return await self._dialled_by_us(incoming)  # it was decided on before we dialled
        candidates = list(incoming.dialled)
        route = self._registry.book.route_any(candidates)
        if route is not None and route.trunk is False:
            raise NotAdmitted("over_trunk")
        agent = self._registry.on_duty(candidates)
        if agent is None:
            raise NotAdmitted("no_agent")
        return await self._decided(incoming, SipSlot(agent, "", next(iter(candidates), "")))

    async def _decided(self, incoming: IncomingCall, slot: SipSlot) -> SipSlot:
        """Return the slot as the operator decides on the call. Raises NotAdmitted."""
        call = ArrivingCall(
            "",
            incoming.call_id,
            "inbound",
            incoming.caller,
            slot.dialled,
            incoming.headers,
            incoming.first(_ATTESTATION),
        )
        asking = self._before.ask(slot.agent, call, limits.briefing.BEFORE_SIP_WAIT_MAX_S)
        if asking is None:
            return slot
        answer = await asking
        if answer.refuse and not answer.spoken:
            raise NotAdmitted(f"before_{answer.refuse}")
        agents = self._registry.agents.version_of(slot.agent).book.agents
        leads = agents.get(answer.agent, slot.agent)
        transfer = transfer_of(leads, answer.transfer) if answer.transfer else None
        return replace(
            slot,
            agent=leads,
            briefing=slot.briefing.joined(answer.briefing),
            refuse=answer.spoken,
            transfer=transfer,
        )

    async def _dialled_by_us(self, incoming: IncomingCall) -> SipSlot:
        call_sid, name = incoming.first(CALL_HEADER), incoming.first(AGENT_HEADER)
        try:
            await self._tokens.redeem(incoming.first(TOKEN_HEADER), call_sid, name)
        except SignatureRefused as error:
            log.warning("sip_headers_refused", call_id=incoming.call_id, reason=error.reason)
            raise NotAdmitted("forged") from error
        agent = self._registry.agents.agent(name, call_sid)
        if agent is None:
            raise NotAdmitted("no_agent")
        dialled = await self._registry.dialled_by(call_sid)
        out = await self._registry.dials.find(call_sid)
        opening = await self._registry.opening_of(call_sid)
        briefing = await self._registry.briefings.find(call_sid)
        dialled = dialled or next(incoming.dialled, "")
        return SipSlot(agent, call_sid, dialled, out, opening, briefing)

    async def _let_in(
        self, incoming: IncomingCall, slot: SipSlot, session: Mapping[str, Any], came_at: float
    ) -> LiveCall:
        """Raises NotAdmitted."""
        facts, agent = self._facts(incoming, slot), slot.agent
        if self._rates.short:
            raise NotAdmitted("rate_limited")  # the remaining rate belongs to running calls
        if slot.out is None:  # an outbound call took its slot when it was placed
            await self._admission.admit(facts.slot_key, facts.caller, agent.name, agent.max_calls)
        try:
            return self._registry.announce_sip(
                facts,
                agent,
                session,
                slot.opening,
                briefing=slot.briefing,
                announced_at=came_at,
            )
        except NotAdmitted:
            await self._admission.release(facts.slot_key)
            raise

    def _facts(self, incoming: IncomingCall, slot: SipSlot) -> CallInfo:
        out = slot.out
        return CallInfo(
            slot.call_sid,
            out.person if out else incoming.caller,
            out.ours if out else slot.dialled,
            slot.agent.name,
            "sip",
            incoming.call_id,
            "outbound" if out else "inbound",
        )

    async def _reject(
        self, call_id: str, reason: str, within_s: float, *, unsure: bool = False
    ) -> None:
        """Reject a call; `unsure` means that it may have been accepted after all."""
        self._counted(reason)
        log.warning("sip_call_rejected", call_id=call_id, reason=reason)
        try:
            await self._calls.reject(call_id, STATUS[reason], within_s)
        except LinkError as error:
            if error.reason in _DECIDED and not unsure:
                return  # the caller is gone, or another consumer has taken the call
            log.warning("sip_reject_failed", call_id=call_id, reason=error.reason)
            self._counted("reject_failed")
            await self._take_and_drop(call_id)

    async def _take_and_drop(self, call_id: str) -> None:
        """Accept and hang up: the only other way to stop a pending call from ringing."""
        try:
            await self._calls.accept(call_id, _ANY_SESSION, self._accept_max_s)
        except LinkError as error:
            log.warning("sip_accept_failed", call_id=call_id, reason=error.reason)
        try:
            await self._calls.hang_up(call_id)
        except LinkError as error:
            log.error("sip_hangup_failed", call_id=call_id, reason=error.reason)
