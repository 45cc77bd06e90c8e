"""Answers to calls that arrive: the agent, or what a full or failing gateway offers instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.responses import Response

from gateway.agents.config.agent import Agent
from gateway.bridge.calls.registry import CallRegistry
from gateway.bridge.inbound.before_calls import ArrivingCall, BeforeCalls, transfer_of
from gateway.errors import NotAdmitted
from gateway.ops.telemetry.metrics import Metrics
from gateway.protocols.twilio_webhooks import VoiceRequest
from gateway.tools.before_answer import BUSY, NO_ANSWER, BeforeAnswer
from gateway.web.twilio.agent_legs import MediaStreamLeg, SipLeg
from gateway.web.twilio.fallback_steps import FallbackSteps
from gateway.web.twilio.legs import STREAM
from gateway.web.twilio.transfers import TransferWebhooks
from gateway.web.twilio.twiml_documents import TwimlDocuments, twiml

_STOPS: Final = "draining"
_MODEL_UNAVAILABLE: Final = frozenset({"model_down", "rate_limited"})


class IncomingCalls:
    """`shed` returns why no call is connected to the model at the moment, or None."""

    def __init__(
        self,
        overflow: str,
        shed: Callable[[], str | None],
        registry: CallRegistry,
        stream: MediaStreamLeg,
        sip: SipLeg,
        steps: FallbackSteps,
        documents: TwimlDocuments,
        metrics: Metrics,
        before: BeforeCalls,
        transfers: TransferWebhooks,
    ) -> None:
        self._before, self._transfers = before, transfers
        self._overflow, self._shed, self._registry = overflow, shed, registry
        self._stream, self._sip, self._steps = stream, sip, steps
        self._documents, self._metrics = documents, metrics

    async def answer(self, call: VoiceRequest, agent: Agent) -> Response:
        """Return the document for a call that an agent is to answer."""
        asking = self._before.ask(agent, _arriving(call))
        if asking is None:
            return await self._connected(call, agent)
        if agent.path == "sip" or self._shed() is not None:
            return await self._as_asked(call, agent, await asking)
        try:
            # The session is opened meanwhile.
            response = await self._stream.connect(call, agent)
        except NotAdmitted as error:
            if error.reason == _STOPS:
                asking.cancel()
                return self._instead(call, agent, error.reason)
            # A refusal or a transfer needs no slot, and another agent may have one.
            return await self._as_asked(call, agent, await asking)
        return await self._as_decided(call, agent, await asking, response)

    async def _as_asked(self, call: VoiceRequest, agent: Agent, answer: BeforeAnswer) -> Response:
        """Return what a call gets that is connected only now that its operator was asked."""
        decided = await self._decided(call, agent, answer)
        return decided or await self._connected(call, self._leading(agent, answer))

    async def _as_decided(
        self, call: VoiceRequest, agent: Agent, answer: BeforeAnswer, response: Response
    ) -> Response:
        """Return what a call gets that was connected while its operator was asked."""
        if answer == NO_ANSWER:
            return response
        decided = await self._decided(call, agent, answer)
        if decided is not None:
            await self._stream.withdraw(call)
            return decided
        leads = self._leading(agent, answer)
        briefing = await self._registry.briefings.find(call.call_sid)
        try:
            return await self._stream.decide_anew(call, agent, leads, briefing)
        except NotAdmitted as error:
            await self._stream.withdraw(call)
            return self._instead(call, leads, error.reason)

    async def _decided(
        self, call: VoiceRequest, agent: Agent, answer: BeforeAnswer
    ) -> Response | None:
        """Return the document of a refusal or transfer; else keep what the agent is to know."""
        leads = self._leading(agent, answer)
        if leads is not agent:
            await self._registry.briefings.led_by(call.call_sid, leads.name)
        language = answer.briefing.language or leads.language
        if answer.refuse:
            self._metrics.refused.labels("before").inc()
            if answer.spoken:
                return self._documents.response("refused.xml", language, sentence=answer.spoken)
            # An outbound call was answered already: no tone can reach the person any more.
            signal = "busy.xml" if answer.refuse == BUSY else "declined.xml"
            return self._documents.response("hangup.xml" if call.outbound else signal)
        if answer.transfer:
            to = transfer_of(leads, answer.transfer)
            return twiml(await self._transfers.document(call, to, language))
        known = await self._registry.briefings.find(call.call_sid)
        await self._registry.briefings.put(call.call_sid, known.joined(answer.briefing))
        return None

    def _leading(self, agent: Agent, answer: BeforeAnswer) -> Agent:
        """Return the agent that leads the call: the answer's, or the one of the route."""
        agents = self._registry.agents.version_of(agent).book.agents
        return agents.get(answer.agent, agent)

    async def _connected(self, call: VoiceRequest, agent: Agent) -> Response:
        reason = self._shed()
        if agent.path == "sip" and reason is None:
            model = self._sip.dial(call, agent)
            refusal = self._registry.refusal("sip", call.call_sid)
            return model or self._turn_away(call, agent, refusal or "full")
        try:
            if reason is None:
                return await self._stream.connect(call, agent)
        except NotAdmitted as error:
            reason = error.reason
        return self._instead(call, agent, reason)

    def _instead(self, call: VoiceRequest, agent: Agent, reason: str) -> Response:
        """A process that stops takes nothing; otherwise a caller gets what there is."""
        answer, step = None, f"overflow_{self._overflow}"
        if call.outbound:
            # We placed this call: the person did not ask to be connected to somebody else.
            return self._turn_away(call, agent, reason)
        if reason in _MODEL_UNAVAILABLE:
            self._metrics.refused.labels(reason).inc()
            return self._steps.person_or_less(agent, STREAM)
        if reason == "full" and self._overflow == "sip":
            answer = self._sip.dial(call, agent)
        elif reason in ("full", "agent_full") and self._overflow == "human":
            answer = self._steps.person(agent)
        if answer is None:
            return self._turn_away(call, agent, reason)
        return self._steps.count(step, answer)

    def _turn_away(self, call: VoiceRequest, agent: Agent, reason: str) -> Response:
        self._metrics.refused.labels(reason).inc()
        # An outbound call was answered already: a busy tone cannot reach the person any more.
        name = "apology.xml" if call.outbound else "busy.xml"
        return self._documents.response(name, agent.language)

    def no_agent(self) -> Response:
        """Return the document for a call to a number that no agent answers."""
        self._metrics.refused.labels("no_agent").inc()
        return self._documents.response("unavailable.xml")


def _arriving(call: VoiceRequest) -> ArrivingCall:
    return ArrivingCall(
        call.call_sid,
        "",
        "outbound" if call.outbound else "inbound",
        call.caller,
        call.dialled,
        call.sip_headers,
        call.attestation,
    )
