"""Answers to `before:`: what of one can be used."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.call.briefing import Briefing
from gateway.tools.before_answer import NO_ANSWER, BeforeAnswer, answer_of

DESK = Agent.model_validate(
    {
        "name": "desk",
        "instructions": "x",
        "tools": ["transfer"],
        "transfers": {"boss": {"to": "+15550199"}},
    }
)
AGENTS = {
    "desk": DESK,
    "billing": Agent(name="billing", instructions="x"),
    "direct": Agent(name="direct", instructions="x", path="sip"),
}


def nested(depth: int) -> list[Any]:
    """Return a list in a list, so deep that nothing encodes it."""
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ({}, NO_ANSWER),
        ({"facts": None, "greeting": None, "refuse": ""}, NO_ANSWER),
        ({"facts": {"a": 1}}, BeforeAnswer(Briefing(facts={"a": "1"}))),
        ({"facts": " known since 2019 "}, BeforeAnswer(Briefing(notes="known since 2019"))),
        ({"greeting": "Hi."}, BeforeAnswer(Briefing(greeting="Hi."))),
        ({"language": "ar-TN"}, BeforeAnswer(Briefing(language="ar-TN"))),
        ({"agent": "billing"}, BeforeAnswer(agent="billing")),
        ({"agent": "desk"}, NO_ANSWER),
        ({"refuse": "busy"}, BeforeAnswer(refuse="busy")),
        ({"refuse": " Busy"}, BeforeAnswer(refuse="busy")),
        ({"refuse": "DECLINED"}, BeforeAnswer(refuse="declined")),
        ({"refuse": "Not today."}, BeforeAnswer(refuse="Not today.")),
        ({"transfer": "boss"}, BeforeAnswer(transfer="boss")),
        ({"transfer": "+15550188"}, BeforeAnswer(transfer="+15550188")),
        ({"transfer": "sip:desk@example.com"}, BeforeAnswer(transfer="sip:desk@example.com")),
        ({"greeting": "half \ud800"}, BeforeAnswer(Briefing(greeting="half ?"))),
        # JSON bounds no number, and what a function in Python returns is whatever it is.
        ({"facts": {"iban": 10**30}}, BeforeAnswer(Briefing(facts={"iban": str(10**30)}))),
        ({"facts": {"a": [10**30, "é"]}}, BeforeAnswer(Briefing(facts={"a": f'[{10**30},"é"]'}))),
        ({"facts": {"a": ["half \ud800"]}}, BeforeAnswer(Briefing(facts={"a": '["half ?"]'}))),
        ({"facts": {"vip": True}}, BeforeAnswer(Briefing(facts={"vip": "true"}))),
        (
            {"facts": {"since": date(2019, 5, 1), "spent": Decimal("1.50")}},
            BeforeAnswer(Briefing(facts={"since": "2019-05-01", "spent": "1.50"})),
        ),
    ],
)
def test_what_can_be_used(given: dict[str, Any], answer: BeforeAnswer) -> None:
    assert answer_of(given, AGENTS, DESK) == (answer, [])


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"facts": [1]}, "facts"),
        ({"facts": {"not a name": 1}}, "facts"),
        ({"facts": {7: "a number is no name"}}, "facts"),
        ({"facts": {"a": object()}}, "facts"),
        ({"facts": {"a": [{1, 2}, object()]}}, "facts"),
        ({"facts": {"a": nested(50_000)}}, "facts"),
        ({"facts": {"a": 10**5000}}, "facts"),
        ({7: "a number is no field"}, "other"),
        ({"agent": ["billing"]}, "agent"),
        ({"language": {"tag": "fr"}}, "language"),
        ({"transfer": 15550199}, "transfer"),
        ({"facts": "x" * (limits.briefing.ABOUT_MAX_CHARS + 1)}, "facts"),
        ({"greeting": "x" * (limits.briefing.BEFORE_GREETING_MAX_CHARS + 1)}, "greeting"),
        ({"greeting": "  "}, "greeting"),
        ({"agent": "nobody"}, "agent"),
        ({"agent": "direct"}, "agent"),
        ({"language": "French!"}, "language"),
        ({"refuse": True}, "refuse"),
        ({"refuse": "x" * (limits.briefing.BEFORE_SENTENCE_MAX_CHARS + 1)}, "refuse"),
        ({"transfer": "911"}, "transfer"),
        ({"transfer": "billing"}, "transfer"),
        ({"words": 1, "more": 2}, "other"),
    ],
)
def test_what_cannot_be_used_is_named_and_the_rest_is_used(
    given: dict[str, Any], field: str
) -> None:
    rest = {"language": "fr"} if field != "language" else {"greeting": "Hi."}
    answer, invalid = answer_of(given | rest, AGENTS, DESK)
    assert invalid == [field]
    assert answer != NO_ANSWER


def test_what_a_transfer_names_is_the_leading_agents() -> None:
    answer, invalid = answer_of({"agent": "billing", "transfer": "boss"}, AGENTS, DESK)
    assert (answer, invalid) == (BeforeAnswer(agent="billing"), ["transfer"])
