"""Change one place of the product at random, many times, and say how many changes the tests notice.

`make mutants` runs it. Mutants live in copies of the tree, so that the checkout is never changed.
The tests of the module's own test files run first, then the other tests that run the changed line
(`out/mutants/` has the map; `--map` makes it anew). A test that failed must fail a second time by
itself: on a busy machine a test may fail for a reason of its own, and that notices nothing. Where
only waiting too long showed a mutant, the word is `LATE`. A mutant that survives is printed as
file, line, and what was changed: look at each one.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import itertools
import json
import os
import random
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from changes import Mutant, mutants_of
from forked_pytest import exit_code
from line_map import COVERAGE, LineMap, make_map

ROOT = Path(__file__).parents[2]
MAP = ROOT / "out" / "mutants"
PACKAGES = ("call", "protocols", "audio", "transports", "bridge", "ops", "web")
START_MAX_S = 60.0
"""For a Python process to start and collect tests, on a machine that does other things."""
SLOWER = 6
"""How many times longer than in the map tests may take."""
TESTS_MAX_S = 150.0
"""Seconds of tests that are run for one mutant, by the map's clock, unless others are asked for."""
OTHERS_OF_OWN_MAX_S = 20.0
"""Seconds of tests of the module's own files that do not run the line, as far as the map knows."""

NOTICED, LATE, SURVIVED = "noticed", "LATE", "SURVIVED"


@dataclass(frozen=True)
class Failure:
    """The test that failed first, and whether all it saw was that something did not come."""

    test: str
    late: bool


@dataclass(frozen=True)
class Result:
    """What became of one mutant."""

    mutant: Mutant
    word: str
    test: str = ""

    def __str__(self) -> str:
        m = self.mutant
        by = f"  [{self.test}]" if self.test else ""
        return f"{self.word:8} {m.file.relative_to(ROOT)}:{m.line}: {m.was!r} -> {m.text!r}{by}"


def tests_for(mutant: Mutant, lines: LineMap, max_s: float) -> tuple[list[str], list[str]]:
    """Return the tests of the module's own test files, and the others, the nearest first.

    Of the others for at most `max_s`, by the map's clock.
    """
    name = str(mutant.file.relative_to(ROOT))
    mirrored = name.replace("gateway/", "tests/", 1).removesuffix(".py")
    folder, _, module = mirrored.rpartition("/")
    # What runs at import may be used anywhere: any test of the file may notice it.
    found = lines.tests(mutant.file, name, mutant.lines if mutant.in_function else None)
    found = found or lines.beginning("/".join(mirrored.split("/")[:2]) + "/")
    near = sorted(ROOT.glob(f"{folder}/test_{module}.py"))
    near += sorted(ROOT.glob(f"{folder}/test_{module}_*.py"))
    own = [test for file in near for test in _own_tests(file, lines, set(found))]
    own += _own_cheap(near, lines, set(own))
    others = set(found) - set(own)
    files = {test.partition("::")[0] for test in others}
    shared = {file: _folders_shared(file, folder) for file in files}
    costs = {file: sum(lines.seconds[t] for t in others if t.startswith(file)) for file in files}
    in_order: list[str] = []
    left_s = max_s
    for file in sorted(files, key=lambda name: (-shared[name], costs[name])):
        for test in sorted(t for t in others if t.startswith(f"{file}::")):
            if (left_s := left_s - lines.seconds[test]) < 0:
                return own, in_order
            in_order.append(test)
    return own, in_order


def _folders_shared(file: str, folder: str) -> int:
    """Return how many folders, from the root, a test file has in common with a folder."""
    pairs = zip(file.split("/"), folder.split("/"), strict=False)
    return len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)))


def _own_tests(file: Path, lines: LineMap, found: set[str]) -> list[str]:
    """Return the tests of a file that run the line; the file itself if changed since the map."""
    name = str(file.relative_to(ROOT))
    if not lines.is_known(file, name):
        return [name]
    return [test for test in lines.beginning(f"{name}::") if test in found]


def _own_cheap(near: list[Path], lines: LineMap, chosen: set[str]) -> list[str]:
    """Return the other tests of the own files, for at most OTHERS_OF_OWN_MAX_S, the cheapest first.

    What a test module asks for when it is collected, the map has of no test.
    """
    names = [f"{file.relative_to(ROOT)}::" for file in near]
    left = {test for name in names for test in lines.beginning(name)} - chosen
    taken, left_s = [], OTHERS_OF_OWN_MAX_S
    for test in sorted(left, key=lambda test: (lines.seconds[test], test)):
        if (left_s := left_s - lines.seconds[test]) < 0:
            break
        taken.append(test)
    return taken


