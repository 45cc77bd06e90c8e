"""Admission of calls from browsers, which an operator's link allows to one agent."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.bridge.calls.live_call import LiveCall
from gateway.bridge.calls.registry import CallRegistry
from gateway.call.call_info import BROWSER, CallInfo
from gateway.errors import NotAdmitted
from gateway.ops.limits.admission import Admission
from gateway.ops.limits.token_bucket import TokenBucket


class BrowserCalls:
    """Announces browser calls within their own limits.

    `shed` returns why no call is brought to the model at the moment, or None; `budget_used`
    returns the used share of the day's budget.
    """

    def __init__(
        self,
        registry: CallRegistry,
        admission: Admission,
        shed: Callable[[], str | None],
        budget_used: Callable[[], float],
        begins_burst: int = limits.phone.BEGINS_BURST,
    ) -> None:
        self._registry, self._admission = registry, admission
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

    async def begin(self, agent_name: str) -> LiveCall:
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
            return self._registry.announce(facts, agent)
        except BaseException:
            await self._admission.release(call_sid)
            raise

    def _check(self, agent: str) -> None:
        reason = self.refusal(agent)
        if reason is not None:
            raise NotAdmitted(reason)
