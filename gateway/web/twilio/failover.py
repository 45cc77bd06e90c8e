"""The failover chain: what a caller gets when a leg has ended and the call has not.

Media stream, SIP, a person, voicemail, a spoken apology. Which leg has ended stands in the query
of the address that Twilio requests, and the signature covers it.
"""

from __future__ import annotations

from typing import Final

import msgspec
import structlog
from starlette.responses import Response

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.agents.config.secret_input import COLLECTS_DIGITS, TAKES_PAYMENT
from gateway.bridge.calls.registry import CallRegistry
from gateway.bridge.failover.snapshots import SnapshotStore
from gateway.bridge.spend_limits import spent_key
from gateway.call.commands import TransferCaller
from gateway.call.dialogue import prompts
from gateway.call.endings import Ending
from gateway.call.history import ConversationHistory
from gateway.call.snapshot import CallSnapshot
from gateway.errors import NotAdmitted
from gateway.ops.store.shared import Store
from gateway.ops.store.values import readable
from gateway.ops.telemetry.metrics import Metrics
from gateway.protocols.twilio_webhooks import VoiceRequest
from gateway.tools.secret_functions import NOTHING_KNOWN, SecretAnswer
from gateway.web.twilio.agent_legs import MediaStreamLeg, SipLeg
from gateway.web.twilio.fallback_steps import FallbackSteps
from gateway.web.twilio.legs import DRAIN, HUMAN, SIP, STREAM, TRANSFER, VOICEMAIL, after_url
from gateway.web.twilio.secret_entries import SecretEntry
from gateway.web.twilio.transfers import TransferWebhooks
from gateway.web.twilio.twiml_documents import TwimlDocuments, twiml

_transfer_decoder = msgspec.json.Decoder(TransferCaller)
log = structlog.get_logger()

SUCCEEDED: Final = frozenset({"completed", "answered"})
"""Values of DialCallStatus after which the caller needs nothing more."""
_MODEL_FAILED: Final = frozenset({Ending.MODEL_REFUSED, Ending.MODEL_LOST, Ending.MODEL_SILENT})
"""Another connection to the same model would fare no better."""


