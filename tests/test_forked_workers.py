"""Tests in forked workers: the same tests, the same outcomes, and who ends early has failed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

RIGS = Path(__file__).parent / "rigs"
CONFTEST = """
import os
import pytest
from awake_clock import keep_awake_time
from forked_workers import ForkedWorkers

keep_awake_time()

def pytest_configure(config):
    config.addinivalue_line("markers", "needs(*programs): a program")
    config.addinivalue_line("markers", "whole_call: a call")
    config.pluginmanager.register(ForkedWorkers(2))

@pytest.fixture(scope="module")
def module_has(request):
    note = open(request.config.rootpath / "notes", "a")
    print("begun", request.node.name, os.getpid(), file=note, flush=True)
    yield
    print("ended", request.node.name, os.getpid(), file=note, flush=True)
"""
PROCESSES = "\nimport os\ndef test_process(): open('processes', 'a').write(f'{os.getpid()}\\n')\n"


def run(folder: Path, files: dict[str, str], *options: str) -> str:
    """Run tests in a process of their own, and return what it printed."""
    for name, text in ({"conftest.py": CONFTEST} | files).items():
        (folder / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-o", "addopts="]
    environ = os.environ | {"PYTHONPATH": str(RIGS), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        [*command, "-c", "/dev/null", "--rootdir", str(folder), str(folder), *options],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


def lines(said: str, *words: str) -> Sequence[str]:
    return [line for line in said.splitlines() if line.startswith(words)]


def test_each_outcome_is_reported(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        {
            "test_outcomes.py": """
import pytest
def test_good(): pass
def test_bad(): assert {"a": 1} == {"a": 2}, "a reason"
@pytest.mark.skip(reason="not today")
def test_skipped(): pass
@pytest.mark.xfail(strict=True)
def test_expected(): assert False
@pytest.fixture
def broken(): raise OSError("no such thing")
def test_without(broken): pass
""",
            "test_others.py": """
import pytest
@pytest.mark.parametrize("n", range(30))
def test_n(n): pass
""",
        },
        "-rs",
        "--durations=0",
        "-vv",
    )
    assert "s setup    " in said
    assert "1 failed, 31 passed, 1 skipped, 1 xfailed, 1 error" in said
    assert "AssertionError: a reason" in said
    assert "no such thing" in said
    assert "not today" in said


def test_two_workers_share_the_modules_and_each_fixture_ends_where_it_began(
    tmp_path: Path,
) -> None:
    module = "def test_a(module_has): pass\ndef test_b(module_has): pass\n" + PROCESSES
    heavy = "import pytest\npytestmark = pytest.mark.needs('a browser')\n" + module
    files = {f"test_{n}.py": module for n in range(10)} | {
        f"test_h{n}.py": heavy for n in range(10)
    }
    assert "60 passed" in run(tmp_path, files)
    assert len(set((tmp_path / "processes").read_text().split())) == 2
    noted = sorted(line.split()[1:] for line in (tmp_path / "notes").read_text().splitlines())
    assert len(noted) == 40
    assert noted[::2] == noted[1::2], "each begun and ended in one process"


def test_whole_calls_have_workers_of_their_own_and_the_others_step_back(tmp_path: Path) -> None:
    module = """
import os
def note(name): print(os.getpid(), os.nice(0), file=open(name, "a"), flush=True)
"""
    calls = "import pytest\npytestmark = pytest.mark.whole_call\n" + module
    for name, text in (("call", calls), ("part", module)):
        tests = "".join(f"\ndef test_{n}(): note('{name}')\n" for n in range(6))
        (tmp_path / f"test_{name}.py").write_text(text + tests)
    with_calls = CONFTEST.replace("ForkedWorkers(2)", "ForkedWorkers(2, 2)")
    assert "12 passed" in run(tmp_path, {"conftest.py": with_calls})
    call, part = (
        {tuple(map(int, line.split())) for line in (tmp_path / name).read_text().splitlines()}
        for name in ("call", "part")
    )
    assert not {pid for pid, _ in call} & {pid for pid, _ in part}
    ours = os.nice(0)
    assert {nice for _, nice in call} == {ours}
    assert all(nice > ours for _, nice in part)


def test_what_a_test_prints_stands_with_that_test(tmp_path: Path) -> None:
    module = """
import os, pytest
@pytest.mark.parametrize("n", range(20))
def test_n(n):
    print(f"said {__name__} {n}", flush=True)
    os.write(1, f"wrote {__name__} {n}\\n".encode())
    assert n != 13
"""
    said = run(tmp_path, {"test_one.py": module, "test_two.py": module})
    assert "2 failed, 38 passed" in said
    for name in ("test_one", "test_two"):
        assert lines(said, f"said {name}", f"wrote {name}") == [
            f"said {name} 13",
            f"wrote {name} 13",
        ], said


def test_a_worker_that_ends_has_failed_its_test_and_the_rest_is_run(tmp_path: Path) -> None:
    module = "import os\ndef test_a(): pass\ndef test_b(): os._exit(0)\ndef test_c(): pass\n"
    said = run(tmp_path, {"test_one.py": module, "test_two.py": "def test_d(): pass\n"})
    assert "1 failed, 3 passed" in said
    assert "test_one.py::test_b" in said
    assert "the worker's process ended during this test" in said


def test_a_test_that_waits_for_ever_has_failed_and_the_rest_is_run(tmp_path: Path) -> None:
    waits = "import asyncio\ndef test_waits(): asyncio.run(asyncio.Event().wait())\n"
    files = {"test_one.py": waits + "def test_next(): pass\n"}
    said = run(tmp_path, files, "-p", "pytest_timeout", "--timeout", "0.2")
    assert "test_one.py::test_waits - Failed: Timeout" in said
    assert "1 failed, 1 passed" in said


def test_one_failure_is_enough_where_it_was_asked_for(tmp_path: Path) -> None:
    module = "import pytest\n@pytest.mark.parametrize('n', range(500))\ndef test_n(n): assert n\n"
    said = run(tmp_path, {"test_one.py": module}, "-x")
    assert "stopping after 1 failures" in said
    assert "1 failed in" in said or "1 failed, " in said
    assert "499 passed" not in said


def test_warnings_arrive(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        {"test_one.py": "import warnings\ndef test_a(): warnings.warn('mind this')\n"},
    )
    assert "1 passed, 1 warning" in said
    assert "mind this" in said


@pytest.mark.parametrize("broken", ["def test_a(: pass", "import nothing_of_this_name"])
def test_what_cannot_be_collected_is_no_success(tmp_path: Path, broken: str) -> None:
    said = run(tmp_path, {"test_one.py": broken, "test_two.py": "def test_b(): pass"})
    assert "1 error" in said
    assert "passed" not in said
