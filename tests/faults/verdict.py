"""What a caller noticed of a fault, from the sound of his call alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gateway.simulator.measure import WINDOW_MS
from gateway.simulator.record import CallRecord
from gateway.simulator.telephone import LOUD_RMS, loudness, samples

FACT = "It is heron."


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


HEAD = f"{'fault':<44} {'calls':>5} {'lost':>5} {'silence':>12} {'remembered':>10}"


def longest_silence_ms(record: CallRecord) -> float:
    """Of both ends, between the first sound that he heard and the last."""
    window = samples(WINDOW_MS)
    ear = loudness(record.heard, window) > LOUD_RMS
    mouth = loudness(record.spoken, window) > LOUD_RMS
    heard = np.flatnonzero(ear)
    if not len(heard):
        return float("inf")
    length = min(len(ear), len(mouth))
    loud = np.flatnonzero((ear[:length] | mouth[:length])[heard[0] : heard[-1] + 1])
    return float(np.diff(loud).max(initial=1) - 1) * WINDOW_MS


def judged(
    fault: str, records: Sequence[CallRecord], said: Sequence[dict[str, Any]], *, asked: int
) -> Verdict:
    """A call is lost when it did not go to the end of its scenario."""
    lost = sum(bool(record.failures) or record.ending.by == "failure" for record in records)
    silence_ms = max(longest_silence_ms(record) for record in records)
    remembered = sum(FACT in entry["text"] for entry in said)
    verdict = Verdict(fault, len(records), lost, silence_ms, min(remembered, asked), asked)
    print(f"\n{HEAD}\n{verdict.row()}")
    report = Path(os.environ.get("FAULTS_REPORT", "out/faults.txt"))
    report.parent.mkdir(parents=True, exist_ok=True)
    with report.open("a") as file:
        file.write(verdict.row() + "\n")
    if verdict.remembered < asked:
        print([(entry.get("session"), entry["text"][:60]) for entry in said])
    for record in records:
        if record.failures:
            print(record.failures, [w for w in record.warnings if w.counts])
    return verdict
