"""Calls from browsers: one agent, by a link that an operator made."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from gateway.agents.config import Agent
from gateway.bridge.live_call import LiveCall
from gateway.bridge.switchboard import Switchboard
from gateway.call.facts import BROWSER, CallFacts
from gateway.errors import NotAdmitted
from gateway.limits import PHONE_CALLS_MAX
from gateway.ops.admission import Admission


class Phones:
    """`shed` tells why no call is brought to the model at the moment, or None."""

    def __init__(
        self, switchboard: Switchboard, admission: Admission, shed: Callable[[], str | None]
    ) -> None:
        self._switchboard, self._admission, self._shed = switchboard, admission, shed

    def agent(self, name: str) -> Agent | None:
        return self._switchboard.book.agents.get(name)

    def refusal(self, agent: str) -> str | None:
        """Why a call could not begin now."""
        board = self._switchboard
        if agent not in board.book.agents:
            return "unknown_agent"
        if sum(call.facts.path == BROWSER for call in board.calls) >= PHONE_CALLS_MAX:
            return "full"
        return board.refusal() or self._shed()

    async def begin(self, agent_name: str) -> LiveCall:
        """A call that waits for its `start`. Raises NotAdmitted."""
        # Not Twilio's, and not of the browser's choosing: it names the call's record.
        call_sid = f"WB{secrets.token_hex(16)}"
        self._check(agent_name)
        agent = self._switchboard.book.agents[agent_name]
        await self._admission.admit(call_sid, "", agent_name, agent.max_calls)
        try:
            self._check(agent_name)  # others may have come while the store was asked
            return self._switchboard.announce(
                CallFacts(call_sid, "", "", agent_name, BROWSER), agent
            )
        except NotAdmitted:
            await self._admission.leave(call_sid)
            raise

    def _check(self, agent: str) -> None:
        reason = self.refusal(agent)
        if reason is not None:
            raise NotAdmitted(reason)
