"""Which calls there are: announced by the webhook, connected when their stream starts, ended."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from gateway.agents.config import Agent
from gateway.agents.routing import AgentBook
from gateway.bridge.live_call import CallFacts, Hands, LiveCall
from gateway.call import notes
from gateway.call.endings import Ending
from gateway.call.media import MediaCall
from gateway.errors import NotAdmitted
from gateway.limits import ENDINGS_KEPT_S
from gateway.ops.store_memory import MemoryStore


class Switchboard:
    """Every call of this process. `sessions` holds, by agent, what is asked of the model."""

    def __init__(
        self,
        book: AgentBook,
        sessions: Mapping[str, Mapping[str, Any]],
        max_calls: int,
        store: MemoryStore,
    ) -> None:
        self.book = book
        self.draining = False
        self._sessions = sessions
        self._max_calls = max_calls
        self._store = store
        self._calls: dict[str, LiveCall] = {}
        self._hands: Hands | None = None

    def employ(self, hands: Hands) -> None:
        """Once, before the first call: the hands report back to whoever made them."""
        self._hands = hands

    @property
    def calls(self) -> Mapping[str, LiveCall]:
        """Running calls by CallSid, those that are still expected included."""
        return self._calls

    @property
    def active(self) -> int:
        return len(self._calls)

    def refusal(self) -> str | None:
        """Why no further call is taken now, from a closed set: `draining`, `full`."""
        if self.draining:
            return "draining"
        return "full" if len(self._calls) >= self._max_calls else None

    def announce(self, facts: CallFacts, agent: Agent) -> LiveCall:
        """A call is on its way: its session is opened meanwhile. Raises NotAdmitted."""
        reason = self.refusal()
        if reason is not None:
            raise NotAdmitted(reason)
        if self._hands is None:
            raise NotAdmitted("starting")
        mind = MediaCall(agent, self._sessions[agent.name], _event_ids(), monotonic())
        call = LiveCall(facts, mind, self._hands)
        self._calls[facts.call_sid] = call
        call.begin()
        return call

    def expected(self, call_sid: str) -> LiveCall | None:
        """The call that waits for this stream."""
        call = self._calls.get(call_sid)
        return None if call is None or call.mind.arrived else call

    def on_note(self, call: LiveCall, note: notes.Note) -> None:
        """Keeps the list true; a call that is over makes room at once."""
        if isinstance(note, notes.Ended):
            if self._calls.get(call.facts.call_sid) is call:
                del self._calls[call.facts.call_sid]
            self._store.put(f"ending:{call.facts.call_sid}", note.ending, ENDINGS_KEPT_S)

    def ending_of(self, call_sid: str) -> Ending | None:
        """How a call ended a short while ago, on this process."""
        ending = self._store.get(f"ending:{call_sid}")
        return Ending(ending) if ending else None

    def end_all(self, ending: Ending) -> None:
        for call in list(self._calls.values()):
            call.hang_up(ending)


def _event_ids() -> Callable[[], str]:
    """Ids of our events, unique in a session: a prefix of chance, and a count."""
    prefix, count = f"gw_{secrets.token_hex(4)}_", 0

    def new_id() -> str:
        nonlocal count
        count += 1
        return f"{prefix}{count}"

    return new_id
