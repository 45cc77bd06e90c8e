"""Legs that connect a caller to an agent: a media stream to the gateway, or SIP to the model."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

from gateway.agents.config.agent import Agent
from gateway.bridge.calls.registry import CallRegistry
from gateway.bridge.failover.snapshots import SnapshotStore, first_state
from gateway.bridge.inbound.sip_inbound import AGENT_HEADER, CALL_HEADER, TOKEN_HEADER
from gateway.call.briefing import Briefing
from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.call.snapshot import CallSnapshot
from gateway.errors import NotAdmitted
from gateway.ops.limits.admission import Admission
from gateway.ops.limits.signed_tokens import DialTokens, StreamTokens
from gateway.protocols.twilio_webhooks import VoiceRequest
from gateway.web.twilio.legs import SIP, STREAM, after_url
from gateway.web.twilio.twiml_documents import TwimlDocuments


class MediaStreamLeg:
    """Admits a call and connects its audio to this gateway by a media stream."""

    def __init__(
        self,
        public_url: str,
        media_url: str,
        documents: TwimlDocuments,
        registry: CallRegistry,
        admission: Admission,
        snapshots: SnapshotStore,
        tokens: StreamTokens,
    ) -> None:
        self._public_url, self._media_url, self._documents = public_url, media_url, documents
        self._registry, self._admission = registry, admission
        self._snapshots, self._tokens = snapshots, tokens

    async def connect(
        self,
        call: VoiceRequest,
        agent: Agent,
        opening: str | None = None,
        state: CallSnapshot | None = None,
    ) -> Response:
        """Return the document that connects the caller; a resumed call has a `state`.

        Raises NotAdmitted.
        """
        facts = self._facts(call, agent)
        # Outbound and resumed calls were admitted before.
        if not (call.outbound or self._passes_on(state)):
            first = self._first(call, agent, state)
            await self._admission.admit(call.call_sid, call.caller, first.name, first.max_calls)
        briefing = await self._registry.briefings.find(call.call_sid)
        await self._snapshots.expect(call.call_sid, state or first_state(facts, briefing), opening)
        if self._passes_on(state):  # the drain may have begun while the store was written
            await self._admission.release(call.call_sid, ended=False)
            return self._response(call, agent)
        try:
            self._registry.announce(facts, agent, opening, state, briefing)
        except NotAdmitted:
            await self._admission.release(call.call_sid)
            raise
        return self._response(call, agent)

    async def withdraw(self, call: VoiceRequest) -> None:
        """Give up a call that was connected a moment ago, and whose caller is not there yet."""
        waiting = self._registry.expected(call.call_sid)
        if waiting is not None:
            waiting.hang_up(Ending.TURNED_AWAY)
        await self._admission.release(call.call_sid)

    async def decide_anew(
        self, call: VoiceRequest, before: Agent, agent: Agent, briefing: Briefing
    ) -> Response:
        """Return the document of a connected call that this agent leads, with this briefing.

        Raises NotAdmitted when that agent has as many calls as it may have.
        """
        if agent.name != before.name and not call.outbound:
            await self._admission.release(call.call_sid)
            await self._admission.admit(call.call_sid, call.caller, agent.name, agent.max_calls)
        # Whichever process gets the stream finds it.
        facts = self._facts(call, agent)
        await self._snapshots.expect(call.call_sid, first_state(facts, briefing), None)
        waiting = self._registry.expected(call.call_sid)
        if waiting is not None:
            self._registry.decide_anew(waiting, agent.name, briefing)
        return self._response(call, agent)

    @staticmethod
    def _facts(call: VoiceRequest, agent: Agent) -> CallInfo:
        return CallInfo(
            call.call_sid,
            call.caller,
            call.dialled,
            agent.name,
            "media-streams",
            direction="outbound" if call.outbound else "inbound",
        )

    def _first(self, call: VoiceRequest, agent: Agent, state: CallSnapshot | None) -> Agent:
        """Return the agent among whose calls this one counts: the one that answered it."""
        name = state.first_agent if state is not None else ""
        found = self._registry.agents.agent(name, call.call_sid) if name else None
        return found or agent

    def _passes_on(self, state: CallSnapshot | None) -> bool:
        """Return whether this process stops, and another one resumes the call."""
        return state is not None and self._registry.sends_on

    def _response(self, call: VoiceRequest, agent: Agent) -> Response:
        # Whichever process the stream reaches goes on with the call.
        return self._documents.response(
            "connect.xml",
            agent.language,
            media_url=self._media_url,
            token=self._tokens.issue(call.call_sid, agent.name),
            after_url=after_url(self._public_url, STREAM),
            stream_status_url=f"{self._public_url}/twilio/stream-status",
        )


class SipLeg:
    """Dials the model by SIP; `sip_uri` is None while the SIP path is not set up."""

    def __init__(
        self,
        public_url: str,
        sip_uri: str | None,
        documents: TwimlDocuments,
        registry: CallRegistry,
        tokens: DialTokens,
    ) -> None:
        self._public_url, self._sip_uri, self._documents = public_url, sip_uri, documents
        self._registry, self._tokens = registry, tokens

    def dial(self, call: VoiceRequest, agent: Agent, opening: str | None = None) -> Response | None:
        """Return the document that dials the model, or None where no SIP call can be taken."""
        refusal = self._registry.refusal("sip", call.call_sid)
        if self._sip_uri is None or refusal is not None:
            return None
        self._registry.dialling_for(call.call_sid, call.dialled)
        self._registry.begin_with(call.call_sid, opening)
        headers = {
            CALL_HEADER: call.call_sid,
            AGENT_HEADER: agent.name,
            TOKEN_HEADER: self._tokens.issue(call.call_sid, agent.name),
        }
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in headers.items())
        values = {
            "sip_uri": f"{self._sip_uri}?{query}",
            "after_url": after_url(self._public_url, SIP),
            "refer_url": f"{self._public_url}/twilio/refer",
        }
        if agent.recording is None:
            return self._documents.response("sip.xml", agent.language, **values)
        # The sound does not pass through us: the carrier tells the caller, and records.
        recording_url = f"{self._public_url}/twilio/recording?agent={quote(agent.name)}"
        return self._documents.response(
            "sip-recorded.xml",
            agent.language,
            consent=agent.recording.consent,
            recording_url=recording_url,
            **values,
        )
