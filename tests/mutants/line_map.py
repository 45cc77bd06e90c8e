"""Map from each line of the product to the tests that run it, and how long each of them takes.

Made once by `make_map`, with one run of the tests under `coverage`; kept in `out/mutants/` with the
sources of that time, so that it serves after edits too: lines are found again by their text.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from difflib import SequenceMatcher
from pathlib import Path

from coverage import CoverageData

LEFT_OUT = ("tests/e2e", "tests/faults", "tests/docs", "tests/k8s", "tests/form", "tests/bench")
"""Whole calls with processes of their own, which no map sees, and tests of other things."""
COVERAGE, REPORT, SOURCES = "lines.coverage", "tests.jsonl", "sources"


def make_map(tree: Path, folder: Path, packages: Iterable[str], at_once: int) -> None:
    """Run the tests of a tree once, and leave the map in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (COVERAGE, REPORT):
        (folder / name).unlink(missing_ok=True)
    config = folder / "map.ini"
    sources = "\n    ".join(f"gateway/{name}" for name in packages)
    config.write_text(
        f"[run]\nsource =\n    {sources}\nrelative_files = true\nconcurrency = thread\n"
        f"data_file = {folder / COVERAGE}\n"
    )
    here = str(Path(__file__).parent)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "chosen_tests"]
    command += [f"--ignore={name}" for name in LEFT_OUT]
    command += ["-n", str(at_once), "--dist", "worksteal", "--cov", f"--cov-config={config}"]
    command += ["--cov-context=test", "--cov-report="]
    environment = {
        **os.environ,
        "PYTHONPATH": f"{tree}:{here}",
        "MUTANT_REPORT": str(folder / REPORT),
    }
    subprocess.run(command, cwd=tree, env=environment, check=False)
    shutil.rmtree(folder / SOURCES, ignore_errors=True)
    for name in ("gateway", "tests"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(tree / name, folder / SOURCES / name, ignore=ignored)


class LineMap:
    """Which tests run a line, and the seconds that each takes."""

    def __init__(self, folder: Path) -> None:
        self._sources = folder / SOURCES
        self._data = CoverageData(str(folder / COVERAGE))
        self._data.read()
        self._files = {_relative(name): name for name in self._data.measured_files()}
        self.seconds: dict[str, float] = defaultdict(float)
        self._failed: set[str] = set()
        for line in (folder / REPORT).read_text("utf-8").splitlines():
            entry = json.loads(line)
            self.seconds[entry["test"]] += entry.get("seconds", 0.0)
            if entry["outcome"] == "failed":
                self._failed.add(entry["test"])

    def tests(self, file: Path, name: str, lines: Iterable[int] | None) -> list[str]:
        """Return the tests that run one of the lines of a file, or any line of it.

        `name` is its path in the tree. Lines that are newer than the map count as any line.
        """
        if name not in self._files:
            return []
        by_line = self._data.contexts_by_lineno(self._files[name])
        then = self._then(file, name, lines) if lines is not None else []
        wanted = then or by_line
        names = {context for line in wanted for context in by_line.get(line, ()) if context}
        found = {name.rpartition("|")[0] for name in names}
        return sorted(found - self._failed)

    def _then(self, file: Path, name: str, lines: Iterable[int]) -> list[int]:
        """Return the numbers that lines had when the map was made."""
        before = (self._sources / name).read_text("utf-8").splitlines()
        now = file.read_text("utf-8").splitlines()
        numbers: dict[int, int] = {}
        for block in SequenceMatcher(None, now, before, autojunk=False).get_matching_blocks():
            numbers |= {block.a + nth + 1: block.b + nth + 1 for nth in range(block.size)}
        return [numbers[line] for line in lines if line in numbers]

    def is_known(self, file: Path, name: str) -> bool:
        """Return whether a file of tests is what it was when the map was made."""
        then = self._sources / name
        return then.exists() and then.read_bytes() == file.read_bytes()

    def beginning(self, prefix: str) -> list[str]:
        """Return every test whose id begins in a way, as with its folder or its file."""
        return sorted(
            test for test in self.seconds if test.startswith(prefix) and test not in self._failed
        )


def _relative(name: str) -> str:
    _, found, rest = name.rpartition("/gateway/")
    return f"gateway/{rest}" if found else name