class Failover:
    """Decides on the next leg of a call."""

    def __init__(
        self,
        registry: CallRegistry,
        store: Store,
        snapshots: SnapshotStore,
        stream: MediaStreamLeg,
        sip: SipLeg,
        steps: FallbackSteps,
        documents: TwimlDocuments,
        transfers: TransferWebhooks,
        metrics: Metrics,
        public_url: str,
    ) -> None:
        self._registry, self._store, self._snapshots = registry, store, snapshots
        self._stream, self._sip, self._steps = stream, sip, steps
        self._documents, self._transfers, self._metrics = documents, transfers, metrics
        self._public_url = public_url

    async def after(self, call: VoiceRequest, agent: Agent, leg: str, dial_status: str) -> Response:
        """Return the next leg; `dial_status` is Twilio's, "" when nothing was dialled."""
        if leg in (STREAM, DRAIN):
            self._registry.stream_is_over(call.call_sid, drained=leg == DRAIN)
        elif leg == SIP:
            self._registry.dial_is_over(call.call_sid)
        ending = await self._registry.ending_of(call.call_sid)
        if _ended_well(ending, leg, dial_status):
            return self._documents.response("hangup.xml", agent.language)
        return await self._next(call, agent, leg, ending, dial_status)

    async def refer(self, call: VoiceRequest, agent: Agent) -> Response:
        """Return the transfer that the agent asked for on the SIP leg of a dial."""
        key = refer_key(call.call_sid)
        to = readable(key, await self._store.get(key), _transfer_decoder.decode)
        if to is None:
            return await self._next(call, agent, TRANSFER)
        return twiml(await self._transfers.document(call, to, agent.language))

    async def _next(
        self,
        call: VoiceRequest,
        agent: Agent,
        leg: str,
        ending: Ending | None = None,
        dial_status: str = "",
    ) -> Response:
        if await self._is_passed_on(call.call_sid, leg, ending):
            if self._registry.hands_over:
                # A stream might lead back to this process, which would refuse it.
                url = after_url(self._public_url, leg)
                return self._documents.response("pass-on.xml", after_url=url)
        elif not await self._has_legs_left(call.call_sid):
            return self._steps.apology(agent)
        if await self._store.get(spent_key(call.call_sid)) is not None:
            # A call that has used up its spend limit gets no agent any more.
            return self._steps.person_or_less(agent, HUMAN if leg == TRANSFER else leg)
        answer = None
        if leg in (SIP, TRANSFER):
            answer = await self._reconnect_agent(call, agent, leg, dial_status)
        elif leg in (STREAM, DRAIN) and ending not in _MODEL_FAILED:
            answer = await self._resume_or_dial(call, agent, leg, ending)
        return answer or self._steps.person_or_less(agent, leg)

    async def _reconnect_agent(
        self, call: VoiceRequest, agent: Agent, leg: str, dial_status: str
    ) -> Response | None:
        """Return a media stream, which needs nothing of the leg that failed, or else SIP."""
        opening = prompts.not_taken(dial_status) if leg == TRANSFER else None
        state = await self._snapshots.load(call.call_sid)
        if state is not None:
            state.silently = True
            agent = self._registry.agents.agent(state.agent, call.call_sid) or agent
        try:
            answer = await self._stream.connect(call, agent, opening, state)
        except NotAdmitted as error:
            log.warning("failover_no_agent", call_sid=call.call_sid, reason=error.reason)
        else:
            return self._steps.count("media", answer)
        model = None if leg == SIP else self._sip.dial(call, agent, opening)
        return None if model is None else self._steps.count("sip", model)

    async def _resume_or_dial(
        self, call: VoiceRequest, agent: Agent, leg: str, ending: Ending | None
    ) -> Response | None:
        """Return another stream to the same agent, or SIP, whose limits are its own."""
        try:
            return await self._resume(call, agent, leg, ending)
        except NotAdmitted as error:
            log.warning("failover_no_agent", call_sid=call.call_sid, reason=error.reason)
        model = self._sip.dial(call, agent, prompts.RESUMED)
        return self._steps.count("sip", model) if model else None

    async def _resume(
        self, call: VoiceRequest, agent: Agent, leg: str, ending: Ending | None
    ) -> Response | None:
        """Return None when the call was resumed often enough. Raises NotAdmitted."""
        state = await self._snapshots.load(call.call_sid)
        if state is None:
            # Nothing is remembered of a stream that never arrived, whatever keeps it from us.
            if await self._count(f"restarts:{call.call_sid}") > limits.call.RESUMES_MAX:
                return None
            return await self._restart_without_history(call, agent)
        if state.resumes >= limits.call.RESUMES_MAX:
            return None
        agent = self._registry.agents.agent(state.agent, call.call_sid) or agent
        handed_over = leg == DRAIN or ending is Ending.DRAINED
        state.silently = handed_over or agent.resume == "silent"
        state.resumes += not handed_over
        answer = await self._stream.connect(call, agent, state=state)
        self._metrics.resumes.labels(_how(handed_over, state)).inc()
        return answer

    async def _restart_without_history(self, call: VoiceRequest, agent: Agent) -> Response | None:
        if agent.if_forgotten == "transfer":
            return None
        answer = await self._stream.connect(call, agent, prompts.FORGOTTEN)
        self._metrics.resumes.labels("without_history").inc()
        return answer

    async def _is_passed_on(self, call_sid: str, leg: str, ending: Ending | None) -> bool:
        """Return whether the leg ended, or goes elsewhere, since a process stops; bounded."""
        if leg not in (STREAM, DRAIN):
            return False
        passed = leg == DRAIN or ending is Ending.DRAINED or self._registry.hands_over
        return passed and await self._count(f"passes:{call_sid}") <= limits.call.PASSES_MAX

    async def back(
        self,
        call: VoiceRequest,
        agent: Agent | None,
        entry: SecretEntry | None = None,
        answer: SecretAnswer = NOTHING_KNOWN,
    ) -> Response:
        """Return the document that brings a caller back from typing, into their conversation.

        Without an `entry` nothing is known of what was typed.
        """
        state = await self._snapshots.load(call.call_sid)
        if state is not None:
            agent = self._registry.agents.agent(state.agent, call.call_sid) or agent
        if agent is None:
            return self._documents.response("apology.xml")
        if state is None:
            forgotten = await self._restart_without_history(call, agent)
            return forgotten or self._steps.person_or_less(agent, STREAM)
        history = ConversationHistory(state.history)
        if entry is not None:
            output = prompts.secret_outcome(answer.outcome, answer.say, answer.token)
            history.answer_open([_TOOLS[entry.kind]], output)
            state.secret_ended = (entry.kind, entry.name, answer.outcome)
        state.history, state.silently = history.items, True
        try:
            return await self._stream.connect(call, agent, state=state)
        except NotAdmitted as error:
            log.warning("failover_no_agent", call_sid=call.call_sid, reason=error.reason)
        model = self._sip.dial(call, agent, prompts.RESUMED)
        return model or self._steps.person_or_less(agent, STREAM)

    async def _has_legs_left(self, call_sid: str) -> bool:
        return await self._count(f"legs:{call_sid}") <= limits.call.LEGS_MAX

    async def _count(self, key: str) -> int:
        count = (readable(key, await self._store.get(key), int) or 0) + 1
        await self._store.put(key, str(count), limits.store.ENDINGS_KEPT_S)
        return count


_TOOLS: Final = {"digits": COLLECTS_DIGITS, "payment": TAKES_PAYMENT}


def refer_key(call_sid: str) -> str:
    """Return the store's key for the target of a call's SIP REFER."""
    return f"refer:{call_sid}"


def _ended_well(ending: Ending | None, leg: str, dial_status: str) -> bool:
    if leg == VOICEMAIL:
        return True
    if leg in (STREAM, DRAIN):
        return leg == STREAM and ending is not None and ending.well
    if dial_status not in SUCCEEDED:
        return False
    if leg != SIP or ending is None:
        return True
    # Twilio requests this while the caller is there: if anybody hung up, it was not the caller.
    return ending.well and ending is not Ending.CALLER_HUNG_UP


def _how(handed_over: bool, state: CallSnapshot) -> str:
    if handed_over:
        return "handed_over"
    return "silent" if state.silently else "announced"
