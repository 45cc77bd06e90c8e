"""Result of a fault: what callers noticed, by sound alone, and what the model still knew."""

from __future__ import annotations

import functools
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from awake_clock import STOOD_STILL_S, longest_standstill_s, machine_time, warn_of_another_try

from gateway.simulator.audio.analysis import LOUD_RMS, loudness, samples
from gateway.simulator.audio.turn_measurement import WINDOW_MS
from gateway.simulator.rehearsal.record import RehearsalRecord

FACT = "It is heron."
USUAL_MS = 500.0
"""The longest silence of a call in which nothing breaks: until an answer begins."""
UNHEARD_MS = 300.0
"""Additional silence that nobody notices."""
UNNOTICED_MS = USUAL_MS + UNHEARD_MS
"""Longest silence of a call of which nobody is to notice that something broke."""


class CallLost(AssertionError):
    """A caller was lost, or something that the model knew."""


class TooSlow(AssertionError):
    """A latency goal was missed while this machine was too busy."""


@dataclass(frozen=True)
class FaultResult:
    """One fault: the calls that it hit, and their outcome."""

    fault: str
    calls: int
    lost: int
    longest_silence_ms: float
    remembered: int
    asked: int

    def row(self) -> str:
        known = f"{self.remembered}/{self.asked}" if self.asked else "-"
        return (
            f"{self.fault:<44} {self.calls:>5} {self.lost:>5} {self.longest_silence_ms:>9.0f} ms"
            f" {known:>10}"
        )

    def check(self, *, most_ms: float, busy: bool = False) -> None:
        """Assert that nobody was lost, nothing forgotten, and no silence was longer."""
        if (self.lost, self.remembered) != (0, self.asked):
            raise CallLost(self.row())
        if busy and self.longest_silence_ms >= most_ms:
            raise TooSlow(f"{self.longest_silence_ms} ms of silence, while the machine was busy")
        assert self.longest_silence_ms < most_ms


HEAD = f"{'fault':<44} {'calls':>5} {'lost':>5} {'silence':>12} {'remembered':>10}"

Test = Callable[..., Awaitable[None]]


def retried_on_stall(test: Test) -> Test:
    """Retry a test once when it failed while the machine was busy or stalled."""

    @functools.wraps(test)
    async def run(tmp_path: Path, **chosen: Any) -> None:
        began_s = machine_time()
        try:
            await test(tmp_path=tmp_path, **chosen)
        except CallLost:
            raise  # a lost caller is no matter of the machine
        except (AssertionError, TimeoutError) as error:
            stood_still_s = longest_standstill_s(began_s)
            if not isinstance(error, TooSlow) and stood_still_s < STOOD_STILL_S:
                raise
            warn_of_another_try(test.__name__, stood_still_s, str(error))
            (tmp_path / "again").mkdir()
            await test(tmp_path=tmp_path / "again", **chosen)

    return run


def longest_silence_ms(record: RehearsalRecord) -> float:
    """Return the longest silence of both ends before the caller hears something again."""
    window = samples(WINDOW_MS)
    ear = loudness(record.heard, window) > LOUD_RMS
    mouth = loudness(record.spoken, window) > LOUD_RMS
    heard = np.flatnonzero(ear)
    if not len(heard):
        return float("inf")
    length = min(len(ear), len(mouth))
    loud = np.flatnonzero((ear[:length] | mouth[:length])[: heard[-1] + 1])
    loud = loud[loud >= heard[0]]
    waits = np.diff(loud)[ear[loud[1:]]]
    return float(waits.max(initial=1) - 1) * WINDOW_MS


def is_lost(record: RehearsalRecord) -> bool:
    """Return whether a call did not reach the end of its scenario."""
    return bool(record.failures) or record.ending.by == "failure"


def evaluate(
    fault: str, records: Sequence[RehearsalRecord], said: Sequence[dict[str, Any]], *, asked: int
) -> FaultResult:
    """Report and return the result; `said` are the model's lines, which repeat the fact."""
    silence_ms = max(longest_silence_ms(record) for record in records)
    remembered = min(sum(FACT in entry["text"] for entry in said), asked)
    lost = sum(map(is_lost, records))
    result = FaultResult(fault, len(records), lost, silence_ms, remembered, asked)
    print(f"\n{HEAD}\n{result.row()}")
    report = Path(os.environ.get("FAULTS_REPORT", "out/faults.txt"))
    report.parent.mkdir(parents=True, exist_ok=True)
    with report.open("a") as file:
        file.write(result.row() + "\n")
    if result.remembered < asked:
        print([(entry.get("session"), entry["text"][:60]) for entry in said])
    for record in records:
        if record.failures:
            print(record.failures, [(m.at_ms, m.kind) for m in record.moments][-12:])
    return result
