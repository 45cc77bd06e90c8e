"""What a caller gets when a call arrives, and when what he had has ended: the next rung down.

Media stream, SIP, a person, voicemail, a spoken apology. Which leg has just ended stands in the
query of the address that Twilio is told to ask, and the signature covers it.
"""

from __future__ import annotations

from typing import Final

import msgspec
import structlog
from starlette.responses import Response

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.bridge.spend_limits import spent_key
from gateway.call.commands import TransferCaller
from gateway.call.dialogue import prompts
from gateway.call.endings import Ending
from gateway.call.snapshot import CallSnapshot
from gateway.errors import NotAdmitted
from gateway.ops.limits.admission import shed_reason
from gateway.protocols.twilio_webhooks import VoiceRequest
from gateway.web.twilio.context import TwilioContext
from gateway.web.twilio.transfers import TransferWebhooks
from gateway.web.twilio.twiml_responses import (
    DRAIN,
    HUMAN,
    SIP,
    STREAM,
    TRANSFER,
    VOICEMAIL,
    TwimlResponses,
)

__all__ = ["WELL", "Failover"]

log = structlog.get_logger()

WELL: Final = frozenset({"completed", "answered"})
_MODEL_FAILED: Final = frozenset({Ending.MODEL_REFUSED, Ending.MODEL_LOST, Ending.MODEL_SILENT})
"""Another connection to the same model would fare no better."""
_MODEL_AWAY: Final = frozenset({"model_down", "rate_limited"})


