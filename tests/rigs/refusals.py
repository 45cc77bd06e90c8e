"""What comes too often is refused: counted without a view on how fast the machine is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

T = TypeVar("T")


async def until_refused(
    ask: Callable[[], Awaitable[T]], refused: Callable[[T], bool], burst: int, per_s: float
) -> list[T]:
    """Ask again and again; return the answers, of which the last is the refusal.

    A bucket of `burst` lets so many through, and what it has regained meanwhile.
    """
    began, answers = monotonic(), [await ask()]
    while not refused(answers[-1]):
        most = burst + per_s * (monotonic() - began) + 1
        assert len(answers) <= most, f"{len(answers)} were let through, of {most:.1f}"
        answers.append(await ask())
    assert len(answers) > burst, f"refused after {len(answers) - 1}, of {burst} at once"
    return answers
