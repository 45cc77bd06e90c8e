"""Waits of the caller, and when something should be heard meanwhile."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from math import inf
from typing import TypeVar

from gateway import limits
from gateway.agents.config.tool_options import ToolOptions


@dataclass(slots=True)
class PendingWork:
    """Work that the caller waits for."""

    name: str
    options: ToolOptions
    fill_at: float
    """When the caller should hear something."""
    filled: bool = field(default=False, init=False)
    """Whether the caller has heard something."""

    def fill_after(self, now: float) -> None:
        """Begin the wait now."""
        self.fill_at = now + self.options.filler_after_ms / 1000


_W = TypeVar("_W", bound=PendingWork)


def to_fill(waits: Iterable[_W], now: float, *, quiet: bool, again_s: float = inf) -> _W | None:
    """Return the wait that is to be filled now; where somebody speaks, a little later."""
    due = [one for one in waits if one.fill_at <= now]
    for one in due:
        one.fill_at = now + (again_s if quiet else limits.model.ROLL_LOOK_S)
        one.filled = one.filled or quiet
    return due[0] if due and quiet else None


def hold_tone_playing(waits: Collection[PendingWork]) -> bool:
    """Return whether the hold tone is to be heard during one of them by now."""
    return any(one.filled and one.options.hold for one in waits)
