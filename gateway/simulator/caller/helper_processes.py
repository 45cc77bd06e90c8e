"""Helper processes of a scenario, which its steps may kill and start again."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from gateway.errors import ServiceUnreachable
from gateway.simulator.caller.gateway_process import foreign_environment, free_port, tail

READY_TIMEOUT_S: Final = 20.0
POLL_S: Final = 0.05


class HelperProcesses:
    """Processes by name; in a command `python` is this interpreter, `${port}` a free port."""

    def __init__(self, commands: Mapping[str, Sequence[str]], out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self._commands, self._out = commands, out
        self._ports = {name: free_port() for name in commands}
        self._running: dict[str, asyncio.subprocess.Process] = {}

    @property
    def addresses(self) -> dict[str, str]:
        """The address of each process by its placeholder, like `${stock}`."""
        return {f"${{{name}}}": f"http://127.0.0.1:{port}" for name, port in self._ports.items()}

    async def start(self, name: str) -> None:
        """Start a process and wait until it listens. Raises ServiceUnreachable."""
        port = self._ports[name]
        command = [
            sys.executable if word == "python" else word.replace("${port}", str(port))
            for word in self._commands[name]
        ]
        log = self._out / f"{name}.log"
        with log.open("ab") as file:
            process = await asyncio.create_subprocess_exec(
                *command,
                env=foreign_environment(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        self._running[name] = process
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                while not await _listens(port):
                    if process.returncode is not None:
                        raise ServiceUnreachable(f"{name} did not start: {tail(log)}")
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            raise ServiceUnreachable(f"{name} does not listen: {tail(log)}") from error

    async def kill(self, name: str) -> None:
        """Kill a process with SIGKILL."""
        process = self._running.pop(name, None)
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


@contextlib.asynccontextmanager
async def helping(
    commands: Mapping[str, Sequence[str]], out: Path
) -> AsyncIterator[HelperProcesses]:
    """Run all of them for as long as the context is open."""
    helpers = HelperProcesses(commands, out)
    try:
        for name in commands:
            await helpers.start(name)
        yield helpers
    finally:
        for name in commands:
            await helpers.kill(name)
