"""Time as a process lives through it: `time.monotonic`, without what a standstill took.

The neighbours of a virtual machine take its processors away, for seconds at a time. Calls in
tests run in real time, and a second in which none of the ends of a call was there would be told
as a caller who says nothing, a model that hangs, a person who gave up. They all stood still
together, so they can agree that such a second was none. Processes of their own keep the machine's
time: tests of those ask `lost_s` whether what they saw can be believed.
"""

from __future__ import annotations

import threading
import time
from typing import Final

BEAT_S: Final = 0.01
STANDSTILL_S: Final = 0.05
"""A beat that is later than this did not wait for its turn beside the process's own work."""
STOOD_STILL_S: Final = 0.2
"""Lost in the course of a test: its waits and its silences are not the gateway's any more."""

_machine_time = time.monotonic
_pulse: tuple[float, float] = _machine_time(), 0.0
"""When the last beat was, and the seconds lost up to it; swapped as one."""


def awake_time() -> float:
    """Seconds awake. Goes no further than where a standstill begins, until a beat has ended it."""
    beat_s, lost_s = _pulse
    return min(_machine_time(), beat_s + STANDSTILL_S) - lost_s


def lost_s() -> float:
    """How long this process stood still, since it was born."""
    return _pulse[1]


def keep_awake_time() -> None:
    """For all event loops, and for what is imported after this; once more changes nothing."""
    if time.monotonic is awake_time:
        return
    time.monotonic = awake_time
    threading.Thread(target=_beat, name="awake clock", daemon=True).start()


def _beat() -> None:
    global _pulse
    while True:
        beat_s, lost = _pulse
        now = _machine_time()
        _pulse = now, lost + max(0.0, now - beat_s - STANDSTILL_S)
        time.sleep(BEAT_S)