class Failover:
    def __init__(self, desk: TwilioContext, handing: TransferWebhooks) -> None:
        self._desk, self._handing = desk, handing
        self._rungs = TwimlResponses(desk)

    # --- A call arrives ---

    async def answer(self, call: VoiceRequest, agent: Agent) -> Response:
        reason = shed_reason(self._desk.breaker, self._desk.rates)
        if agent.path == "sip" and reason is None:
            model = self._rungs.dial_model(call, agent)
            refusal = self._desk.registry.refusal("sip", call.call_sid)
            return model or self._turn_away(call, agent, refusal or "full")
        try:
            if reason is None:
                return await self._rungs.connect(call, agent)
        except NotAdmitted as error:
            reason = error.reason
        return self._instead(call, agent, reason)

    def _instead(self, call: VoiceRequest, agent: Agent, reason: str) -> Response:
        """A process that stops takes nothing; otherwise a caller gets what there is."""
        desk, answer, step = self._desk, None, f"overflow_{self._desk.overflow}"
        if call.outbound:
            return self._turn_away(call, agent, reason)  # he did not ask for anybody of ours
        if reason in _MODEL_AWAY:
            desk.metrics.refused.labels(reason).inc()
            return self._person_or_less(agent, STREAM)
        if reason == "full" and desk.overflow == "sip":
            answer = self._rungs.dial_model(call, agent)
        elif reason in ("full", "agent_full") and desk.overflow == "human":
            answer = self._rungs.person(agent)
        return self._turn_away(call, agent, reason) if answer is None else self._count(step, answer)

    def _turn_away(self, call: VoiceRequest, agent: Agent, reason: str) -> Response:
        """Whom we have called ourselves has answered: no busy tone reaches him any more."""
        self._desk.metrics.refused.labels(reason).inc()
        return self._desk.twiml("apology.xml" if call.outbound else "busy.xml", agent.language)

    # --- What he had has ended ---

    async def after(self, call: VoiceRequest, agent: Agent, leg: str, dialled: str) -> Response:
        """`dialled` is Twilio's DialCallStatus, "" when nothing was dialled."""
        desk = self._desk
        if leg in (STREAM, DRAIN):
            desk.registry.stream_is_over(call.call_sid, drained=leg == DRAIN)
        elif leg == SIP:
            desk.registry.dial_is_over(call.call_sid)
        ending = await desk.registry.ending_of(call.call_sid)
        if _ended_well(ending, leg, dialled):
            return desk.twiml("hangup.xml", agent.language)
        return await self._next(call, agent, leg, ending, dialled)

    async def _next(
        self,
        call: VoiceRequest,
        agent: Agent,
        leg: str,
        ending: Ending | None = None,
        dialled: str = "",
    ) -> Response:
        if leg != DRAIN and not await self._may_go_on(call.call_sid):
            return self._sorry(agent)
        # A call that has used up what it may cost has no agent any more.
        spent = await self._desk.store.get(spent_key(call.call_sid)) is not None
        answer = None
        if spent:
            return self._person_or_less(agent, HUMAN if leg == TRANSFER else leg)
        if leg in (SIP, TRANSFER):
            answer = await self._agent_again(call, agent, leg, dialled)
        elif leg in (STREAM, DRAIN) and ending not in _MODEL_FAILED:
            answer = await self._goes_on(call, agent, leg, ending)
        return answer or self._person_or_less(agent, leg)

    def _person_or_less(self, agent: Agent, leg: str) -> Response:
        person = None if leg == HUMAN else self._rungs.person(agent)
        if person is not None:
            return self._count("human", person)
        voicemail = self._rungs.voicemail(agent)
        return self._count("voicemail", voicemail) if voicemail else self._sorry(agent)

    async def _agent_again(
        self, call: VoiceRequest, agent: Agent, leg: str, dialled: str
    ) -> Response | None:
        """Over a media stream, which needs nothing of what failed; where that is full, by SIP."""
        opening = prompts.not_taken(dialled) if leg == TRANSFER else None
        state = await self._desk.snapshots.load(call.call_sid)
        if state is not None:
            state.silently = True
        try:
            return self._count("media", await self._rungs.connect(call, agent, opening, state))
        except NotAdmitted as error:
            log.warning("no agent free for a caller", reason=error.reason)
        model = None if leg == SIP else self._rungs.dial_model(call, agent, opening)
        return None if model is None else self._count("sip", model)

    # --- The same agent, who remembers ---

    async def _goes_on(
        self, call: VoiceRequest, agent: Agent, leg: str, ending: Ending | None
    ) -> Response | None:
        """On another stream; where that has no place, by SIP, which has other bounds."""
        try:
            return await self._resume(call, agent, leg, ending)
        except NotAdmitted as error:
            log.warning("no agent free for a caller", reason=error.reason)
        model = self._rungs.dial_model(call, agent, prompts.RESUMED)
        return self._count("sip", model) if model else None

    async def _resume(
        self, call: VoiceRequest, agent: Agent, leg: str, ending: Ending | None
    ) -> Response | None:
        """None when the call was taken up often enough; raises NotAdmitted."""
        state = await self._desk.snapshots.load(call.call_sid)
        if state is None:
            return await self._afresh(call, agent)
        if state.resumes >= limits.call.RESUMES_MAX:
            return None
        agent = self._desk.registry.book.agents.get(state.agent, agent)
        handed_over = leg == DRAIN or ending is Ending.DRAINED
        state.silently = handed_over or agent.resume == "silent"
        state.resumes += not handed_over
        answer = await self._rungs.connect(call, agent, state=state)
        self._desk.metrics.resumes.labels(_how(handed_over, state)).inc()
        return answer

    async def _afresh(self, call: VoiceRequest, agent: Agent) -> Response | None:
        if agent.if_forgotten == "transfer":
            return None
        answer = await self._rungs.connect(call, agent, prompts.FORGOTTEN)
        self._desk.metrics.resumes.labels("afresh").inc()
        return answer

    # --- Legs ---

    async def refer(self, call: VoiceRequest, agent: Agent) -> Response:
        """The SIP leg of our dial refers: to whom, we know ourselves."""
        known = await self._desk.store.get(refer_key(call.call_sid))
        if known is None:
            return await self._next(call, agent, TRANSFER)
        to = msgspec.json.decode(known, type=TransferCaller)
        document = await self._handing.document(call, to, agent.language)
        return Response(document, media_type="text/xml")

    async def _may_go_on(self, call_sid: str) -> bool:
        """A caller is not passed round for ever; from a process that stops, he has to be."""
        key = f"legs:{call_sid}"
        legs = int(await self._desk.store.get(key) or 0) + 1
        await self._desk.store.put(key, str(legs), limits.store.ENDINGS_KEPT_S)
        return legs <= limits.call.LEGS_MAX

    def _count(self, step: str, response: Response) -> Response:
        self._desk.metrics.fallbacks.labels(step).inc()
        return response

    def _sorry(self, agent: Agent) -> Response:
        return self._count("apology", self._rungs.apology(agent))


def refer_key(call_sid: str) -> str:
    """Where it is kept to whom a call is being referred."""
    return f"refer:{call_sid}"


def _ended_well(ending: Ending | None, leg: str, dialled: str) -> bool:
    if leg == VOICEMAIL:
        return True
    if leg in (STREAM, DRAIN):
        return leg == STREAM and ending is not None and ending.well
    if dialled not in WELL:
        return False
    if leg != SIP or ending is None:
        return True
    # Twilio asks while the caller is there: if anybody hung up on that leg, it was not he.
    return ending.well and ending is not Ending.CALLER_HUNG_UP


def _how(handed_over: bool, state: CallSnapshot) -> str:
    if handed_over:
        return "handed_over"
    return "silent" if state.silently else "announced"
