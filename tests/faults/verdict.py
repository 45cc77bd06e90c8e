"""What a caller noticed of a fault, from the sound of his call alone; what the model still knew."""

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
"""What is added to it without anybody's noticing."""


class Lost(AssertionError):
    """A caller, or something that the model knew."""


class TooSlow(AssertionError):
    """A goal of latency was missed while this machine had too much to do."""


@dataclass(frozen=True)
class Verdict:
    """One fault: how many calls it met, and what became of them."""

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

    def holds(self, *, most_ms: float, busy: bool = False) -> None:
        """Nobody lost, nothing forgotten, and no longer silence; `busy` was the machine."""
        if (self.lost, self.remembered) != (0, self.asked):
            raise Lost(self.row())
        if busy and self.longest_silence_ms >= most_ms:
            raise TooSlow(f"{self.longest_silence_ms} ms of silence, while the machine was busy")
        assert self.longest_silence_ms < most_ms


HEAD = f"{'fault':<44} {'calls':>5} {'lost':>5} {'silence':>12} {'remembered':>10}"

Test = Callable[[Path], Awaitable[None]]


def believed(test: Test) -> Test:
    """What a machine did that was busy or stood still is tried once more before it is believed."""

    @functools.wraps(test)
    async def run(tmp_path: Path) -> None:
        began_s = machine_time()
        try:
            await test(tmp_path)
        except Lost:
            raise  # a caller, or what he said: no machine excuses that
        except (AssertionError, TimeoutError) as error:
            stood_still_s = longest_standstill_s(began_s)
            if not isinstance(error, TooSlow) and stood_still_s < STOOD_STILL_S:
                raise
            warn_of_another_try(test.__name__, stood_still_s, str(error))
            (tmp_path / "again").mkdir()
            await test(tmp_path / "again")

    return run


def longest_silence_ms(record: RehearsalRecord) -> float:
    """Of both ends, until he heard something again: his own pauses are his own business."""
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
    """A call is lost when it did not go to the end of its scenario."""
    return bool(record.failures) or record.ending.by == "failure"


def judged(
    fault: str, records: Sequence[RehearsalRecord], said: Sequence[dict[str, Any]], *, asked: int
) -> Verdict:
    """`said` is the model's journal; in it is how often the fact was asked for, and known."""
    silence_ms = max(longest_silence_ms(record) for record in records)
    remembered = min(sum(FACT in entry["text"] for entry in said), asked)
    lost = sum(map(is_lost, records))
    verdict = Verdict(fault, len(records), lost, silence_ms, remembered, asked)
    print(f"\n{HEAD}\n{verdict.row()}")
    report = Path(os.environ.get("FAULTS_REPORT", "out/faults.txt"))
    report.parent.mkdir(parents=True, exist_ok=True)
    with report.open("a") as file:
        file.write(verdict.row() + "\n")
    if verdict.remembered < asked:
        print([(entry.get("session"), entry["text"][:60]) for entry in said])
    for record in records:
        if record.failures:
            print(record.failures, [(m.at_ms, m.kind) for m in record.moments][-12:])
    return verdict
