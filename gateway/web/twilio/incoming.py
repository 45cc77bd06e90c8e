"""Answers to calls that arrive: the agent, or what a full or failing gateway offers instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.responses import Response

from gateway.agents.config.agent import Agent
from gateway.bridge.calls.registry import CallRegistry
from gateway.errors import NotAdmitted
from gateway.ops.telemetry.metrics import Metrics
from gateway.protocols.twilio_webhooks import VoiceRequest
from gateway.web.twilio.agent_legs import MediaStreamLeg, SipLeg
from gateway.web.twilio.fallback_steps import FallbackSteps
from gateway.web.twilio.legs import STREAM
from gateway.web.twilio.twiml_documents import TwimlDocuments

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
    ) -> None:
        self._overflow, self._shed, self._registry = overflow, shed, registry
        self._stream, self._sip, self._steps = stream, sip, steps
        self._documents, self._metrics = documents, metrics

    async def answer(self, call: VoiceRequest, agent: Agent) -> Response:
        """Return the document for a call that an agent is to answer."""
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
