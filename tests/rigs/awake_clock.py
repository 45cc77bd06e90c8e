"""Time as a process lives through it: `time.monotonic`, without what a standstill took.

The neighbours of a virtual machine take its processors away, for seconds at a time. Calls in
tests run in real time, and a second in which none of the ends of a call ran would be reported
as a caller who says nothing, a model that hangs, a person who gives up. All ends live in this
process and stood still together, so such a second does not count. A second in which this process
computed does count: whoever blocks the event loop is found out as before. Processes of their own
keep the machine's time: their tests ask `longest_standstill_s` whether what they saw can be
believed.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable
from typing import Final

BEAT_S: Final = 0.01
STANDSTILL_S: Final = 0.05
"""A beat that is later than this did not wait for its turn beside the process's own work."""
STOOD_STILL_S: Final = 0.5
"""Once, in the course of a test: its waits and its silences are not the gateway's any more."""


class AwakeClock:
    """Seconds awake, from two readings: the machine's time and the time that this process worked.

    `beat` is called every BEAT_S. The reading goes no further than where a standstill begins,
    until a beat has ended it. Both readings are functions without arguments that return seconds.
    """

    def __init__(self, machine: Callable[[], float], worked: Callable[[], float]) -> None:
        self.machine = machine
        self._worked = worked
        self._worked_s = worked()
        self._pulse = machine(), 0.0
        """When the last beat was, and the seconds lost up to it; swapped as one."""
        self._standstills: list[tuple[float, float]] = []
        """When each long one ended, by the machine's time, and its length."""

    def __call__(self) -> float:
        beat_s, lost_s = self._pulse
        return min(self.machine(), beat_s + STANDSTILL_S) - lost_s

    def beat(self) -> None:
        """Leave out what passed since the last beat, but for the work done meanwhile."""
        beat_s, lost_s = self._pulse
        now, worked_s = self.machine(), self._worked()
        standstill_s = max(0.0, now - beat_s - STANDSTILL_S - (worked_s - self._worked_s))
        self._pulse, self._worked_s = (now, lost_s + standstill_s), worked_s
        if standstill_s >= STOOD_STILL_S:
            self._standstills.append((now, standstill_s))

    def begin_again(self) -> None:
        """Forget the work of the process that this one was forked from; no time is lost."""
        _, lost_s = self._pulse
        self._pulse, self._worked_s = (self.machine(), lost_s), self._worked()

    def longest_standstill_s(self, since_s: float) -> float:
        """Return the longest standstill that ended since a moment of the machine's time."""
        return max((length for end, length in self._standstills if end >= since_s), default=0.0)

    def run(self) -> None:
        """Beat for ever; the work of a thread of its own."""
        while True:
            self.beat()
            time.sleep(BEAT_S)


_machine_time = time.monotonic
awake_time = AwakeClock(_machine_time, time.process_time)


def longest_standstill_s(since_s: float) -> float:
    """Return the longest standstill of this process since a moment of `machine_time`."""
    return awake_time.longest_standstill_s(since_s)


def machine_time() -> float:
    """Return seconds, standstills included."""
    return _machine_time()


def warn_of_another_try(what: str, stood_still_s: float, failure: str) -> None:
    """Say in the summary at the end that something is tried again, and why."""
    text = f"tried again, the machine stood still for {stood_still_s:.1f} s: {what}: {failure}"
    warnings.warn(text, stacklevel=2)


def keep_awake_time() -> None:
    """Give the clock to all event loops and to what is imported after this; once is enough."""
    if time.monotonic is awake_time:
        return
    time.monotonic = awake_time
    _start()


def begin_again() -> None:
    """Let the clock go on in a forked process, which has no thread but its own."""
    awake_time.begin_again()
    _start()


def _start() -> None:
    threading.Thread(target=awake_time.run, name="awake clock", daemon=True).start()
