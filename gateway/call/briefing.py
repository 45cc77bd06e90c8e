"""Briefing of a call: what an agent learns about this one call from outside, as data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gateway import limits
from gateway.agents.config.placeholders import FACT_NAME


class Briefing(msgspec.Struct, frozen=True, array_like=True):
    """Facts and purpose of one call; fields are only added at the end, as in a snapshot."""

    about: str = ""
    """What the call is for, as whoever ordered it wrote it."""
    facts: dict[str, str] = {}
    """Named facts, each as text."""
    notes: str = ""
    """Facts as a text."""
    greeting: str = ""
    """Said in place of the agent's."""
    language: str = ""
    """The caller's, a tag of BCP 47."""

    @property
    def empty(self) -> bool:
        return self == NO_BRIEFING

    @property
    def has_facts(self) -> bool:
        """Whether there is anything that a session is told."""
        return bool(self.about or self.facts or self.notes or self.language)

    def joined(self, later: Briefing) -> Briefing:
        """Return both together; where they differ the later one holds."""
        return Briefing(
            later.about or self.about,
            self.facts | later.facts,
            later.notes or self.notes,
            later.greeting or self.greeting,
            later.language or self.language,
        )


NO_BRIEFING: Final = Briefing()


def briefing_of(about: str, facts: Mapping[str, Any]) -> tuple[Briefing, list[str]]:
    """Return what of it can be told, and a sentence for each thing that cannot."""
    problems: list[str] = []
    if len(about) > limits.briefing.ABOUT_MAX_CHARS:
        problems.append(f"about may have {limits.briefing.ABOUT_MAX_CHARS} characters.")
        about = ""
    kept: dict[str, str] = {}
    left = limits.briefing.FACTS_MAX_CHARS
    for name, value in facts.items():
        try:
            text = _fact(name, value, left, len(kept))
        except ValueError as error:
            # A name may be anything: a function of the operator's has made it.
            problems.append(f"facts: {encodable(str(name))[:_SHOWN_MAX_CHARS]} {error}.")
        else:
            kept[name] = text
            left -= len(name) + len(text)
    return Briefing(encodable(about.strip()), kept), problems


def _fact(name: Any, value: Any, left: int, known: int) -> str:
    """Return a fact as text. Raises ValueError with what is wrong with it."""
    if not isinstance(name, str) or not FACT_NAME.fullmatch(name):
        raise ValueError("is no name: letters, digits and _, a letter first")
    text = as_text(value)
    if len(text) > limits.briefing.FACT_VALUE_MAX_CHARS:
        raise ValueError(f"may have {limits.briefing.FACT_VALUE_MAX_CHARS} characters")
    if known >= limits.briefing.FACTS_MAX or len(name) + len(text) > left:
        raise ValueError(
            f"is one too many: {limits.briefing.FACTS_MAX} facts and "
            f"{limits.briefing.FACTS_MAX_CHARS} characters in all"
        )
    return text


_SHOWN_MAX_CHARS: Final = 40


def as_text(value: Any) -> str:
    """Return a fact as text: words as they are, everything else as JSON.

    Raises ValueError for what is no JSON.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return encodable(value)
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        text = _plain_json(value)
    # Dates and decimals are texts in JSON.
    return str(json.loads(text)) if text.startswith('"') else text


def _plain_json(value: Any) -> str:
    """Return JSON that has what `msgspec` refuses: long numbers, and half characters replaced."""
    try:
        return encodable(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    except (TypeError, ValueError, RecursionError):
        raise ValueError("cannot be written as JSON") from None


def encodable(text: str) -> str:
    """Return text that UTF-8 can encode: JSON has half characters, which would end the call."""
    return text.encode("utf-8", "replace").decode()
