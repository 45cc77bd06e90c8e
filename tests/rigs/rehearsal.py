"""`gateway simulate --spawn` as an operator runs it: a shipped scenario over real processes."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

PATIENCE_S = 240.0


async def as_expected(scenario: str, paths: tuple[str, ...], folder: Path) -> None:
    """On each of these paths, at the same time."""
    await asyncio.gather(*(_on_path(scenario, path, folder / path) for path in paths))


async def _on_path(scenario: str, path: str, out: Path) -> None:
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
    assert process.returncode == 0, f"{scenario} on the path {path}:\n{said.decode()}"
