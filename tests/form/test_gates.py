"""Each gate finds the break that it is for, and coverage floors only rise."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import coverage_floor
import gates


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty product for the gates to look at; they are a command, so their root is a global."""
    (tmp_path / "gateway").mkdir()
    (tmp_path / "tests").mkdir()
    monkeypatch.setattr(gates, "ROOT", tmp_path)
    gates.modules.cache_clear()
    gates.classes.cache_clear()
    return tmp_path


@pytest.fixture(autouse=True)
def _fresh() -> None:
    gates.modules.cache_clear()
    gates.classes.cache_clear()


def test_a_third_class_in_a_row_is_too_deep(tree: Path) -> None:
    (tree / "gateway" / "a.py").write_text("class A: ...\nclass B(A): ...\nclass C(B): ...\n")
    assert [s.split(": ")[1] for s in gates.too_deep()] == [
        "C is 3 classes of ours deep; compose it."
    ]


def test_a_reason_in_the_docstring_allows_depth(tree: Path) -> None:
    source = 'class A: ...\nclass B(A): ...\nclass C(B):\n    """Inherits since it is a B."""\n'
    (tree / "gateway" / "a.py").write_text(source)
    assert not list(gates.too_deep())


def test_methods_and_modules_are_counted(tree: Path) -> None:
    methods = "\n".join(f"    def m{n}(self): ..." for n in range(gates.METHODS_MAX + 1))
    (tree / "gateway" / "a.py").write_text(f"class A:\n{methods}\n")
    for n in range(gates.MODULES_MAX):
        (tree / "gateway" / f"m{n}.py").write_text("")
    assert len(list(gates.too_many_methods())) == 1
    assert len(list(gates.too_many_modules())) == 1


def test_one_name_for_two_classes_is_found_but_not_private_ones(tree: Path) -> None:
    (tree / "gateway" / "a.py").write_text("class A: ...\nclass _B: ...\n")
    (tree / "gateway" / "b.py").write_text("class A: ...\nclass _B: ...\n")
    assert [s.split(" ")[0] for s in gates.repeated_names()] == ["A"]


@pytest.mark.parametrize(("first", "found"), [("It", 1), ("What", 1), ("Return", 0), ("Item", 0)])
def test_a_docstring_begins_with_a_verb_or_a_noun(tree: Path, first: str, found: int) -> None:
    (tree / "gateway" / "a.py").write_text(f'def f():\n    """{first} is said."""\n')
    assert len(list(gates.pronouns_first())) == found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("the mind of a call", 1),
        ("the next rung", 1),
        ("transfer to the front desk", 0),
        ("never mind", 0),
        ("a doorbell", 0),
    ],
)
def test_words_of_the_old_vocabulary_are_told_from_ordinary_ones(line: str, found: int) -> None:
    assert len(gates.OLD_WORDS.findall(gates.ORDINARY.sub("", line))) == found


def test_a_module_without_tests_is_named(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = tree / "ratchet.json"
    listed.write_text('{"untested": ["gateway/b.py", "gateway/c.py"]}')
    monkeypatch.setattr(gates, "RATCHET", listed)
    (tree / "gateway" / "a.py").write_text("")
    (tree / "gateway" / "c.py").write_text("")
    (tree / "gateway" / "b.py").write_text("")
    (tree / "tests" / "test_b.py").write_text("")
    assert list(gates.untested_modules()) == [
        "gateway/a.py has no tests/test_a.py.",
        "gateway/b.py has tests now, or is gone: take it off the list in ratchet.json.",
    ]


def test_coverage_below_its_floor_is_one_sentence() -> None:
    assert coverage_floor.below({"a.py": 90, "b.py": 80, "c.py": 70}, {"a.py": 91, "b.py": 80}) == [
        "a.py: 90 % of the lines are covered, 91 % were.",
        "c.py: 70 % of the lines are covered, 85 % were.",
    ]


def test_floors_only_rise() -> None:
    found = {"a.py": 95, "b.py": 80}
    assert coverage_floor.raised(found, {"a.py": 90, "b.py": 85, "gone.py": 50}) == {
        "a.py": 93,
        "b.py": 85,
    }


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from gateway import limits\nm.setattr(limits.call, 'A_S', 1)\n", 1),
        ("import gateway.app\nm.setattr(gateway.app, 'build', f)\n", 1),
        ("m.setattr('gateway.app.build', f)\n", 1),
        ("rig.gateway.registry._table\n", 1),
        ("import os\nm.setattr(os, 'getpid', f)\n", 0),
        ("rig.gateway.registry.calls\nmetrics.registry._names\n", 0),
    ],
)
def test_tests_that_patch_the_product_are_found(tree: Path, source: str, found: int) -> None:
    (tree / "tests" / "test_a.py").write_text(source)
    assert len(list(gates.patched_product())) == found
