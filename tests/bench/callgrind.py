"""Run a process under valgrind's callgrind, count its instructions, and read its profiles.

Callgrind counts the instructions that a process executes outside the kernel. The count does not
depend on the clock rate, on caches or on other processes, as time on a shared machine does.
Valgrind tells the process that it runs on a processor with AVX2 at most, so that numpy and the C
library choose the same kernels on every x86-64 machine.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.process import Command
from gateway.errors import ServiceUnreachable

_START_MAX_S: Final = 240.0
"""Python starts ten times slower under valgrind."""
_CONTROL_MAX_S: Final = 20.0
_ENVIRONMENT: Final[Mapping[str, str]] = {
    # The order of a set's items, and so the path through a dict, depends on it.
    "PYTHONHASHSEED": "0",
    # OpenBLAS's threads wait in loops, which would be counted; its kernel is named since the one
    # that it chooses depends on variables of the machine.
    "OPENBLAS_NUM_THREADS": "1",
}
_HASWELL: Final[Mapping[str, str]] = {"OPENBLAS_CORETYPE": "Haswell"}
_TOTALS: Final = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)
_NAME: Final = re.compile(r"(c?)(fn|ob|fl|fi|fe)=\((\d+)\)(?: (.+))?")
_POSITION: Final = frozenset("0123456789+-*")


def require() -> None:
    """Raise ServiceUnreachable where valgrind is not installed."""
    missing = [name for name in ("valgrind", "vgdb") if shutil.which(name) is None]
    if missing:
        raise ServiceUnreachable(
            f"{' and '.join(missing)} not found: run `apt-get install valgrind`, then try again."
        )


def counted(command: Command, out: Path, machine: str) -> Command:
    """Return a command that runs under callgrind, which counts nothing until it is told to."""
    environment = {**command.environment, **_ENVIRONMENT}
    environment.pop("OPENBLAS_L2_SIZE", None)
    environment.pop("OPENBLAS_CORETYPE", None)
    if machine == "x86_64":
        environment.update(_HASWELL)
    prefix = (
        "valgrind",
        "--quiet",
        "--tool=callgrind",
        "--instr-atstart=no",
        f"--callgrind-out-file={out}",
    )
    return replace(command, environment=environment, prefix=prefix, start_max_s=_START_MAX_S)


@dataclass(frozen=True, slots=True)
class InstructionCounter:
    """Counter of one process that runs under callgrind; `out` is the file given to it."""

    pid: int
    out: Path

    async def on(self) -> None:
        """Start counting. All code is translated anew, which takes a second or two."""
        await self._control("instrumentation on")

    async def off(self) -> None:
        await self._control("instrumentation off")

    async def zero(self) -> None:
        await self._control("zero")

    async def dump(self) -> Path:
        """Write the counts since `zero` and return the file."""
        await self._control("dump")
        return max(self.out.parent.glob(f"{self.out.name}.*"), key=_number)

    async def _control(self, words: str) -> None:
        """As callgrind_control does, without its half second. Raises ServiceUnreachable."""
        process = await asyncio.create_subprocess_exec(
            "vgdb",
            f"--pid={self.pid}",
            *words.split(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(_CONTROL_MAX_S):
                status = await process.wait()
        except TimeoutError:
            process.kill()
            status = await process.wait()
        if status:
            raise ServiceUnreachable(f"valgrind did not take the command {words!r}: see its log.")


def _number(dump: Path) -> int:
    suffix = dump.suffix.removeprefix(".")
    return int(suffix) if suffix.isdigit() else -1


def total(profile: str) -> int:
    """Return the instructions of one dump. Raises ValueError where it names none."""
    counts = [int(found) for found in _TOTALS.findall(profile)]
    if not counts:
        raise ValueError("the profile has no line `totals:`")
    return counts[-1]


@dataclass(frozen=True, slots=True)
class Function:
    """A C function, and the library that it belongs to."""

    name: str
    library: str


def self_costs(profile: Iterable[str]) -> Counter[Function]:
    """Return the instructions of each function without those of the functions it calls."""
    costs: Counter[Function] = Counter()
    names: dict[tuple[str, str], str] = {}
    function, library = "", ""
    calls = False
    for line in profile:
        if line[:1] in _POSITION:
            # The line after `calls=` has what the called function cost, which is its own.
            if not calls:
                cost = line.split()[1:]  # absent where it is zero
                costs[Function(function, library)] += int(cost[0]) if cost else 0
            calls = False
        elif line.startswith("calls="):
            calls = True
        elif found := _NAME.match(line):
            called, kind, number, name = found.groups()
            if name is not None:
                names[kind, number] = name
            if not called and kind == "fn":
                function = names[kind, number].partition("'")[0]  # 'n: how often it recursed
            elif not called and kind == "ob":
                library = Path(names[kind, number]).name
    return costs


def hottest(costs: Counter[Function], most: int) -> Iterator[tuple[Function, float]]:
    """Yield the most expensive functions with their share of all instructions."""
    whole = sum(costs.values())
    for function, cost in costs.most_common(most):
        yield function, cost / whole
