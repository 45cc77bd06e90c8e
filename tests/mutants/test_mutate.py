"""Mutants are changes of what runs, and each is one place."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import mutate


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("if a < b: pass", [("a < b", "(a <= b)")]),
        ("x = a and b", [("a and b", "(a or b)")]),
        ("x = not a", [("not a", "(a)")]),
        ("x = 3", [("3", "4")]),
        ("x = True", [("True", "False")]),
        ("f(1)", [("f(1)", "None"), ("1", "2")]),
        ("x: int = 1", [("1", "2")]),
        ("é = 'ü'; y = 2", [("2", "3")]),
        ('"""Docs."""', []),
        ("log.info('a', b=1)", []),
        ("import a", []),
    ],
)
def test_what_is_changed(tmp_path: Path, source: str, changes: list[tuple[str, str]]) -> None:
    file = tmp_path / "m.py"
    file.write_text(source, "utf-8")
    mutants = list(mutate.mutants_of(file))
    assert sorted((m.was, m.text) for m in mutants) == sorted(changes)
    raw = source.encode()
    for mutant in mutants:
        assert raw[mutant.start : mutant.end].decode() == mutant.was
