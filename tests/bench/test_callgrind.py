"""Callgrind's format, and the command that writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import callgrind
from bench.callgrind import Function
from bench.process import Command

_PROFILE = """# callgrind format
version: 1
cmd: python -m gateway.cli.main serve
part: 1

positions: line
events: Ir
summary: 1075

ob=(1) /usr/lib/libpython3.11.so.1.0
fl=(1) ceval.c
fn=(1) _PyEval_EvalFrameDefault
100 500
+2 40
cob=(2) /venv/numpy/_core/_multiarray_umath.so
cfi=(2) ???
cfn=(2) array_dot
calls=3 0
* 420
-1 35

ob=(2)
fl=(2)
fn=(2)
0 400
fi=(3) other.c
12 20
cob=(1)
cfi=(1)
cfn=(3) PyLong_FromLong
calls=1 7
* 80

ob=(1)
fl=(1)
fn=(4) _PyEval_EvalFrameDefault'2
* 30
5
fn=(3)
* 50

totals: 1075
"""


def test_the_total_is_read() -> None:
    assert callgrind.total(_PROFILE) == 1075
    with pytest.raises(ValueError, match="totals"):
        callgrind.total("events: Ir\n")


def test_what_a_called_function_costs_is_its_own() -> None:
    costs = callgrind.self_costs(_PROFILE.splitlines())
    interpreter, product = "libpython3.11.so.1.0", "_multiarray_umath.so"
    assert costs == {
        Function("_PyEval_EvalFrameDefault", interpreter): 605,
        Function("array_dot", product): 420,
        Function("PyLong_FromLong", interpreter): 50,
    }
    assert sum(costs.values()) == callgrind.total(_PROFILE)


def test_the_hottest_come_first_with_their_share() -> None:
    (first, share), (second, _) = callgrind.hottest(callgrind.self_costs(_PROFILE.splitlines()), 2)
    assert (first.name, second.name) == ("_PyEval_EvalFrameDefault", "array_dot")
    assert share == pytest.approx(605 / 1075)


def test_nothing_of_the_machine_chooses_what_is_counted(tmp_path: Path) -> None:
    foreign = {"OPENBLAS_CORETYPE": "Prescott", "OPENBLAS_L2_SIZE": "1", "PYTHONHASHSEED": "7"}
    plain = Command(("-m", "x"), foreign | {"HOME": "/home"}, "http://127.0.0.1/", tmp_path / "log")
    command = callgrind.counted(plain, tmp_path / "callgrind.out", "x86_64")
    assert command.environment == {
        "HOME": "/home",
        "PYTHONHASHSEED": "0",
        "OPENBLAS_NUM_THREADS": "1",
        "OPENBLAS_CORETYPE": "Haswell",
    }
    assert "--instr-atstart=no" in command.prefix
    assert f"--callgrind-out-file={tmp_path}/callgrind.out" in command.prefix
    other = callgrind.counted(plain, tmp_path / "callgrind.out", "aarch64")
    assert "OPENBLAS_CORETYPE" not in other.environment
