"""Report each step of the event loop that computes for longer than 5 ms, and where it was.

Python imports a module of this name at its start, so any process can be watched, under any load:

    LONG_STEPS=out/steps.txt PYTHONPATH=tests/bench/step_watch make soak

The time is that of the loop's own thread on a processor: what other processes take does not
count, so that a busy machine is as good as a quiet one. uvloop runs its steps out of sight, so
asyncio's own loop takes its place; the steps are the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import time
import traceback
from asyncio import events
from types import FrameType
from typing import Any

_LONG_S = float(os.environ.get("LONG_STEP_MS", "5")) / 1000
_SAMPLED_EVERY_S = 0.001
_FRAMES = 7


class _Steps:
    """Watch over the steps of one process."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._run = events.Handle._run
        self._began_s: float | None = None
        self._seen: list[str] = []
        self._collected_s, self._collecting_s = 0.0, 0.0

    def begin(self) -> None:
        steps, run = self, self._run

        def timed(handle: events.Handle) -> None:
            steps._began_s, steps._seen, steps._collected_s = time.thread_time(), [], 0.0
            began_s = steps._began_s
            run(handle)
            took_s = time.thread_time() - began_s
            steps._began_s = None
            if took_s > _LONG_S:
                steps._report(handle, took_s)

        setattr(events.Handle, "_run", timed)  # noqa: B010 - typed as read-only
        gc.callbacks.append(self._on_collection)
        with contextlib.suppress(ValueError):  # not the main thread
            signal.signal(signal.SIGVTALRM, self._sample)
            signal.setitimer(signal.ITIMER_VIRTUAL, _SAMPLED_EVERY_S, _SAMPLED_EVERY_S)

    def _sample(self, _signal: int, frame: FrameType | None) -> None:
        """Note where a step is that has become long."""
        if self._began_s is None or time.thread_time() - self._began_s < _LONG_S * 0.4:
            return
        stack = traceback.extract_stack(frame, limit=_FRAMES)
        self._seen.append(
            " > ".join(f"{one.filename[-40:]}:{one.lineno}:{one.name}" for one in stack)
        )

    def _on_collection(self, phase: str, _info: dict[str, Any]) -> None:
        if phase == "start":
            self._collecting_s = time.thread_time()
        else:
            self._collected_s += time.thread_time() - self._collecting_s

    def _report(self, handle: events.Handle, took_s: float) -> None:
        callback: Any = getattr(handle, "_callback", None)
        name = getattr(callback, "__qualname__", repr(callback))
        owner: Any = getattr(callback, "__self__", None)
        if isinstance(owner, asyncio.Task):
            name = f"task {owner.get_name()}"
        with open(self._file, "a", encoding="utf-8") as out:
            out.write(f"{took_s * 1000:6.1f} ms (gc {self._collected_s * 1000:.1f}) {name}\n")
            out.writelines(f"      {where}\n" for where in dict.fromkeys(self._seen))


def _asyncio_runs(main: Any, **_options: Any) -> Any:
    return asyncio.run(main)


if "LONG_STEPS" in os.environ and "serve" in sys.orig_argv:
    _Steps(os.environ["LONG_STEPS"]).begin()
    with contextlib.suppress(ImportError):
        import uvloop

        uvloop.run = _asyncio_runs