class Copy:
    """One copy of the tree, in which mutants are tried one after the other."""

    def __init__(self, folder: Path, lines: LineMap, max_s: float) -> None:
        self._tree, self._lines, self._folder = folder / "tree", lines, folder
        self._max_s = max_s
        copied(self._tree)

    def tried(self, mutant: Mutant) -> Result:
        """Return what the tests say of a mutant."""
        target = self._tree / mutant.file.relative_to(ROOT)
        source, stat = mutant.file.read_bytes(), mutant.file.stat()
        target.write_bytes(source[: mutant.start] + mutant.text.encode() + source[mutant.end :])
        try:
            for tests in tests_for(mutant, self._lines, self._max_s):
                if failure := self._confirmed(tests):
                    return Result(mutant, LATE if failure.late else NOTICED, failure.test)
            return Result(mutant, SURVIVED)
        finally:
            target.write_bytes(source)
            os.utime(target, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # its bytecode is good again

    def _confirmed(self, tests: list[str]) -> Failure | None:
        """Return the first test that fails both among the others and by itself."""
        while tests and (first := self._failure(tests)):
            if again := self._failure([first.test]):
                return again
            nth = next((n for n, test in enumerate(tests) if test == first.test), len(tests))
            tests = tests[nth + 1 :]
        return None

    def _failure(self, tests: list[str]) -> Failure | None:
        listed, report = self._folder / "tests", self._folder / "report"
        report.unlink(missing_ok=True)
        listed.write_text("\n".join(tests), "utf-8")
        files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
        files = [file for file in files if (self._tree / file).exists()]
        if not files:
            return None
        seconds = [self._lines.seconds.get(test, 5.0) for test in tests]
        arguments = [*files, "-x", "-p", "no:cacheprovider", "-p", "chosen_tests"]
        environment = {
            "PYTHONPATH": f"{self._tree}:{Path(__file__).parent}",
            "MUTANT_TESTS": str(listed),
            "MUTANT_REPORT": str(report),
            "MUTANT_TEST_MAX_S": str(20 + SLOWER * max(seconds)),
        }
        limit_s = START_MAX_S + SLOWER * sum(seconds)
        code = exit_code(arguments, self._tree, environment, limit_s)
        if code in (0, 5):  # 5: nothing to run
            return None
        return _read(report)


def _read(report: Path) -> Failure:
    """Return which test failed; the one that was running if the process was ended."""
    began = ""
    for line in report.read_text("utf-8").splitlines() if report.exists() else ():
        entry = json.loads(line)
        if entry["outcome"] == "failed":
            return Failure(entry["test"], entry["late"])
        if entry["outcome"] == "began":
            began = entry["test"]
    return Failure(began, late=bool(began))


def copied(to: Path) -> Path:
    """Copy what tests need of the tree."""
    ignored = shutil.ignore_patterns(".git", ".venv", "out", ".*_cache", "*.egg-info")
    shutil.copytree(ROOT, to, symlinks=True, ignore=ignored)
    return to


def drawn(asked: argparse.Namespace, seed: int) -> list[Mutant]:
    """Return the mutants to try: of the lines that were asked for, or at random."""
    files = [file for name in asked.packages for file in (ROOT / "gateway" / name).rglob("*.py")]
    every = [mutant for file in sorted(files) for mutant in mutants_of(file)]
    if asked.at:
        return [m for m in every if f"{m.file.relative_to(ROOT)}:{m.line}" in asked.at]
    chosen = random.Random(seed).sample(every, min(asked.count, len(every)))
    print(f"{len(chosen)} of {len(every)} mutants, seed {seed}", flush=True)
    return chosen


def main() -> int:
    """Print survivors and the share that was noticed; fail below the share that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None, help="to have the same mutants again")
    parser.add_argument("--at", nargs="+", metavar="FILE:LINE", help="every mutant of these lines")
    parser.add_argument("--packages", nargs="+", default=list(PACKAGES), choices=PACKAGES)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--tests-max-s", type=float, default=TESTS_MAX_S, metavar="SECONDS")
    parser.add_argument("--least", type=float, default=0.95)
    parser.add_argument("--map", action="store_true", help="run the tests once for a new map")
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(1 << 32)
    chosen = drawn(asked, seed)
    with tempfile.TemporaryDirectory() as folder:
        if asked.map or not (MAP / COVERAGE).exists():
            make_map(copied(Path(folder) / "map"), MAP, PACKAGES, asked.at_once)
        lines = LineMap(MAP)
        free = [
            Copy(Path(folder) / str(nth), lines, asked.tests_max_s) for nth in range(asked.at_once)
        ]

        def tried(mutant: Mutant) -> Result:
            copy = free.pop()
            try:
                return copy.tried(mutant)
            finally:
                free.append(copy)

        results = []
        with concurrent.futures.ThreadPoolExecutor(asked.at_once) as pool:
            for result in pool.map(tried, chosen):
                results.append(result.word)
                print(result, flush=True)
    noticed = len(results) - results.count(SURVIVED)
    print(f"{noticed} of {len(results)} noticed, {results.count(LATE)} only by a wait")
    return 0 if noticed >= asked.least * len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
