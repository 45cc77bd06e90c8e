"""Requests to use a tool of an MCP server, hosted or private, and how they were answered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

from gateway import limits
from gateway.call.tools.waits import PendingWork, hold_tone_playing, to_fill

ALLOWED: Final = frozenset({"approved"})
"""The outcomes that are a yes."""


@dataclass(slots=True)
class PendingApproval(PendingWork):
    """One request for approval, until it is decided."""

    label: str
    approval_id: str
    wait_s: float
    """How long an operator is asked."""
    decide: Callable[[PendingApproval, str], None] = field(compare=False)
    """Carries out an outcome; belongs to the part that asked."""
    call_id: str | None = None
    """The function call that is held back. None: the model's server asks, for a call of its own,
    and the request goes with its session."""
    until: float = field(default=inf, init=False)


class PendingApprovals:
    """Requests that wait for an answer, and how the last ones were answered."""

    def __init__(self) -> None:
        self.waiting: dict[str, PendingApproval] = {}
        self._answers: OrderedDict[str, str] = OrderedDict()

    def ask(self, approval: PendingApproval, now: float) -> None:
        approval.until = now + approval.wait_s
        approval.fill_after(now)
        self.waiting[approval.approval_id] = approval

    def answer(self, approval: PendingApproval, outcome: str) -> None:
        """Record the outcome; the request waits no more, if it ever did."""
        self.waiting.pop(approval.approval_id, None)
        keep(self._answers, approval.approval_id, outcome)

    def state(self, approval_id: str) -> str | None:
        """Return `waiting`, how it was answered, or None for one that never was."""
        if approval_id in self.waiting:
            return "waiting"
        return self._answers.get(approval_id)

    def of(self, call_id: str | None) -> list[PendingApproval]:
        """Return the requests for this function call; for None, those of the model's server."""
        return [one for one in self.waiting.values() if one.call_id == call_id]

    # --- Time ---

    def due(self) -> float | None:
        """Return when one of them is to be looked at."""
        return min((min(one.until, one.fill_at) for one in self.waiting.values()), default=None)

    def overdue(self, now: float) -> list[PendingApproval]:
        return [one for one in self.waiting.values() if one.until <= now]

    def filler(self, now: float, *, quiet: bool) -> bool:
        """Return whether the caller is to be told now that an approval is awaited."""
        again_s = limits.tools.APPROVAL_FILLER_EVERY_S
        return to_fill(self.waiting.values(), now, quiet=quiet, again_s=again_s) is not None

    @property
    def holding(self) -> bool:
        return hold_tone_playing(self.waiting.values())


def keep(kept: OrderedDict[str, Any], key: str, value: Any) -> None:
    """Keep the newest entries of an ordered dictionary."""
    kept[key] = value
    while len(kept) > limits.tools.APPROVALS_KEPT_MAX:
        kept.popitem(last=False)
