"""What a caller can be given: the agent on a media stream or by SIP, a person, voicemail, sorry."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from starlette.responses import Response

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.bridge.failover.snapshots import first_state
from gateway.bridge.inbound.sip_inbound import AGENT_HEADER, CALL_HEADER, TOKEN_HEADER
from gateway.call.call_info import CallInfo
from gateway.call.snapshot import CallSnapshot
from gateway.errors import NotAdmitted
from gateway.protocols.twilio_webhooks import VoiceRequest
from gateway.web.twilio.context import TwilioContext

STREAM: Final = "stream"
DRAIN: Final = "drain"
SIP: Final = "sip"
TRANSFER: Final = "transfer"
WARM: Final = "warm"
HUMAN: Final = "human"
VOICEMAIL: Final = "voicemail"


class TwimlResponses:
    def __init__(self, desk: TwilioContext) -> None:
        self._desk = desk

    async def connect(
        self,
        call: VoiceRequest,
        agent: Agent,
        opening: str | None = None,
        state: CallSnapshot | None = None,
    ) -> Response:
        """A media stream to the agent; `state` is what was before. Raises NotAdmitted."""
        desk = self._desk
        facts = CallInfo(
            call.call_sid, call.caller, call.dialled, agent.name, "media-streams",
            direction="outbound" if call.outbound else "inbound",
        )  # fmt: skip
        if not (call.outbound or self._sends_on(state)):  # else its place was taken before
            await desk.admission.admit(call.call_sid, call.caller, agent.name, agent.max_calls)
        await desk.snapshots.expect(call.call_sid, state or first_state(facts), opening)
        if self._sends_on(state):  # perhaps only since we asked
            await desk.admission.release(call.call_sid, ended=False)
            return self._stream(call, agent)
        try:
            desk.registry.announce(facts, agent, opening, state)
        except NotAdmitted:
            await desk.admission.release(call.call_sid)
            raise
        return self._stream(call, agent)

    def _sends_on(self, state: CallSnapshot | None) -> bool:
        """Whether this process stops, and another one goes on with what was before."""
        return state is not None and self._desk.registry.sends_on

    def _stream(self, call: VoiceRequest, agent: Agent) -> Response:
        """Whichever process the stream comes to goes on with the call."""
        desk = self._desk
        return desk.twiml(
            "connect.xml",
            agent.language,
            media_url=desk.media_url,
            token=desk.tokens.issue(call.call_sid, agent.name),
            after_url=self._after(STREAM),
            stream_status_url=f"{desk.public_url}/twilio/stream-status",
        )

    def dial_model(
        self, call: VoiceRequest, agent: Agent, opening: str | None = None
    ) -> Response | None:
        """A SIP leg to the model; None while there is no such way."""
        desk = self._desk
        refusal = desk.registry.refusal("sip", call.call_sid)
        if desk.sip_uri is None or refusal is not None:
            return None
        desk.registry.dialling_for(call.call_sid, call.dialled)
        desk.registry.begin_with(call.call_sid, opening)
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

    def person(self, agent: Agent) -> Response | None:
        """Whom the agent's `fallback` names, by number, SIP address or queue."""
        fallback = agent.fallback
        if fallback is not None and fallback.to is not None:
            return self.dial(fallback.to, agent, HUMAN)
        if fallback is not None and fallback.queue is not None:
            return self._desk.twiml(
                "queue.xml", agent.language, queue=fallback.queue, after_url=self._after(HUMAN)
            )
        return None

    def dial(self, to: str, agent: Agent, leg: str) -> Response:
        return self._desk.person(to, agent.language, self._after(leg))

    def voicemail(self, agent: Agent) -> Response | None:
        if agent.fallback is None or not agent.fallback.voicemail:
            return None
        return self._desk.twiml(
            "voicemail.xml",
            agent.language,
            after_url=self._after(VOICEMAIL),
            max_seconds=str(limits.agents.VOICEMAIL_MAX_S),
        )

    def apology(self, agent: Agent) -> Response:
        return self._desk.twiml("apology.xml", agent.language)

    def _after(self, leg: str) -> str:
        return f"{self._desk.public_url}/twilio/after?leg={leg}"
