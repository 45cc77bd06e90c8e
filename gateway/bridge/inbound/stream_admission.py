"""Admission of media streams: which call the token in the `start` message stands for."""

from __future__ import annotations

from gateway.bridge.calls.live_call import LiveCall
from gateway.bridge.calls.registry import CallRegistry
from gateway.bridge.failover.snapshots import SnapshotStore
from gateway.call import inputs
from gateway.call.briefing import NO_BRIEFING
from gateway.call.call_info import CallInfo
from gateway.call.snapshot import CallSnapshot
from gateway.errors import NotAdmitted, SignatureRefused
from gateway.ops.limits.signed_tokens import StreamTokens
from gateway.protocols.media_stream import StartBody


class StreamAdmission:
    """Finds or announces the call of a stream that has just started."""

    def __init__(
        self,
        account_sid: str,
        registry: CallRegistry,
        tokens: StreamTokens,
        snapshots: SnapshotStore,
    ) -> None:
        self._account_sid = account_sid
        self._registry, self._tokens, self._snapshots = registry, tokens, snapshots

    async def let_in(self, start: StartBody) -> LiveCall:
        """Return the call of a stream, with its history. Raises SignatureRefused, NotAdmitted."""
        if start.account_sid != self._account_sid:
            raise SignatureRefused("other_account")
        token = start.custom_parameters.get("token", "")
        stream_pass = await self._tokens.redeem(token, start.call_sid)
        state = await self._snapshots.known(start.call_sid)
        call = await self._call(start.call_sid, stream_pass.agent, state)
        if call.machine.resumed and state is not None and state.arrived:
            call.notify(inputs.HistoryRestored(state.history))
            if sound := await self._snapshots.sound(start.call_sid):
                call.notify(inputs.EarlierTranscriptFound(sound))
        return call

    async def _call(self, call_sid: str, agent_name: str, state: CallSnapshot | None) -> LiveCall:
        """Return the call announced here, or a new one if another process got the webhook."""
        registry = self._registry
        waiting = registry.expected(call_sid)
        if waiting is None and registry.media_call(call_sid) is not None:
            raise SignatureRefused("second_stream")
        ending = await registry.ending_of(call_sid) if waiting is None else None
        if ending is not None and ending.well:
            raise NotAdmitted("over")  # hung up while its stream was on the way
        # Another process may have had the call since it was announced here.
        if waiting is None or (state is not None and state.streams > waiting.machine.streams):
            await self._announce(call_sid, agent_name, state)
        call = registry.expected(call_sid)
        if call is None:
            raise SignatureRefused("second_stream")
        return call

    async def _announce(self, call_sid: str, agent_name: str, state: CallSnapshot | None) -> None:
        agent = self._registry.agents.agent(agent_name, call_sid)
        if agent is None:
            raise NotAdmitted("unknown_agent")
        caller, dialled = (state.caller, state.dialled) if state else ("", "")
        out = await self._registry.dials.find(call_sid)
        if out is not None:
            caller, dialled = out.person, out.ours
        facts = CallInfo(
            call_sid,
            caller,
            dialled,
            agent_name,
            "media-streams",
            direction="inbound" if out is None else "outbound",
        )
        before = state if state is not None and state.arrived else None
        opening, briefing = (state.opening, state.briefing) if state else (None, NO_BRIEFING)
        try:
            self._registry.announce(facts, agent, opening, before, briefing)
        except NotAdmitted:
            if before is not None and self._registry.hands_over:
                self._registry.pass_on(call_sid)
            raise
