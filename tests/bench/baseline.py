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
    """One count beside its baseline; both are ratios to the reference where `relative`."""

    name: str
    before: float
    now: float
    relative: bool

    @property
    def rise(self) -> float:
        return self.now / self.before - 1

    @property
    def too_much(self) -> bool:
        return self.rise > RISE_MAX

    def __str__(self) -> str:
        if self.relative:
            numbers = f"from {self.before:.3f} to {self.now:.3f} times the {REFERENCE} gateway"
        else:
            numbers = (
                f"from {self.before / 1e6:.2f} to {self.now / 1e6:.2f} million instructions "
                "per call-second"
            )
        moved = f"{self.name}: {self.rise:+.1%}, {numbers}"
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
    """Put a baseline in the place of the one for the same Python release and machine."""
    kept = [
        old
        for old in read(file)
        if (old.environment.minor, old.environment.machine)
        != (new.environment.minor, new.environment.machine)
    ]
    entries = [asdict(baseline) for baseline in [*kept, new]]
    file.write_text(json.dumps(entries, indent=1) + "\n", "utf-8")


def compare(
    baselines: Sequence[Baseline], where: Environment, now: Mapping[str, float]
) -> list[Change] | None:
    """Return how each count but the reference moved; None without a baseline to compare with.

    Counts are compared as they are where they were counted in the same environment: they repeat
    within half a per cent, and what a package changes shows. Another build of the same Python
    release runs other code for the same bytecode, so that there the ratio to the reference is
    compared, which was counted in the same run. Between releases of Python no figure is stable
    enough: each has a baseline of its own.
    """
    for baseline in baselines:
        same = baseline.environment == where
        close = (
            baseline.environment.minor == where.minor
            and baseline.environment.machine == where.machine
        )
        if same or close:
            before = baseline.instructions
            unit_before, unit_now = (1.0, 1.0) if same else (before[REFERENCE], now[REFERENCE])
            return [
                Change(name, before[name] / unit_before, now[name] / unit_now, not same)
                for name in before
                if name != REFERENCE
            ]
    return None
