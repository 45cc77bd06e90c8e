"""What the caller waits for, and when he should hear something meanwhile."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from math import inf
from typing import TypeVar

from gateway import limits
from gateway.agents.config.tool_options import ToolOptions


@dataclass(slots=True)
class PendingWork:
    name: str
    options: ToolOptions
    fill_at: float
    """When he should hear something."""
    filled: bool = field(default=False, init=False)
    """He has."""

    def fill_after(self, now: float) -> None:
        """The wait begins now."""
        self.fill_at = now + self.options.filler_after_ms / 1000


_W = TypeVar("_W", bound=PendingWork)


def to_fill(waits: Iterable[_W], now: float, *, quiet: bool, again_s: float = inf) -> _W | None:
    """The wait that is to be filled now; where somebody speaks anyway, a little later."""
    due = [one for one in waits if one.fill_at <= now]
    for one in due:
        one.fill_at = now + (again_s if quiet else limits.model.ROLL_LOOK_S)
        one.filled = one.filled or quiet
    return due[0] if due and quiet else None


def hold_tone_playing(waits: Collection[PendingWork]) -> bool:
    """Whether one of them has him hear a sound by now."""
    return any(one.filled and one.options.hold for one in waits)
