"""Selection of the gateway's own sentences by the agent's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


def in_language(texts: Mapping[str, T], tag: str) -> T:
    """Return the texts for a BCP 47 tag by its first part; English if there are none."""
    return texts.get(tag.partition("-")[0].strip().lower(), texts["en"])
