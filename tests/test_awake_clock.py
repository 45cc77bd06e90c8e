"""The clock of these tests leaves out what nobody lived through, and nothing else."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from awake_clock import awake_time, machine_time

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


def test_all_tests_keep_it() -> None:
    assert time.monotonic is awake_time


def test_who_computes_is_awake() -> None:
    """In one step of the interpreter, so that no other thread has its turn."""
    real_s, awake_s = machine_time(), time.monotonic()
    sum(range(20_000_000))
    time.sleep(0.03)
    assert time.monotonic() - awake_s > 0.5 * (machine_time() - real_s)


def test_who_is_stopped_is_not() -> None:
    rigs = Path(__file__).parent / "rigs"
    with subprocess.Popen(
        [sys.executable, "-c", CHILD], cwd=rigs, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as child:  # fmt: skip
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
