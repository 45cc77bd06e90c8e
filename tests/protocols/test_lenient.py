"""What is essential is strict, what refines is left out."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from gateway.protocols.lenient import convert_leniently


class Leaf(Struct):
    name: str
    size: int = 0


class Tree(Struct):
    leaf: Leaf
    leaves: list[Leaf] = []
    labels: dict[str, str] = {}
    spare: Leaf | None = None


GOOD: dict[str, Any] = {"leaf": {"name": "a", "size": 1}}


@pytest.mark.parametrize(
    ("odd", "read", "left_out"),
    [
        ({}, Tree(Leaf("a", 1)), ()),
        ({"leaf": {"name": "a", "size": None}}, Tree(Leaf("a")), ("leaf.size",)),
        ({"leaf": {"name": "a", "size": "2"}}, Tree(Leaf("a", 2)), ()),
        ({"leaves": 5}, Tree(Leaf("a", 1)), ("leaves",)),
        (
            {"leaves": [{"name": "b"}, {}, 7, {"name": "c"}]},
            Tree(Leaf("a", 1), [Leaf("b"), Leaf("c")]),
            ("leaves", "leaves"),
        ),
        (
            {"labels": {"x": "1", "y": 2, "z": None}},
            Tree(Leaf("a", 1), labels={"x": "1"}),
            ("labels",),
        ),
        ({"spare": {"size": 1}}, Tree(Leaf("a", 1)), ("spare",)),
    ],
)
def test_what_refines_is_left_out_and_named(
    odd: dict[str, Any], read: Tree, left_out: tuple[str, ...]
) -> None:
    assert convert_leniently(deepcopy(GOOD) | odd, Tree) == (read, left_out)


@pytest.mark.parametrize(
    "bad", [{}, {"leaf": None}, {"leaf": {"size": 1}}, {"leaf": {"name": 1}}, 5]
)
def test_what_is_essential_is_strict(bad: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        convert_leniently(bad, Tree)


def test_the_number_of_repairs_is_bounded() -> None:
    with pytest.raises(msgspec.ValidationError):
        convert_leniently(GOOD | {"leaves": [None] * 1000}, Tree)


def test_as_many_repairs_as_are_made() -> None:
    """Each of them reads the whole document once more."""
    for odd, is_read in ((16, True), (17, False)):
        document = deepcopy(GOOD) | {"leaves": [None] * odd}
        if is_read:
            assert convert_leniently(document, Tree) == (Tree(Leaf("a", 1)), ("leaves",) * odd)
        else:
            with pytest.raises(msgspec.ValidationError):
                convert_leniently(document, Tree)
