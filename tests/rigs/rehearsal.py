"""`gateway simulate --spawn` as an operator runs it: a shipped scenario over real processes."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path
from typing import Final

from awake_clock import STOOD_STILL_S, lost_s

PATIENCE_S: Final = 240.0
TRIES: Final = 3


async def as_expected(scenario: str, paths: tuple[str, ...], folder: Path) -> None:
    """On each of these paths, at the same time."""
    await asyncio.gather(*(_on_path(scenario, path, folder / path) for path in paths))


async def _on_path(scenario: str, path: str, out: Path) -> None:
    """Again if it fails while the machine stands still, which callers and models do not do."""
    for left in reversed(range(TRIES)):
        before_s = lost_s()
        shutil.rmtree(out, ignore_errors=True)
        status, said = await _rehearsed(scenario, path, out)
        stood_still_s = lost_s() - before_s
        if status == 0 or stood_still_s < STOOD_STILL_S or not left:
            break
    told = f"{scenario} on the path {path}; the machine stood still for {stood_still_s:.1f} s:"
    assert status == 0, f"{told}\n{said}"


async def _rehearsed(scenario: str, path: str, out: Path) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.cli.main", "simulate", "--spawn",
        "--scenario", scenario, "--path", path, "--out", str(out),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    return process.returncode, said.decode()
