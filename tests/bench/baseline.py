"""Compare instruction counts with the ones committed in `baseline.json`."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_name("baseline.json")
REFERENCE: Final = "naive pcmu"
"""The naive gateway passing mu-law through, as the vendors' samples do."""
RISE_MAX: Final = 0.03
SAME_BUILD: Final = 0.015
"""How far the reference may be from its baseline: in one environment it repeats within 0.7 %."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What the number of instructions depends on, beside the code and its packages."""

    python: str
    machine: str
    valgrind: str

    @property
    def minor(self) -> str:
        """Python's version without its last number."""
        return self.python.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Baseline:
    """Instructions per call-second by name, and where they were counted."""

    environment: Environment
    instructions: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Change:
    """One count beside its baseline, in instructions per call-second."""

    name: str
    before: float
    now: float

    @property
    def rise(self) -> float:
        return self.now / self.before - 1

    @property
    def too_much(self) -> bool:
        return self.rise > RISE_MAX

    def __str__(self) -> str:
        moved = (
            f"{self.name}: {self.rise:+.1%}, from {self.before / 1e6:.2f} to {self.now / 1e6:.2f} "
            "million instructions per call-second"
        )
        return f"{moved}; at most {RISE_MAX:+.0%} is allowed." if self.too_much else f"{moved}."


def here() -> Environment:
    """Return the environment of this machine."""
    said = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True)
    version = said.stdout.strip().removeprefix("valgrind-")
    return Environment(platform.python_version(), platform.machine(), version)


def read(file: Path = FILE) -> list[Baseline]:
    """Return all baselines; none where there is no file."""
    if not file.exists():
        return []
    return [
        Baseline(Environment(**entry["environment"]), entry["instructions"])
        for entry in json.loads(file.read_text("utf-8"))
    ]


def write(new: Baseline, file: Path = FILE) -> None:
    """Put a baseline in the place of the one for the same environment."""
    kept = [old for old in read(file) if old.environment != new.environment]
    entries = [asdict(baseline) for baseline in [*kept, new]]
    file.write_text(json.dumps(entries, indent=1) + "\n", "utf-8")


def compare(
    baselines: Sequence[Baseline], where: Environment, now: Mapping[str, float]
) -> list[Change] | None:
    """Return how each count but the reference moved; None without a baseline to compare with.

    Counts depend on the build of Python: a profile-guided one needs 8 % less for the same
    bytecode. Ratios to the reference depend on it as well, since the interpreter's part of the
    reference is larger than the gateway's: that same build moves the ratio by 4 %. So counts are
    compared as they are, and the reference, which no change of the gateway moves, says whether a
    baseline is of a build like this one and of the same packages.
    """

    def apart(baseline: Baseline) -> float:
        return abs(now[REFERENCE] / baseline.instructions[REFERENCE] - 1)

    alike = [
        baseline
        for baseline in baselines
        if baseline.environment.minor == where.minor
        and baseline.environment.machine == where.machine
        and apart(baseline) <= SAME_BUILD
    ]
    if not alike:
        return None
    before = min(alike, key=apart).instructions
    return [Change(name, before[name], now[name]) for name in before if name != REFERENCE]
