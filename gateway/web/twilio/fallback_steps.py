"""Steps of the failover chain without an agent: a person, voicemail, a spoken apology."""

from __future__ import annotations

from prometheus_client import Counter
from starlette.responses import Response

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.web.twilio.legs import HUMAN, VOICEMAIL, after_url
from gateway.web.twilio.twiml_documents import TwimlDocuments, twiml


class FallbackSteps:
    """Answers for callers whom no agent can take; each step is counted."""

    def __init__(self, public_url: str, documents: TwimlDocuments, steps: Counter) -> None:
        self._public_url, self._documents, self._steps = public_url, documents, steps

    def person(self, agent: Agent) -> Response | None:
        """Return the document that dials the agent's `fallback`: a number, address or queue."""
        fallback = agent.fallback
        after = after_url(self._public_url, HUMAN)
        if fallback is not None and fallback.to is not None:
            return twiml(self._documents.dial(fallback.to, agent.language, after))
        if fallback is not None and fallback.queue is not None:
            return self._documents.response(
                "queue.xml", agent.language, queue=fallback.queue, after_url=after
            )
        return None

    def person_or_less(self, agent: Agent, leg: str) -> Response:
        """Return the first step that the agent has, after a person where that `leg` was one."""
        person = None if leg == HUMAN else self.person(agent)
        if person is not None:
            return self.count("human", person)
        voicemail = self._voicemail(agent)
        return self.count("voicemail", voicemail) if voicemail else self.apology(agent)

    def apology(self, agent: Agent) -> Response:
        return self.count("apology", self._documents.response("apology.xml", agent.language))

    def count(self, step: str, response: Response) -> Response:
        """Count a step, and return its response."""
        self._steps.labels(step).inc()
        return response

    def _voicemail(self, agent: Agent) -> Response | None:
        if agent.fallback is None or not agent.fallback.voicemail:
            return None
        return self._documents.response(
            "voicemail.xml",
            agent.language,
            after_url=after_url(self._public_url, VOICEMAIL),
            max_seconds=str(limits.agents.VOICEMAIL_MAX_S),
        )
