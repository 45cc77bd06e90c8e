"""Placeholders for a call's facts in an agent's greeting and instructions: `{facts.name|there}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import AfterValidator

from gateway import limits

FACT_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_PLACEHOLDER: Final = re.compile(r"\{facts\.([A-Za-z][A-Za-z0-9_]{0,63})\|([^{}|]*)\}")
_MEANT: Final = re.compile(r"\{\s*(?:facts?|call)\b[^{}]{0,200}\}?", re.IGNORECASE)
"""What somebody meant as a placeholder; other braces are the writer's own."""
_BARE: Final = re.compile(r"\{facts\.([A-Za-z][A-Za-z0-9_]{0,63})\}")
_SPACES: Final = re.compile(r"[\s\x00-\x1f\x7f]+")


def _fillable(text: str) -> str:
    for found in _MEANT.finditer(text):
        written = found[0][:60]
        if _PLACEHOLDER.fullmatch(found[0]):
            continue
        bare = _BARE.fullmatch(found[0])
        if bare is not None:
            raise ValueError(
                f"{written} has no default: write {{facts.{bare[1]}|...}}, with what is said when "
                "the fact is missing"
            )
        raise ValueError(f"{written} is no placeholder: write {{facts.name|default}}")
    return text


Fillable = Annotated[str, AfterValidator(_fillable)]
"""Text in which `{facts.NAME|DEFAULT}` stands for a fact of the call."""


def has_placeholders(text: str) -> bool:
    return _PLACEHOLDER.search(text) is not None


def filled(text: str, facts: Mapping[str, str]) -> str:
    """Return a text with the call's facts in it, and the default of each that is missing.

    A fact comes from outside: it is one short line, without the quotes that end what is said word
    for word.
    """
    return _PLACEHOLDER.sub(lambda found: _plain(facts.get(found[1], "")) or found[2], text)


def _plain(fact: str) -> str:
    return _SPACES.sub(" ", fact).strip().replace('"', "'")[: limits.briefing.FILLED_MAX_CHARS]
