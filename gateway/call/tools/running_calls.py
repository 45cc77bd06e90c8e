"""Function calls of the model that take time and run beside the conversation.

The outputs of one response go in together, and then one `response.create`: two of them for one
turn are an error and a silence. Nobody waits in silence either: after a while the model says a
short filler.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from gateway import limits
from gateway.agents.config.tool_options import ToolOptions
from gateway.call.tools.waits import PendingWork, hold_tone_playing


@dataclass(slots=True)
class RunningFunction(PendingWork):
    """One function call that runs, or waits for an approval."""

    call_id: str
    since: float
    deferred: str | None = None
    """The arguments, while it waits for an approval."""

    def ran_s(self, now: float) -> float:
        return 0.0 if self.deferred is not None else now - self.since


@dataclass(slots=True)
class ToolRound:
    """The function calls of one response."""

    waiting: set[str] = field(default_factory=set)
    outputs: list[tuple[str, str]] = field(default_factory=list)
    """(call_id, output), in the order in which they came."""
    to_be_answered: bool = False
    """Whether the model goes on when all are in: not if the caller cut each of them off."""


class RunningCalls:
    """Function calls that run, grouped by the response that made them."""

    def __init__(self, tools: Mapping[str, ToolOptions]) -> None:
        self._tools = tools
        self._running: dict[str, RunningFunction] = {}
        self._rounds: dict[str, ToolRound] = {}
        self._asked: dict[str, str] = {}
        """Function to be confirmed -> its arguments, since the caller's last turn."""
        self._answered: dict[str, str] = {}
        """The same from before that turn: the caller has had a say."""

    def equip(self, tools: Mapping[str, ToolOptions]) -> None:
        """Take the tools of another agent; what runs goes on as it began."""
        self._tools = tools
        self._asked.clear()
        self._answered.clear()

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    @property
    def running(self) -> tuple[str, ...]:
        """The call_ids that have no output yet."""
        return tuple(self._running)

    @property
    def at_work(self) -> tuple[RunningFunction, ...]:
        """The functions that run, and wait for no approval."""
        return tuple(r for r in self._running.values() if r.deferred is None)

    @property
    def deferred_ids(self) -> tuple[str, ...]:
        """The call_ids of the functions that wait for an approval."""
        return tuple(r.call_id for r in self._running.values() if r.deferred is not None)

    def options(self, name: str) -> ToolOptions:
        return self._tools[name]

    def turn_taken(self) -> None:
        """Take what the caller has said for an answer to all that was asked."""
        self._answered |= self._asked
        self._asked.clear()

    def confirmed(self, name: str, arguments: str) -> bool:
        """Return whether this may run: at once, or because the caller has confirmed it.

        The model asks; the same arguments must come again, after a turn of the caller's.
        """
        if not self._tools[name].confirm:
            return True
        if self._answered.pop(name, None) == arguments:
            return True
        self._asked[name] = arguments
        return False

    def start(self, response_id: str, call_id: str, name: str, now: float) -> bool:
        """Start a function; False when too many run already, or this one does."""
        if len(self._running) >= limits.tools.TOOLS_AT_ONCE_MAX or call_id in self._running:
            return False
        self._running[call_id] = running = RunningFunction(
            name, self._tools[name], inf, call_id, now
        )
        running.fill_after(now)
        self._rounds.setdefault(response_id, ToolRound()).waiting.add(call_id)
        return True

    def defer(self, call_id: str, arguments: str) -> None:
        """Hold a function back until it is approved."""
        running = self._running[call_id]
        running.deferred, running.fill_at = arguments, inf

    def release(self, call_id: str, now: float) -> tuple[str, str]:
        """Release a function that was held back; return its name and arguments."""
        running = self._running[call_id]
        arguments, running.deferred = running.deferred or "", None
        running.since = now
        running.fill_after(now)
        return running.name, arguments

    def put(self, response_id: str, call_id: str, output: str) -> None:
        """Add an output that is there at once; it waits for the others of its response."""
        entry = self._rounds.setdefault(response_id, ToolRound())
        entry.outputs.append((call_id, output))
        entry.to_be_answered = True

    def finish(self, call_id: str, output: str, *, answer: bool) -> RunningFunction | None:
        """Add an output that came in; None for one that nobody waits for any more."""
        running = self._running.pop(call_id, None)
        if running is None:
            return None
        for entry in self._rounds.values():
            if call_id in entry.waiting:
                entry.waiting.discard(call_id)
                entry.outputs.append((call_id, output))
                entry.to_be_answered = entry.to_be_answered or answer
        return running

    def withdraw(self, call_id: str) -> RunningFunction | None:
        """Take a function out of the round of its response: it is answered by itself."""
        for entry in self._rounds.values():
            entry.waiting.discard(call_id)
        return self._running.pop(call_id, None)

    def complete(self) -> list[ToolRound]:
        """Return the rounds of which every output is in, each once."""
        done = [key for key, entry in self._rounds.items() if not entry.waiting]
        return [self._rounds.pop(key) for key in done]

    def cut_off(self) -> list[RunningFunction]:
        """Return the functions that are cancelled when the caller interrupts."""
        return [r for r in self._running.values() if r.options.on_barge_in == "cancel"]

    def filler_due(self) -> float | None:
        """Return when the next filler is to be said."""
        dues = (r.fill_at for r in self._running.values() if not r.filled)
        return min((at for at in dues if at < inf), default=None)

    @property
    def holding(self) -> bool:
        """Whether the hold tone is to be heard during one of the functions."""
        return hold_tone_playing(self._running.values())

    def filler(self, now: float) -> RunningFunction | None:
        """Return the function whose wait is to be filled now; each is filled once."""
        due = [r for r in self._running.values() if not r.filled and r.fill_at <= now]
        for running in due:
            running.filled = True
        return due[0] if due else None
