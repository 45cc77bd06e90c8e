"""Command line of the bench: `run` measures everything, `quick` compares counts with a baseline.

Exit codes: 0 well, 1 the count rose by too much, 69 what is needed is missing or busy.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Final, get_args

import typer
from rich.console import Console

from bench import audio_bench, baseline, callgrind, counting, load, report
from bench.counting import Case, Count, Direction
from bench.gateways import Kind
from bench.process import on_core
from bench.sockets import new_loop
from bench.sound import COUNTED, Sound, speech, stock
from gateway.audio.transcode import AudioFormat
from gateway.errors import GatewayError, ServiceUnreachable

ROSE, UNREACHABLE = 1, 69
_OUT: Final = Path("out/bench")
_CYCLES: Final = 3
_OPEN_MAX: Final = 100
"""Calls that a gateway can carry in real time under valgrind, when each is only open."""
_QUICK_CYCLES: Final = 2
QUICK: Final = (
    Case("gateway", "pcm24k", "both"),
    Case("gateway", "pcmu", "both"),
    Case("naive", "pcmu", "both"),
)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def run(
    out: Annotated[Path, typer.Option(help="Where the figures go, as JSON.")] = Path(
        "out/bench.json"
    ),
    calls: Annotated[str, typer.Option(help="Calls at once, level by level.")] = "10,50,100,200",
    seconds: Annotated[float, typer.Option(min=2, help="Measured at each level.")] = 12.0,
) -> None:
    """Measure the sound path, whole calls in real time, and instructions of each direction."""
    _require()
    levels = levels_of(calls)
    progress = _Progress(Console(stderr=True, highlight=False))
    progress.step("the sound path")
    samples = speech()
    audio = audio_bench.run(samples)
    stocks = [stock(one, samples) for one in get_args(AudioFormat)]
    folder = out.parent / "bench"
    with on_core(load.GENERATOR_CORE), asyncio.Runner(loop_factory=new_loop) as runner:
        gc.collect()
        gc.freeze()
        runs = runner.run(_loads(stocks, levels, seconds, folder, progress))
        progress.step("webhooks of SIP calls, all at once")
        sip_burst = runner.run(load.run_sip_burst(stocks[0], folder))
    cases = [
        Case(kind, audio, direction)
        for kind, audio, direction in product(
            get_args(Kind), get_args(AudioFormat), get_args(Direction)
        )
        # Without a call, or without sound, there is no format.
        if direction != "open" and (audio, direction) != ("pcmu", "rest")
    ]
    cases += [Case("gateway", "pcmu", "open", calls) for calls in levels if calls <= _OPEN_MAX]
    counts = _counts(cases, _CYCLES, folder, progress)
    result = report.Report(_machine(), audio, runs, sip_burst, counts)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report.as_json(result), indent=1) + "\n", "utf-8")
    console = Console(width=None if sys.stdout.isatty() else 200)
    for table in report.tables(result):
        console.print(table)
    console.print(f"left: {out}, and profiles for callgrind_annotate in {folder}")


@app.command()
def quick(
    write: Annotated[
        bool, typer.Option("--write", help="Keep the counts as the baseline from now on.")
    ] = False,
) -> None:
    """Count instructions, and say by how much a change moved them; 1 where they rose too much."""
    _require()
    progress = _Progress(Console(stderr=True, highlight=False))
    counts = _counts(QUICK, _QUICK_CYCLES, _OUT, progress)
    now = {name_of(count.case): count.per_call_second for count in counts}
    where = baseline.here()
    if write:
        baseline.write(baseline.Baseline(where, {name: round(n) for name, n in now.items()}))
        print(f"left: {baseline.FILE}")
    if not judge(baseline.read(), where, now):
        raise typer.Exit(ROSE)


def judge(
    baselines: Sequence[baseline.Baseline], where: baseline.Environment, now: Mapping[str, float]
) -> bool:
    """Print how the counts moved; return False where one rose too much."""
    reference = now[baseline.REFERENCE]
    print(f"{baseline.REFERENCE}: {reference / 1e6:.2f} million instructions per call-second")
    changes = baseline.compare(baselines, where, now)
    if changes is None:
        for name in sorted(now.keys() - {baseline.REFERENCE}):
            print(f"{name}: {now[name] / 1e6:.2f} million, {now[name] / reference:.3f} times it")
        print(
            f"no baseline for this build of Python {where.minor} on {where.machine} with these "
            "packages: nothing is judged; `quick --write` makes one"
        )
        return True
    for change in changes:
        print(change)
    return not any(change.too_much for change in changes)


def name_of(case: Case) -> str:
    """Return the name of a count in the baseline."""
    return case.audio if case.kind == "gateway" else f"{case.kind} {case.audio}"


def levels_of(text: str) -> list[int]:
    """Return how many calls at once, in growing order. Raises typer.BadParameter."""
    try:
        levels = sorted({int(part) for part in text.split(",")})
    except ValueError:
        levels = []
    if not levels or levels[0] < 1:
        raise typer.BadParameter("must be numbers of calls, like 10,50,100")
    return levels


def _require() -> None:
    if not hasattr(os, "sched_setaffinity") or (os.cpu_count() or 1) < load.CORES:
        raise ServiceUnreachable("The bench needs Linux and two cores: run it there.")
    callgrind.require()


async def _loads(
    stocks: list[Sound], levels: list[int], seconds: float, folder: Path, progress: _Progress
) -> list[load.Run]:
    """The naive one takes the middle level only, right after the gateway's turn."""
    runs = []
    for sound in stocks:
        turns: list[tuple[Kind, list[int]]] = [
            ("gateway", levels),
            ("naive", [levels[len(levels) // 2]]),
        ]
        for kind, its_levels in turns:
            plan = load.Plan(kind, sound, its_levels, seconds, folder)
            runs.append(await load.run(plan, progress.step))
    return runs


def _counts(
    cases: tuple[Case, ...] | list[Case], cycles: int, folder: Path, progress: _Progress
) -> list[Count]:
    samples = speech()
    sounds = [stock(audio, samples, COUNTED) for audio in get_args(AudioFormat)]
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(
            counting.count(counting.Plan(sounds, cases, cycles, folder / "counts"), progress.step)
        )


class _Progress:
    """Prints a line for each step, and nothing while something is measured."""

    def __init__(self, console: Console) -> None:
        self._console, self._began_s = console, time.monotonic()

    def step(self, name: str) -> None:
        self._console.print(f"[dim]{time.monotonic() - self._began_s:4.0f} s[/] {name}")


def _machine() -> dict[str, Any]:
    packages = ("uvloop", "uvicorn", "websockets", "msgspec", "numpy")
    return {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cores": os.cpu_count(),
        "cpu": _cpu_name(),
        "packages": {name: version(name) for name in packages},
    }


def _cpu_name() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")


if __name__ == "__main__":
    try:
        app()
    except GatewayError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(UNREACHABLE)
