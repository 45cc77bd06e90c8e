"""Which of our own sentences a caller gets: those of his agent's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


def in_language(texts: Mapping[str, T], tag: str) -> T:
    """Those for a BCP 47 tag, by its first part; English where there are none."""
    return texts.get(tag.partition("-")[0].strip().lower(), texts["en"])
