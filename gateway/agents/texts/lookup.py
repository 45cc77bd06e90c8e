"""Selection of the gateway's own sentences by the agent's language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeVar

T = TypeVar("T")
LANGUAGE_TAG: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
"""A tag of BCP 47, as far as its form goes."""


def in_language(texts: Mapping[str, T], tag: str) -> T:
    """Return the texts for a BCP 47 tag by its first part; English if there are none."""
    return texts.get(_primary(tag), texts["en"])


def same_language(tag: str, other: str) -> bool:
    """Return whether two tags name one language, of whatever country."""
    return _primary(tag) == _primary(other)


def _primary(tag: str) -> str:
    return tag.partition("-")[0].strip().lower()
