"""The gateway's side of a process that decodes pictures: starts it, asks it, ends and replaces it.

No byte of a picture is looked at in this process.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Final

import structlog

import gateway
from gateway import limits
from gateway.errors import BugError, PeerError

log = structlog.get_logger()
ENDED: Final = ("took_too_long", "crashed", "misbehaved", "abandoned", "not_started")
"""Why a worker was replaced."""
_REQUEST: Final = Struct(">IH")
_ANSWER: Final = Struct(">BI")
_READY: Final = b"ready\n"
_SHRUNK, _REFUSED = 0, 1
_OUT_OF_CPU: Final = -getattr(signal, "SIGXCPU", 0) or None
"""How a worker ends that has used up its processor time."""
_ANSWER_MAX_BYTES: Final = limits.images.IMAGE_SENT_MAX_BYTES * 4 // 3 + 64
_KINDS: Final = frozenset(
    {"not_an_image", "too_many_pixels", "too_many_scans", "heic", "pdf", "unreadable"}
)
_PASSED_ON: Final = ("LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPYCACHEPREFIX", "SYSTEMROOT")
"""Of the environment: what an interpreter needs to start, and to find what is compiled already."""


@dataclass(frozen=True, slots=True)
class WorkerBounds:
    """Bounds on the cost of one picture in its worker."""

    memory_bytes: int
    pixels: int
    cpu_s: int = limits.images.DECODE_CPU_MAX_S
    clock_s: float = limits.images.DECODE_MAX_S
    waiting: int = limits.images.DECODES_WAITING_MAX
    wait_s: float = limits.images.DECODE_WAIT_MAX_S
    pause_s: float = limits.images.WORKER_PAUSE_S


PHOTO_BOUNDS: Final = WorkerBounds(
    limits.images.PHOTO_MEMORY_MAX_BYTES, limits.images.IMAGE_PIXELS_MAX
)
CAMERA_BOUNDS: Final = WorkerBounds(
    limits.images.CAMERA_MEMORY_MAX_BYTES, limits.images.CAMERA_PIXELS_MAX
)


def worker_command(bounds: WorkerBounds) -> list[str]:
    """Return the command line of a worker with these bounds."""
    options = (
        f"--memory-bytes={bounds.memory_bytes} --cpu-s={bounds.cpu_s} --pixels={bounds.pixels}"
    )
    return [sys.executable, *["-B", "-P", "-s", "-m", "gateway.imaging.worker"], *options.split()]


class ImageWorker:
    """One worker process and the queue before it; it starts with the first picture.

    `ended` is called with one of `ENDED` whenever a worker has to be replaced.
    """

    def __init__(
        self,
        bounds: WorkerBounds,
        ended: Callable[[str], None],
        command: Sequence[str] | None = None,
    ) -> None:
        self.bounds, self._ended = bounds, ended
        self._command = worker_command(bounds) if command is None else command
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._process: Process | None = None
        self._not_before_s = 0.0
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Process id of the running worker."""
        return None if self._process is None else self._process.pid

    async def shrink(self, data: bytes, side_px: int) -> str:
        """Return the picture as the data URI of a small JPEG.

        Raises PeerError: `overloaded`, `took_too_long`, or what the worker says of the picture.
        """
        await self._take_turn()
        try:
            return await self._asked(data, side_px)
        finally:
            self._turn.release()

    async def close(self) -> None:
        """End the worker, even in the middle of a picture."""
        self._closed = True
        if self._process is not None:
            _kill(self._process)
        async with self._turn:
            await self._reap()

    async def _take_turn(self) -> None:
        if self._waiting >= self.bounds.waiting:
            raise PeerError("overloaded", "too many pictures wait")
        self._waiting += 1
        try:
            async with asyncio.timeout(self.bounds.wait_s):
                await self._turn.acquire()
        except TimeoutError:
            raise PeerError("overloaded", "no turn in time") from None
        finally:
            self._waiting -= 1

    async def _asked(self, data: bytes, side_px: int) -> str:
        process = await self._running()
        try:
            async with asyncio.timeout(self.bounds.clock_s):
                status, content = await _exchange(process, data, side_px)
        except TimeoutError:
            await self._replace("took_too_long")
            raise PeerError("took_too_long") from None
        except (OSError, EOFError):
            await _ends_by_itself(process)  # or our own signal would hide why it ended
            out_of_time = await self._replace("crashed") == "took_too_long"
            raise PeerError("took_too_long" if out_of_time else "unreadable") from None
        except ValueError:
            await self._replace("misbehaved")
            raise PeerError("unreadable") from None
        except BaseException:
            # Nobody waits for the answer any more, and the next picture must not get it.
            await self._replace("abandoned")
            raise
        if status == _REFUSED:
            raise PeerError(content)
        return content

    async def _running(self) -> Process:
        """Return the worker, started anew where there is none. Raises PeerError (`unreadable`)."""
        if self._process is not None and self._process.returncode is not None:
            await self._replace("crashed")
        if self._process is None:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(max(0.0, self._not_before_s - loop.time()))
            if self._closed:
                raise PeerError("unreadable", "the gateway stops")
            try:
                async with asyncio.timeout(limits.images.WORKER_START_MAX_S):
                    self._process = await _started(self._command)
                    if await _out(self._process).readexactly(len(_READY)) != _READY:
                        raise ValueError
            except (OSError, EOFError, ValueError):
                await self._replace("not_started")
                raise PeerError("unreadable", "the worker did not start") from None
            except BaseException:
                await self._replace("abandoned")
                raise
        return self._process

    async def _replace(self, reason: str) -> str:
        """End the worker, let the next one begin after a pause, and return the true reason."""
        status = await self._reap()
        if status == _OUT_OF_CPU:
            reason = "took_too_long"
        self._not_before_s = asyncio.get_running_loop().time() + self.bounds.pause_s
        if not self._closed:
            log.warning("image_worker_ended", reason=reason, status=status)
            self._ended(reason)
        return reason

    async def _reap(self) -> int | None:
        if self._process is None:
            return None
        process, self._process = self._process, None
        _kill(process)
        # Reads to the end: a process is only done when its pipes are empty.
        await process.communicate()
        return process.returncode


