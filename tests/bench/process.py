"""Start a gateway as a process on a core of its own, and read what it uses."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2

from gateway.errors import ServiceUnreachable

_STOP_MAX_S: Final = 5.0
_TICKS_HZ: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Command:
    """What is started, with which environment, and where it will answer."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    health_url: str
    log: Path
    start_max_s: float = 30.0
    prefix: Sequence[str] = ()
    """Program, with its options, that runs the interpreter."""


class Usage:
    """Time and memory of a running process, as Linux counts them."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._proc = Path(f"/proc/{pid}")
        self._clock = (
            ~pid << 3
        ) | 2  # CPUCLOCK_SCHED of a whole process, as in clock_getcpuclockid

    def cpu_s(self) -> float:
        """User and system time of all threads, to the microsecond."""
        return time.clock_gettime(self._clock)

    def system_s(self) -> float:
        """The system's part, to a tick of 10 ms."""
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return int(fields[12]) / _TICKS_HZ

    def rss_mb(self) -> float:
        for line in (self._proc / "status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0


@dataclass(frozen=True, slots=True)
class CoreTime:
    """Seconds of a core since the machine was started."""

    busy_s: float
    """Somebody used it."""
    stolen_s: float
    """The hypervisor gave it to another machine."""


def core_time(core: int) -> CoreTime:
    name = f"cpu{core} "
    line = next(one for one in Path("/proc/stat").read_text().splitlines() if one.startswith(name))
    user, nice, system, _idle, _iowait, irq, softirq, stolen = map(int, line.split()[1:9])
    return CoreTime((user + nice + system + irq + softirq) / _TICKS_HZ, stolen / _TICKS_HZ)


@contextlib.contextmanager
def on_core(core: int) -> Iterator[None]:
    """Keep this thread and the processes it starts on one core, with real-time priority."""
    with _on_core([0], core):
        yield


@contextlib.contextmanager
def process_on_core(pid: int, core: int) -> Iterator[None]:
    """Keep all threads of a process on one core for a while, with real-time priority."""
    with _on_core([int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()], core):
        yield


@contextlib.contextmanager
def _on_core(threads: Sequence[int], core: int) -> Iterator[None]:
    """Set and restore core and priority; without permission, the priority stays as it is."""
    before = [
        (one, os.sched_getaffinity(one), os.sched_getscheduler(one), os.sched_getparam(one))
        for one in threads
    ]
    for one in threads:
        os.sched_setaffinity(one, {core})
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(one, os.SCHED_RR, os.sched_param(1))
    try:
        yield
    finally:
        for one, cores, policy, priority in before:
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                os.sched_setaffinity(one, cores)
                os.sched_setscheduler(one, policy, priority)


@contextlib.asynccontextmanager
async def running(command: Command, core: int | None = None) -> AsyncIterator[Usage]:
    """Run a gateway, on one core or on any, until the block ends.

    Raises ServiceUnreachable with the last lines of its log where it does not start.
    """
    command.log.parent.mkdir(parents=True, exist_ok=True)
    with command.log.open("wb") as log:
        with contextlib.nullcontext() if core is None else on_core(core):
            process = await asyncio.create_subprocess_exec(
                *command.prefix,
                sys.executable,
                *command.arguments,
                env=dict(command.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            await _ready(process, command)
            yield Usage(process.pid)
        finally:
            await _stop(process)


async def _ready(process: asyncio.subprocess.Process, command: Command) -> None:
    give_up_at = time.monotonic() + command.start_max_s
    async with httpx2.AsyncClient(verify=False, trust_env=False) as client:
        while time.monotonic() < give_up_at and process.returncode is None:
            with contextlib.suppress(httpx2.TransportError):
                if (await client.get(command.health_url)).is_success:
                    return
            await asyncio.sleep(0.05)
    last = command.log.read_text("utf-8", "replace").strip().splitlines()[-3:]
    raise ServiceUnreachable(f"{command.arguments[1]} did not start: {' / '.join(last)}")


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_MAX_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
