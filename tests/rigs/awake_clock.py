"""Time as a process lives through it: `time.monotonic`, without what a standstill took.

The neighbours of a virtual machine take its processors away, for seconds at a time. Calls in
tests run in real time, and a second in which none of the ends of a call was there would be told
as a caller who says nothing, a model that hangs, a person who gives up. They all stood still
together, so they can agree that such a second was none. A second in which this process computed
is one: whoever blocks the event loop is found out as before. Processes of their own keep the
machine's time: tests of those ask `longest_standstill_s` whether what they saw can be believed.
"""

from __future__ import annotations

import threading
import time
import warnings
from typing import Final

BEAT_S: Final = 0.01
STANDSTILL_S: Final = 0.05
"""A beat that is later than this did not wait for its turn beside the process's own work."""
STOOD_STILL_S: Final = 0.5
"""Once, in the course of a test: its waits and its silences are not the gateway's any more."""

_machine_time = time.monotonic
_pulse: tuple[float, float] = _machine_time(), 0.0
"""When the last beat was, and the seconds lost up to it; swapped as one."""
_standstills: list[tuple[float, float]] = []
"""When each ended that is worth telling, by the machine's time, and its length."""


def awake_time() -> float:
    """Seconds awake. Goes no further than where a standstill begins, until a beat has ended it."""
    beat_s, lost_s = _pulse
    return min(_machine_time(), beat_s + STANDSTILL_S) - lost_s


def longest_standstill_s(since_s: float) -> float:
    """Since a moment of `machine_time`."""
    return max((length_s for end_s, length_s in _standstills if end_s >= since_s), default=0.0)


def machine_time() -> float:
    """Seconds, standstills included."""
    return _machine_time()


def warn_of_another_try(what: str, stood_still_s: float, failure: str) -> None:
    """Stands in the summary at the end: nothing is tried again in silence."""
    told = f"tried again, the machine stood still for {stood_still_s:.1f} s: {what}: {failure}"
    warnings.warn(told, stacklevel=2)


def keep_awake_time() -> None:
    """For all event loops, and for what is imported after this; once more changes nothing."""
    if time.monotonic is awake_time:
        return
    time.monotonic = awake_time
    threading.Thread(target=_beat, name="awake clock", daemon=True).start()


def _beat() -> None:
    global _pulse
    worked_s = time.process_time()
    while True:
        beat_s, lost_s = _pulse
        now, work_s = _machine_time(), time.process_time()
        standstill_s = max(0.0, now - beat_s - STANDSTILL_S - (work_s - worked_s))
        _pulse, worked_s = (now, lost_s + standstill_s), work_s
        if standstill_s >= STOOD_STILL_S:
            _standstills.append((now, standstill_s))
        time.sleep(BEAT_S)