async def _started(command: Sequence[str]) -> Process:
    environ = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    # The same code as here, wherever this package was loaded from.
    environ["PYTHONPATH"] = str(Path(gateway.__file__).parent.parent)
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        cwd="/",
        env=environ,
        start_new_session=True,  # a signal to the group is for the gateway, which drains first
    )


async def _exchange(process: Process, data: bytes, side_px: int) -> tuple[int, str]:
    """Raises OSError or EOFError when the process ends, ValueError when its answer is none."""
    to_worker, from_worker = process.stdin, _out(process)
    if to_worker is None:
        raise BugError("the worker has no standard input")
    to_worker.write(_REQUEST.pack(len(data), side_px))
    with memoryview(data) as whole:
        # In pieces: the transport copies what the pipe does not take at once.
        for at in range(0, len(data), limits.images.WORKER_PIECE_BYTES):
            to_worker.write(whole[at : at + limits.images.WORKER_PIECE_BYTES])
            await to_worker.drain()
    status, size = _ANSWER.unpack(await from_worker.readexactly(_ANSWER.size))
    if size > _ANSWER_MAX_BYTES:
        raise ValueError("the answer is too long")
    content = (await from_worker.readexactly(size)).decode("ascii")
    if status == _SHRUNK and content.startswith("data:image/jpeg;base64,"):
        return status, content
    if status == _REFUSED and content in _KINDS:
        return status, content
    raise ValueError("the answer is none")


def _out(process: Process) -> asyncio.StreamReader:
    if process.stdout is None:
        raise BugError("the worker has no standard output")
    return process.stdout


async def _ends_by_itself(process: Process) -> None:
    """Wait a moment for a worker whose pipes are closed: they close before its status is known."""
    with suppress(TimeoutError):
        async with asyncio.timeout(limits.images.WORKER_END_MAX_S):
            await process.wait()


def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
