"""Admission of calls from browsers, which an operator's link allows to one agent."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.audio.wire import WireFormat
from gateway.bridge.calls.live_call import LiveCall
from gateway.bridge.calls.registry import CallRegistry
from gateway.bridge.failover.snapshots import SnapshotStore
from gateway.call import inputs
from gateway.call.call_info import BROWSER, CallInfo
from gateway.call.endings import Ending
from gateway.call.snapshot import CallSnapshot
from gateway.errors import NotAdmitted, SignatureRefused
from gateway.ops.limits.admission import Admission
from gateway.ops.limits.signed_tokens import ResumeTokens
from gateway.ops.limits.token_bucket import TokenBucket


class BrowserCalls:
    """Announces browser calls within their own limits, and resumes those that broke off.

    `shed` returns why no call is brought to the model at the moment, or None; `budget_used`
    returns the used share of the day's budget.
    """

    def __init__(
        self,
        registry: CallRegistry,
        snapshots: SnapshotStore,
        admission: Admission,
        tokens: ResumeTokens,
        shed: Callable[[], str | None],
        budget_used: Callable[[], float],
        resumed: Callable[[], None],
        begins_burst: int = limits.phone.BEGINS_BURST,
    ) -> None:
        """`resumed` is called with each call that came back."""
        self._registry, self._snapshots, self._admission = registry, snapshots, admission
        self._tokens, self._resumed = tokens, resumed
        self._shed, self._budget_used = shed, budget_used
        self._begins = TokenBucket(begins_burst, limits.phone.BEGINS_PER_S)

    def agent(self, name: str) -> Agent | None:
        return self._registry.book.agents.get(name)

    def refusal(self, agent: str) -> str | None:
        """Return why a call could not begin now, as far as this process knows."""
        registry = self._registry
        if agent not in registry.book.agents:
            return "unknown_agent"
        most = max(1, min(limits.phone.CALLS_MAX, int(registry.max_calls * limits.phone.SHARE_MAX)))
        if sum(not call.facts.has_carrier for call in registry.calls) >= most:
            return "full"
        if self._budget_used() >= limits.phone.SHARE_MAX:
            return "budget"
        return registry.refusal() or self._shed()

    async def begin(self, agent_name: str, wire: WireFormat) -> LiveCall:
        """Announce a call, which then waits for its `start`. Raises NotAdmitted."""
        # Neither Twilio nor the browser chooses it: it names the call's record.
        call_sid = f"WB{secrets.token_hex(16)}"
        self._check(agent_name)
        if self._begins.take():
            raise NotAdmitted("too_often")
        agent = self._registry.book.agents[agent_name]
        await self._admission.admit(call_sid, "", agent_name, agent.max_calls)
        try:
            self._check(agent_name)  # others may have come while the store was asked
            facts = CallInfo(call_sid, "", "", agent_name, BROWSER)
            return self._registry.announce(facts, agent, wire=wire)
        except BaseException:
            await self._admission.release(call_sid)
            raise

    def _check(self, agent: str) -> None:
        reason = self.refusal(agent)
        if reason is not None:
            raise NotAdmitted(reason)

    # --- After a break ---

    def ticket(self, call: LiveCall, link_agent: str, wire: WireFormat) -> str:
        """Return the token with which the browser of this call may come back to it."""
        lifetime_s = call.machine.agent.max_call_s + limits.phone.RESUME_S
        return self._tokens.issue(call.facts.call_sid, link_agent, wire.encoding, lifetime_s)

    async def resume(self, token: str, link_agent: str, wire: WireFormat) -> LiveCall:
        """Announce a call that broke off once more, with what was said in it.

        Raises SignatureRefused, NotAdmitted.
        """
        claims = self._tokens.redeem(token)
        if (claims.agent, claims.encoding) != (link_agent, wire.encoding):
            raise SignatureRefused("bad_token")
        call_sid, registry = claims.call_sid, self._registry
        running = registry.media_call(call_sid)
        if running is not None:
            # The old connection is dead, and nobody here has noticed yet.
            running.hang_up(Ending.MEDIA_BROKEN)
            await self._snapshots.ended(running, Ending.MEDIA_BROKEN)
        ending, state = await registry.ending_of(call_sid), await self._snapshots.load(call_sid)
        if state is None or ending is None or ending.well:
            raise NotAdmitted("over")
        return await self._again(call_sid, state, wire)

    async def _again(self, call_sid: str, state: CallSnapshot, wire: WireFormat) -> LiveCall:
        registry, agent = self._registry, self._registry.agents.agent(state.agent, call_sid)
        if agent is None:
            raise NotAdmitted("unknown_agent")
        if state.resumes >= limits.phone.RESUMES_MAX:
            raise NotAdmitted("too_often")
        refusal = registry.refusal(resumed=True) or self._shed()
        if refusal is not None:
            raise NotAdmitted(refusal)
        state.resumes += 1
        state.silently = agent.resume == "silent"
        # A call that was handed over counts for the agent that answered it.
        first = registry.agents.agent(state.first_agent, call_sid) or agent
        await self._admission.admit(call_sid, "", first.name, first.max_calls)
        facts = CallInfo(call_sid, "", "", agent.name, BROWSER)
        try:
            call = registry.announce(facts, agent, state=state, wire=wire)
        except BaseException:
            await self._admission.release(call_sid)
            raise
        if sound := await self._snapshots.sound(call_sid):
            call.notify(inputs.EarlierTranscriptFound(sound))
        self._resumed()
        return call
