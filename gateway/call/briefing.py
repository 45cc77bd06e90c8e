"""Briefing of a call: what an agent learns about this one call from outside, as data."""

from __future__ import annotations

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
        problem = None if FACT_NAME.fullmatch(name) else _NO_NAME
        text = as_text(value)
        if problem is None and len(text) > limits.briefing.FACT_VALUE_MAX_CHARS:
            problem = f"may have {limits.briefing.FACT_VALUE_MAX_CHARS} characters"
        left -= len(name) + len(text)
        if problem is None and (len(kept) >= limits.briefing.FACTS_MAX or left < 0):
            problem = (
                f"is one too many: {limits.briefing.FACTS_MAX} facts and "
                f"{limits.briefing.FACTS_MAX_CHARS} characters in all"
            )
        if problem is None:
            kept[name] = text
        else:
            problems.append(f"facts: {name[:_SHOWN_MAX_CHARS]} {problem}.")
    return Briefing(encodable(about.strip()), kept), problems


_NO_NAME: Final = "is no name: letters, digits and _, a letter first"
_SHOWN_MAX_CHARS: Final = 40


def as_text(value: Any) -> str:
    """Return a fact as text: words as they are, everything else as JSON."""
    if value is None:
        return ""
    return encodable(value if isinstance(value, str) else msgspec.json.encode(value).decode())


def encodable(text: str) -> str:
    """Return text that UTF-8 can encode: JSON has half characters, which would end the call."""
    return text.encode("utf-8", "replace").decode()
