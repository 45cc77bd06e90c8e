"""What stands for the interpreter is one for all that a caller can see."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from warm_python import warm_python

SHOWS = """
import json, os, sys
print(json.dumps([sys.argv, os.getcwd(), dict(os.environ), __name__, "numpy" in sys.modules]))
print(sys.stdin.read(), file=sys.stderr)
sys.exit(3)
"""
WAITS = """
import sys, time
try:
    print("waiting", flush=True)
    time.sleep(60)
finally:
    print("over", flush=True)
"""


@pytest.fixture
def module(tmp_path: Path) -> list[str]:
    return [warm_python(), "-m", "told"]


def written(folder: Path, source: str) -> Path:
    (folder / "told.py").write_text(source)
    return folder


def test_it_runs_a_module_with_what_it_was_given(tmp_path: Path, module: list[str]) -> None:
    environ = {"PATH": "/bin", "KEY": "a=b"}
    done = subprocess.run(
        [*module, "an", "option"],
        input="words",
        capture_output=True,
        text=True,
        cwd=written(tmp_path, SHOWS),
        env=environ,
        check=False,
    )
    arguments, folder, seen, name, warm = json.loads(done.stdout)
    assert arguments[1:] == ["an", "option"]
    assert (folder, name, warm) == (str(tmp_path), "__main__", True)
    assert {key: seen[key] for key in environ} == environ
    assert done.stderr == "words\n"
    assert done.returncode == 3


def test_what_is_raised_is_said_and_is_its_status(tmp_path: Path, module: list[str]) -> None:
    folder = written(tmp_path, "raise ValueError('of ours')")
    done = subprocess.run(module, capture_output=True, text=True, cwd=folder, check=False)
    assert done.stderr.splitlines()[-1] == "ValueError: of ours"
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [(signal.SIGINT, 1, "over\n"), (signal.SIGTERM, -signal.SIGTERM, "")],
)
def test_a_signal_goes_on_to_it(
    tmp_path: Path, module: list[str], number: signal.Signals, status: int, said: str
) -> None:
    with subprocess.Popen(
        module, cwd=written(tmp_path, WAITS), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"waiting\n"
        process.send_signal(number)
        assert process.stdout.read().decode() == said
    assert process.returncode in (status, -number)


def test_it_ends_with_what_stands_for_it(tmp_path: Path, module: list[str]) -> None:
    with subprocess.Popen(module, cwd=written(tmp_path, WAITS), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"waiting\n"
        process.kill()
        assert process.stdout.read() == b""  # it was killed: nobody holds the other end any more
    assert process.returncode == -signal.SIGKILL


def test_only_modules_are_run() -> None:
    done = subprocess.run([warm_python(), "-c", "1"], capture_output=True, text=True, check=False)
    assert "AssertionError" in done.stderr
    assert done.returncode == 1
    assert sys.executable != warm_python()
