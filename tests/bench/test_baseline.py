"""A rise of more than 3 % fails, where the environment allows a comparison."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench import baseline
from bench.__main__ import judge
from bench.baseline import REFERENCE, Baseline, Environment, compare

_HERE = Environment("3.11.7", "x86_64", "3.19.0")
_BEFORE = Baseline(_HERE, {"pcm24k": 10e6, "pcmu": 4e6, REFERENCE: 11e6})


def _now(**counts: float) -> dict[str, float]:
    return dict(_BEFORE.instructions) | counts


@pytest.mark.parametrize(("now", "too_much"), [(10.29e6, False), (10.31e6, True), (5e6, False)])
def test_a_rise_is_judged_by_the_limit(now: float, too_much: bool) -> None:
    changes = compare([_BEFORE], _HERE, _now(pcm24k=now))
    assert changes is not None
    assert [change.too_much for change in changes] == [too_much, False]


def test_the_sentence_has_both_numbers_and_the_limit() -> None:
    changes = compare([_BEFORE], _HERE, _now(pcm24k=10.5e6))
    assert changes is not None
    assert str(changes[0]) == (
        "pcm24k: +5.0%, from 10.00 to 10.50 million instructions per call-second; "
        "at most +3% is allowed."
    )
    assert str(changes[1]) == (
        "pcmu: +0.0%, from 4.00 to 4.00 million instructions per call-second."
    )


@pytest.mark.parametrize("other", [{"python": "3.11.14"}, {"valgrind": "3.24.0"}])
def test_a_build_whose_reference_is_the_same_is_compared(other: dict[str, str]) -> None:
    where = replace(_HERE, **other)
    changes = compare([_BEFORE], where, _now(pcmu=4.2e6) | {REFERENCE: 11.1e6})
    assert changes is not None
    assert [change.too_much for change in changes] == [False, True]


def test_a_build_with_another_reference_is_not_compared() -> None:
    """A build that needs a tenth more for everything has not made the gateway slower."""
    slower = {name: 1.1 * count for name, count in _BEFORE.instructions.items()}
    assert compare([_BEFORE], _HERE, slower) is None


def test_the_baseline_with_the_closest_reference_is_taken() -> None:
    near = Baseline(replace(_HERE, python="3.11.2"), _now(pcm24k=9e6) | {REFERENCE: 10.9e6})
    changes = compare([_BEFORE, near], _HERE, _now(pcm24k=9e6) | {REFERENCE: 10.91e6})
    assert changes is not None
    assert changes[0].before == 9e6


@pytest.mark.parametrize("other", [{"python": "3.13.1"}, {"machine": "aarch64"}])
def test_another_python_or_machine_has_no_baseline(other: dict[str, str]) -> None:
    assert compare([_BEFORE], replace(_HERE, **other), _now()) is None
    assert compare([], _HERE, _now()) is None


@pytest.mark.parametrize(("now", "fine"), [(9e6, True), (10.5e6, False)])
def test_the_command_says_how_it_ends(
    now: float, fine: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judge([_BEFORE], _HERE, _now(pcm24k=now)) is fine
    printed = capsys.readouterr().out
    assert f"from 10.00 to {now / 1e6:.2f} million" in printed
    assert "pcmu: +0.0%" in printed


def test_the_command_passes_without_a_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    assert judge([], _HERE, _now())
    printed = capsys.readouterr().out
    assert "pcm24k: 10.00 million, 0.909 times it" in printed
    assert "no baseline for this build of Python 3.11 on x86_64" in printed


def test_the_baseline_of_the_same_environment_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "baseline.json"
    assert baseline.read(file) == []
    newer = Baseline(replace(_HERE, python="3.13.1"), _now())
    later = Baseline(_HERE, _now(pcmu=3e6))
    for one in (_BEFORE, newer, later):
        baseline.write(one, file)
    assert baseline.read(file) == [newer, later]


def test_the_committed_baseline_can_be_compared_with() -> None:
    for one in baseline.read():
        changes = compare([one], one.environment, one.instructions)
        assert changes is not None
        assert {change.name for change in changes} == {"pcm24k", "pcmu"}
