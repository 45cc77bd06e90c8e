"""`gateway bench`: what a call costs, and how well it sounds. A benchmark, not a timed test."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Final, get_args

import typer
from rich.console import Console

from gateway.audio.transcode import AudioFormat
from gateway.cli.bench import audio_bench, load, report
from gateway.cli.bench.contestants import Kind
from gateway.cli.bench.lines import new_loop
from gateway.cli.bench.process import on_core
from gateway.cli.bench.sound import Sound, speech, stock
from gateway.errors import ServiceUnreachable

_QUICK_CALLS: Final = "10,50"
_QUICK_SECONDS: Final = 4.0


def bench(
    out: Annotated[Path, typer.Option(help="Where the figures go, as JSON.")] = Path(
        "out/bench.json"
    ),
    calls: Annotated[str, typer.Option(help="Calls at once, level by level.")] = "10,50,100",
    seconds: Annotated[float, typer.Option(min=2, help="Measured at each level.")] = 12.0,
    quick: Annotated[
        bool, typer.Option("--quick", help="A glance: fewer calls, less time.")
    ] = False,
) -> None:
    """Measure the sound path, and whole calls in real time beside a naive gateway."""
    if not hasattr(os, "sched_setaffinity") or (os.cpu_count() or 1) < 2:
        raise ServiceUnreachable("The bench needs Linux and two cores: run it there.")
    if quick:
        calls, seconds = _QUICK_CALLS, _QUICK_SECONDS
    levels = levels_of(calls)
    progress = _Progress(Console(stderr=True, highlight=False))
    progress.tell("the sound path")
    samples = speech()
    audio = audio_bench.run(samples)
    stocks = [stock(one, samples) for one in get_args(AudioFormat)]
    with on_core(load.GENERATOR_CORE), asyncio.Runner(loop_factory=new_loop) as runner:
        gc.collect()
        gc.freeze()
        folder = out.parent / "bench"
        runs = runner.run(_loads(stocks, levels, seconds, folder, progress))
        progress.tell("webhooks of SIP calls, all at once")
        storm = runner.run(load.run_storm(stocks[0], folder))
    result = report.Report(_machine(), audio, runs, storm)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report.as_json(result), indent=1) + "\n", "utf-8")
    console = Console(width=None if sys.stdout.isatty() else 200)
    for table in report.tables(result):
        console.print(table)
    console.print(f"left: {out}")


def levels_of(text: str) -> list[int]:
    """How many calls at once, in growing order. Raises typer.BadParameter."""
    try:
        levels = sorted({int(part) for part in text.split(",")})
    except ValueError:
        levels = []
    if not levels or levels[0] < 1:
        raise typer.BadParameter("must be numbers of calls, like 10,50,100")
    return levels


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
            runs.append(await load.run(plan, progress.tell))
    return runs


class _Progress:
    """A line for each step: nothing that would draw while something is measured."""

    def __init__(self, console: Console) -> None:
        self._console, self._began_s = console, time.monotonic()

    def tell(self, step: str) -> None:
        self._console.print(f"[dim]{time.monotonic() - self._began_s:4.0f} s[/] {step}")


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
