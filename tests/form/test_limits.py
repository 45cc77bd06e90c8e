"""Every bound in `gateway/limits` bounds something."""

from __future__ import annotations

import re
from pathlib import Path

GATEWAY = Path(__file__).parents[2] / "gateway"
_DEFINED = re.compile(r"^([A-Z][A-Z0-9_]+)(?:: [^=]+)? = ", re.MULTILINE)
_WORD = re.compile(r"\b[A-Z][A-Z0-9_]+\b")


def test_no_bound_is_left_over() -> None:
    used: dict[str, int] = {}
    for file in GATEWAY.rglob("*.py"):
        for word in _WORD.findall(file.read_text("utf-8")):
            used[word] = used.get(word, 0) + 1
    bounds = [
        name
        for file in (GATEWAY / "limits").glob("*.py")
        for name in _DEFINED.findall(file.read_text("utf-8"))
    ]
    assert len(bounds) > 300
    assert [name for name in bounds if used[name] < 2] == []
