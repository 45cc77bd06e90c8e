"""Change one place of the product at random, many times, and say how many changes the tests notice.

`make mutants` runs it. Each mutant lives in a copy of the tree, so that the checkout is never
changed; the tests nearest to the changed module run first, then those of the packages that use it.
A mutant that survives is printed as file, line, and what was changed: look at each one.
"""

from __future__ import annotations

import argparse
import ast
import concurrent.futures
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("call", "protocols", "audio", "transports", "bridge", "ops", "web")
USERS = {
    "call": ("call", "bridge"),
    "protocols": ("protocols", "call", "bridge", "web"),
    "audio": ("audio", "call", "bridge"),
    "transports": ("transports", "bridge", "web"),
    "bridge": ("bridge", "web"),
    "ops": ("ops", "bridge", "web"),
    "web": ("web",),
}
"""Which folders of tests can notice a change in a package, the nearest first."""
TESTS_MAX_S = 240
COMPARISONS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One changed place: characters `start` to `end` of `file` become `text`."""

    file: Path
    line: int
    start: int
    end: int
    text: str
    was: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line}: {self.was!r} -> {self.text!r}"


def mutants_of(file: Path) -> Iterator[Mutant]:
    """Yield every change that can be made in a module, docstrings and annotations left out."""
    source = file.read_text("utf-8")
    tree = ast.parse(source)
    starts = [0]
    for text in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(text.encode()))
    raw = source.encode()

    def span(node: ast.expr) -> tuple[int, int]:
        end_line, end_col = node.end_lineno or node.lineno, node.end_col_offset or 0
        return starts[node.lineno - 1] + node.col_offset, starts[end_line - 1] + end_col

    def changed(node: ast.expr, text: str) -> Mutant:
        start, end = span(node)
        return Mutant(file, node.lineno, start, end, text, raw[start:end].decode())

    for node in _run_time_nodes(tree):
        match node:
            case ast.Compare(ops=[operator]) if type(operator) in COMPARISONS:
                other = ast.Compare(node.left, [COMPARISONS[type(operator)]()], node.comparators)
                yield changed(node, f"({ast.unparse(other)})")
            case ast.BoolOp():
                other_op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
                yield changed(node, f"({ast.unparse(ast.BoolOp(other_op, node.values))})")
            case ast.UnaryOp(op=ast.Not()):
                yield changed(node, f"({ast.unparse(node.operand)})")
            case ast.Constant(value=bool()):
                yield changed(node, str(not node.value))
            case ast.Constant(value=int() | float()):
                yield changed(node, repr(node.value + 1))
            case ast.Expr(value=ast.Call() as call):
                yield changed(call, "None")
            case ast.Expr(value=ast.Await(value=ast.Call()) as waited):
                yield changed(waited, "None")


def _run_time_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield nodes that are evaluated when a call runs: no annotations, no docstrings, no logs."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Import | ast.ImportFrom | ast.arguments):
            continue
        if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
            continue
        if isinstance(child, ast.Expr) and ast.unparse(child).startswith(("log.", "self._log.")):
            continue
        if isinstance(child, ast.AnnAssign):
            if child.value is not None:
                yield child.value
                yield from _run_time_nodes(child.value)
            continue
        yield child
        yield from _run_time_nodes(child)


def noticed(mutant: Mutant, tree: Path, python: str) -> bool:
    """Whether the tests fail, or do not end, with the mutant in the copy of the tree."""
    target = tree / mutant.file.relative_to(ROOT)
    source = mutant.file.read_bytes()
    target.write_bytes(source[: mutant.start] + mutant.text.encode() + source[mutant.end :])
    package = mutant.file.relative_to(ROOT / "gateway").parts[0]
    try:
        return any(not _green(tree, folder, python) for folder in _folders(mutant.file, package))
    finally:
        target.write_bytes(source)


def _folders(file: Path, package: str) -> list[str]:
    """Folders of tests, the mirrored one first, none of them twice."""
    near = str(Path("tests") / file.relative_to(ROOT / "gateway").parent)
    wide = [f"tests/{name}" for name in USERS[package]]
    return [near, *(name for name in wide if name != near)] if (ROOT / near).exists() else wide


def _green(tree: Path, folder: str, python: str) -> bool:
    command = [python, "-m", "pytest", folder, "-x", "-q", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command,
            cwd=tree,
            env=environment,
            capture_output=True,
            timeout=TESTS_MAX_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def main() -> int:
    """Print survivors and the share that was noticed; fail below the share that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None, help="to have the same mutants again")
    parser.add_argument("--packages", nargs="+", default=list(PACKAGES), choices=PACKAGES)
    parser.add_argument("--at-once", type=int, default=2)
    parser.add_argument("--least", type=float, default=0.95)
    asked = parser.parse_args()
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(1 << 32)
    files = [file for name in asked.packages for file in (ROOT / "gateway" / name).rglob("*.py")]
    every = [mutant for file in sorted(files) for mutant in mutants_of(file)]
    chosen = random.Random(seed).sample(every, min(asked.count, len(every)))
    print(f"{len(chosen)} of {len(every)} mutants, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        trees = [_copy(Path(folder) / str(nth)) for nth in range(asked.at_once)]
        with concurrent.futures.ThreadPoolExecutor(asked.at_once) as pool:
            free = list(trees)

            def tried(mutant: Mutant) -> tuple[Mutant, bool]:
                tree = free.pop()
                try:
                    return mutant, noticed(mutant, tree, sys.executable)
                finally:
                    free.append(tree)

            results = []
            for mutant, was_noticed in pool.map(tried, chosen):
                results.append(was_noticed)
                print(f"{'noticed ' if was_noticed else 'SURVIVED'} {mutant}", flush=True)
    share = sum(results) / len(results)
    print(f"{sum(results)} of {len(results)} noticed ({share:.0%})")
    return 0 if share >= asked.least else 1


def _copy(to: Path) -> Path:
    ignored = shutil.ignore_patterns(
        ".git", ".venv", "out", "__pycache__", ".*_cache", "*.egg-info"
    )
    shutil.copytree(ROOT, to, symlinks=True, ignore=ignored)
    return to


if __name__ == "__main__":
    sys.exit(main())
