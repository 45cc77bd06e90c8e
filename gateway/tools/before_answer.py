"""Answers to `before:`: what of one can be used, and which fields cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.agents.config.transfers import PARTY_FORM
from gateway.agents.texts.lookup import LANGUAGE_TAG
from gateway.call.briefing import Briefing, briefing_of, encodable

BUSY: Final = "busy"
DECLINED: Final = "declined"
_FIELDS: Final = ("facts", "greeting", "agent", "language", "refuse", "transfer")


@dataclass(frozen=True, slots=True)
class BeforeAnswer:
    """Decision about a call before its first word; nothing of it is the same as no answer."""

    briefing: Briefing = field(default_factory=Briefing)
    agent: str = ""
    refuse: str = ""
    """`busy`, `declined`, or a sentence that is said."""
    transfer: str = ""
    """Name of a transfer of the agent's, a number or a SIP address."""

    @property
    def spoken(self) -> str:
        """The sentence with which the call is refused; "" for a signal, or no refusal."""
        return "" if self.refuse in (BUSY, DECLINED) else self.refuse


NO_ANSWER: Final = BeforeAnswer()


def answer_of(
    given: Mapping[str, Any], agents: Mapping[str, Agent], asked_for: Agent
) -> tuple[BeforeAnswer, list[str]]:
    """Return what of an answer can be used, and the names of the fields that cannot.

    Another agent must be one of the same file on the same path: the call's line is chosen.
    """
    invalid = ["other"] * any(name not in _FIELDS for name in given)

    def text(name: str, fits: Callable[[str], bool]) -> str:
        value = given.get(name)
        if value is None or value == "":
            return ""
        if isinstance(value, str) and fits(value):
            return encodable(value)
        invalid.append(name)
        return ""

    notes, facts = _facts(given.get("facts"), invalid)
    agent = text("agent", lambda name: name in agents and agents[name].path == asked_for.path)
    leads = agents.get(agent, asked_for)
    briefing = Briefing(
        facts=facts,
        notes=notes,
        greeting=text(
            "greeting", lambda one: _short(one, limits.briefing.BEFORE_GREETING_MAX_CHARS)
        ),
        language=text("language", _is_language),
    )
    answer = BeforeAnswer(
        briefing,
        agent="" if agent == asked_for.name else agent,
        refuse=_signal(
            text("refuse", lambda one: _short(one, limits.briefing.BEFORE_SENTENCE_MAX_CHARS))
        ),
        transfer=text(
            "transfer", lambda to: to in leads.transfers or bool(PARTY_FORM.fullmatch(to))
        ),
    )
    return answer, invalid


def _facts(given: Any, invalid: list[str]) -> tuple[str, dict[str, str]]:
    """Return facts as text and by name; an answer has one or the other."""
    if given is None:
        return "", {}
    if isinstance(given, str):
        if len(given) <= limits.briefing.ABOUT_MAX_CHARS:
            return encodable(given.strip()), {}
    elif isinstance(given, dict):
        briefing, problems = briefing_of("", given)
        invalid += ["facts"] * bool(problems)
        return "", briefing.facts
    invalid.append("facts")
    return "", {}


def _signal(refuse: str) -> str:
    """Return a signal however it is written: said to a caller it would be no sentence."""
    word = refuse.strip().casefold()
    return word if word in (BUSY, DECLINED) else refuse


def _short(text: str, most: int) -> bool:
    return len(text) <= most and bool(text.strip())


def _is_language(tag: str) -> bool:
    return len(tag) <= limits.agents.LANGUAGE_MAX_CHARS and bool(LANGUAGE_TAG.fullmatch(tag))
