"""`gateway simulate --spawn` as an operator runs it: a shipped scenario over real processes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import pytest
from awake_clock import STOOD_STILL_S, longest_standstill_s, machine_time, warn_of_another_try
from warm_python import warm_python

PATIENCE_S: Final = 240.0
TRIES: Final = 3


def on(path: str, *others: str) -> pytest.MarkDecorator:
    """Parametrize a test with the paths of its scenario.

    `make test` plays it on the first one, and `make test-long` on the others: a path of its own for
    every scenario would take twice the time, and what both paths share is most of it.
    """
    more = [pytest.param(other, marks=pytest.mark.long) for other in others]
    return pytest.mark.parametrize("path", [path, *more])


async def as_expected(scenario: str, path: str, folder: Path, python: str | None = None) -> None:
    """Play it into a folder of this path's name, by default with an interpreter that is warm.

    Again if it fails while the machine stands still, and it is said that it was.
    """
    out = folder / path
    for left in reversed(range(TRIES)):
        began_s = machine_time()
        status, said = await _rehearsed(scenario, path, out, python)
        stood_still_s = longest_standstill_s(began_s)
        if status == 0 or stood_still_s < STOOD_STILL_S or not left:
            break
        warn_of_another_try(f"{scenario} on the path {path}", stood_still_s, said)
        _put_aside(out, left)
    told = f"{scenario} on the path {path}; the machine stood still for {stood_still_s:.1f} s:"
    assert status == 0, f"{told}\n{said}"


def _put_aside(out: Path, left: int) -> None:
    """What a failed one left is kept, where no test takes it for the next one's."""
    out.rename(out.parent.with_name(f"{out.parent.name}-{out.name}-failed-{left}"))


async def _rehearsed(
    scenario: str, path: str, out: Path, python: str | None
) -> tuple[int | None, str]:
    options = ("--scenario", scenario, "--path", path, "--out", str(out), "--no-picture")
    return await simulated("--spawn", *options, python=python)


async def simulated(*arguments: str, python: str | None = None) -> tuple[int | None, str]:
    """Run `gateway simulate`, by default with an interpreter that is warm.

    Return its exit status and what it printed.
    """
    process = await asyncio.create_subprocess_exec(
        python or warm_python(),
        "-m",
        "gateway.cli.main",
        "simulate",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    return process.returncode, said.decode()
