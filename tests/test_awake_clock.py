"""The clock of these tests leaves out what nobody lived through, and nothing else."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from awake_clock import BEAT_S, STANDSTILL_S, AwakeClock, awake_time

CHILD = """
import time
from awake_clock import keep_awake_time, longest_standstill_s, machine_time

keep_awake_time()
real_s, awake_s = machine_time(), time.monotonic()
print("ready", flush=True)
input()
while machine_time() - real_s < 0.9:
    time.sleep(0.01)
print(machine_time() - real_s, time.monotonic() - awake_s, longest_standstill_s(real_s))
"""


def test_every_test_uses_it() -> None:
    assert time.monotonic is awake_time


@dataclass
class Readings:
    """The two readings of a clock, set by hand."""

    machine_s: float = 100.0
    worked_s: float = 0.0

    def clock(self) -> AwakeClock:
        return AwakeClock(lambda: self.machine_s, lambda: self.worked_s)

    def pass_s(self, seconds: float, *, worked_s: float = 0.0) -> None:
        self.machine_s += seconds
        self.worked_s += worked_s


def test_usual_beats_lose_nothing() -> None:
    readings = Readings()
    clock = readings.clock()
    for _ in range(100):
        readings.pass_s(BEAT_S)
        clock.beat()
    assert clock() == pytest.approx(100.0 + 100 * BEAT_S)
    assert clock.longest_standstill_s(0.0) == 0.0


def test_a_process_that_computes_is_awake() -> None:
    readings = Readings()
    clock = readings.clock()
    readings.pass_s(2.0, worked_s=2.0)
    clock.beat()
    assert clock() == pytest.approx(102.0)
    assert clock.longest_standstill_s(0.0) == 0.0


def test_a_standstill_is_left_out_and_reported() -> None:
    readings = Readings()
    clock = readings.clock()
    readings.pass_s(3.0)
    assert clock() == pytest.approx(100.0 + STANDSTILL_S), "no further until a beat has ended it"
    clock.beat()
    assert clock() == pytest.approx(100.0 + STANDSTILL_S)
    assert clock.longest_standstill_s(100.0) == pytest.approx(3.0 - STANDSTILL_S)
    assert clock.longest_standstill_s(104.0) == 0.0


def test_half_of_it_worked_is_half_awake() -> None:
    readings = Readings()
    clock = readings.clock()
    readings.pass_s(4.0, worked_s=2.0)
    clock.beat()
    assert clock() == pytest.approx(102.0 + STANDSTILL_S)


def test_a_process_that_is_stopped_is_not_awake() -> None:
    rigs = Path(__file__).parent / "rigs"
    with subprocess.Popen(
        [sys.executable, "-c", CHILD],
        cwd=rigs,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        child.send_signal(signal.SIGSTOP)
        time.sleep(0.7)
        child.send_signal(signal.SIGCONT)
        child.stdin.write("\n")
        child.stdin.flush()
        real_s, awake_s, longest_s = map(float, child.stdout.readline().split())
    assert real_s - awake_s > 0.5
    assert longest_s > 0.5
