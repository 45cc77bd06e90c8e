"""The command line in a process of its own, forked from one that has done the importing.

Two seconds of import for each would be most of what the tests of it take.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from warm_python import warm_python

from gateway.cli.commands import COMMANDS

PATIENCE_S = 60.0

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(
    [*(module for module, _ in COMMANDS.values()), "tests.rigs.still_heap"]
)


@dataclass
class Command:
    """One that runs; `said` is all that it wrote, on either channel."""

    process: BaseProcess
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text("utf-8")

    def signal(self, number: signal.Signals) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    async def status(self) -> int:
        """Its exit status, when it has ended; below zero for the signal that killed it."""
        await asyncio.to_thread(self.process.join, PATIENCE_S)
        status = self.process.exitcode
        assert status is not None, f"it has not ended:\n{self.said}"
        return status


@contextlib.asynccontextmanager
async def running(
    arguments: Sequence[str],
    environ: Mapping[str, str],
    log: Path,
    patches: Mapping[str, Any] | None = None,
) -> AsyncIterator[Command]:
    """`gateway ARGUMENTS`; `patches` are laid over `module:name` of the program."""
    # A simulated model, which these start, would import for longer than it runs.
    starts_model = arguments[:1] == ["simulate"] or "--simulated" in arguments
    python = warm_python() if starts_model else sys.executable
    process = _server.Process(
        target=_run, args=(python, list(arguments), dict(environ), str(log), dict(patches or {}))
    )
    process.start()
    try:
        yield Command(process, log)
    finally:
        if process.is_alive():
            process.kill()
        await asyncio.to_thread(process.join)
        process.close()


def _run(
    python: str, arguments: list[str], environ: dict[str, str], log: str, patches: dict[str, Any]
) -> None:
    # Processes that it starts need not compile what they import.
    compiled = {name: value for name, value in os.environ.items() if name == "PYTHONPYCACHEPREFIX"}
    os.environ.clear()
    os.environ.update({"PATH": os.defpath} | compiled | environ)
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(written, 1)
    os.dup2(written, 2)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", buffering=1)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", buffering=1)
    sys.argv, sys.executable = ["gateway", *arguments], python
    for name, value in patches.items():
        module, _, path = name.partition(":")
        *owners, attribute = path.split(".")
        setattr(resolve_name(f"{module}:{'.'.join(owners)}"), attribute, value)
    resolve_name("gateway.cli.main:run")()


def broken(*_: Any, **__: Any) -> Any:
    """What a bug of ours does; for `patches`."""
    raise KeyError("a bug of ours")
