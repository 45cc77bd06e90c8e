"""Counters of a line, which counts fifty times a second, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LineCounters:
    """Totals of one line so far; pairs are from the caller (up) and to the caller (down)."""

    frames: tuple[int, int]
    bytes: tuple[int, int]
    saturated: tuple[int, int]
    """Samples clipped in resampling."""
    gap_ms: float
    """Presentation time of the caller that no frame covered."""
    buffered_ms: float
    """Sound that was sent and not yet played, now."""
