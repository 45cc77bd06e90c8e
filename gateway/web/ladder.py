"""What a caller gets when a call arrives, and when what he had has ended: the next rung down.

Media stream, SIP, a person, a spoken apology. Which leg has just ended stands in the query of the
address that Twilio is told to ask, and the signature covers it.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import structlog
from starlette.responses import Response

from gateway.agents.config import Agent
from gateway.bridge.live_call import CallFacts
from gateway.bridge.sip_desk import AGENT_HEADER, CALL_HEADER, TOKEN_HEADER
from gateway.bridge.spend_watch import spent_key
from gateway.call.endings import Ending
from gateway.errors import NotAdmitted
from gateway.limits import ENDINGS_KEPT_S, LEGS_MAX
from gateway.protocols.twilio_webhooks import VoiceRequest
from gateway.web.desk import Desk

log = structlog.get_logger()

STREAM, SIP, TRANSFER, HUMAN = "stream", "sip", "transfer", "human"
WELL: Final = frozenset({"completed", "answered"})


class Ladder:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    # --- A call arrives ---

    def answer(self, call: VoiceRequest, agent: Agent) -> Response:
        if agent.path == "sip":
            reason = self._desk.switchboard.refusal("sip")
            return self._dial_model(call, agent) or self._turn_away(agent, reason or "full")
        try:
            return self.connect(call, agent)
        except NotAdmitted as error:
            return self._overflow(call, agent, error.reason)

    def _overflow(self, call: VoiceRequest, agent: Agent, reason: str) -> Response:
        """Beyond what this process takes; a process that stops takes nothing."""
        answer = None
        if reason == "full" and self._desk.overflow == "sip":
            answer = self._dial_model(call, agent)
        elif reason == "full" and self._desk.overflow == "human":
            answer = self._dial_person(agent.fallback, agent, HUMAN)
        if answer is None:
            return self._turn_away(agent, reason)
        self._desk.metrics.fallbacks.labels(f"overflow_{self._desk.overflow}").inc()
        return answer

    def _turn_away(self, agent: Agent, reason: str) -> Response:
        self._desk.metrics.refused.labels(reason).inc()
        return self._desk.twiml("busy.xml", agent.language)

    # --- What a caller can be given ---

    def connect(self, call: VoiceRequest, agent: Agent, opening: str | None = None) -> Response:
        """A media stream to the agent. Raises NotAdmitted."""
        desk = self._desk
        facts = CallFacts(call.call_sid, call.caller, call.dialled, agent.name, "media-streams")
        desk.switchboard.announce(facts, agent, opening)
        return desk.twiml(
            "connect.xml",
            agent.language,
            media_url=desk.media_url,
            token=desk.tokens.issue(call.call_sid, agent.name),
            after_url=self._after(STREAM),
            stream_status_url=f"{desk.public_url}/twilio/stream-status",
        )

    def _dial_model(
        self, call: VoiceRequest, agent: Agent, opening: str | None = None
    ) -> Response | None:
        """A SIP leg to the model; None while there is no such way."""
        desk = self._desk
        if desk.sip_uri is None or desk.switchboard.refusal("sip") is not None:
            return None
        if opening is not None:
            desk.switchboard.begin_with(call.call_sid, opening)
        headers = {
            CALL_HEADER: call.call_sid,
            AGENT_HEADER: agent.name,
            TOKEN_HEADER: desk.dial_tokens.issue(call.call_sid, agent.name),
        }
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in headers.items())
        return desk.twiml(
            "sip.xml",
            agent.language,
            sip_uri=f"{desk.sip_uri}?{query}",
            after_url=self._after(SIP),
            refer_url=f"{desk.public_url}/twilio/refer",
        )

    def _dial_person(self, to: str | None, agent: Agent, leg: str) -> Response | None:
        return None if to is None else self._desk.person(to, agent.language, self._after(leg))

    def _after(self, leg: str) -> str:
        return f"{self._desk.public_url}/twilio/after?leg={leg}"

    # --- What he had has ended ---

    def after(self, call: VoiceRequest, agent: Agent, leg: str, dial_status: str) -> Response:
        """`dial_status` is Twilio's DialCallStatus, "" when nothing was dialled."""
        if leg == SIP:
            self._desk.switchboard.dial_is_over(call.call_sid)
        if self._ended_well(call.call_sid, leg, dial_status):
            return self._desk.twiml("hangup.xml", agent.language)
        return self._next(call, agent, leg)

    def _ended_well(self, call_sid: str, leg: str, dial_status: str) -> bool:
        ending = self._desk.switchboard.ending_of(call_sid)
        if leg == STREAM:
            return ending is not None and ending.well
        if dial_status not in WELL:
            return False
        if leg != SIP or ending is None:
            return True
        # Twilio asks while the caller is there: if anybody hung up on that leg, it was not he.
        return ending.well and ending is not Ending.CALLER_HUNG_UP

    def _next(self, call: VoiceRequest, agent: Agent, leg: str) -> Response:
        if not self._may_go_on(call.call_sid):
            return self._sorry(agent)
        # A call that has used up what it may cost has no agent any more.
        spent = self._desk.store.get(spent_key(call.call_sid)) is not None
        may_return = leg in (SIP, TRANSFER) and not spent
        again = self._agent_again(call, agent, leg) if may_return else None
        if again is not None:
            return again
        asked = leg == HUMAN or (spent and leg == TRANSFER)
        person = None if asked else self._dial_person(agent.fallback, agent, HUMAN)
        return self._sorry(agent) if person is None else self._rung("human", person)

    def _agent_again(self, call: VoiceRequest, agent: Agent, leg: str) -> Response | None:
        """Over a media stream, which needs nothing of what failed; where that is full, by SIP."""
        opening = _TRANSFER_FAILED if leg == TRANSFER else None
        try:
            return self._rung("media", self.connect(call, agent, opening))
        except NotAdmitted as error:
            log.warning("no agent free for a caller", reason=error.reason)
        model = None if leg == SIP else self._dial_model(call, agent, opening)
        return None if model is None else self._rung("sip", model)

    def refer(self, call: VoiceRequest, agent: Agent) -> Response:
        """The SIP leg of our dial refers: to whom, we know ourselves."""
        to = self._desk.store.get(f"refer:{call.call_sid}")
        person = self._dial_person(to, agent, TRANSFER)
        return self._next(call, agent, TRANSFER) if person is None else person

    def _may_go_on(self, call_sid: str) -> bool:
        """A caller is not passed round for ever."""
        key = f"legs:{call_sid}"
        legs = int(self._desk.store.get(key) or 0) + 1
        self._desk.store.put(key, str(legs), ENDINGS_KEPT_S)
        return legs <= LEGS_MAX

    def _rung(self, name: str, response: Response) -> Response:
        self._desk.metrics.fallbacks.labels(name).inc()
        return response

    def _sorry(self, agent: Agent) -> Response:
        return self._rung("apology", self._desk.twiml("apology.xml", agent.language))


_TRANSFER_FAILED: Final = (
    "The caller was to be connected with somebody, but nobody took the call. Say so in one short "
    "sentence, in the caller's language, and ask how else you can help."
)
