"""Who answers: exact, then the longest prefix, then `*`, in whatever order they stand."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.agents.config.agent import Agent
from gateway.agents.routing import AgentBook, Route, canonical

PATTERNS = [
    "*",
    "+1*",
    "+1555*",
    "+15550*",
    "+15550100",
    "+44*",
    "sip:desk@example.com",
    "client:anna",
]


def book(*patterns: str) -> AgentBook:
    """A book in which each pattern leads to an agent of its own."""
    agents = {f"a{i}": Agent(name=f"a{i}", instructions="x") for i in range(len(patterns))}
    return AgentBook(agents, [Route(to=to, agent=f"a{i}") for i, to in enumerate(patterns)])


def picked(patterns: list[str], to: str) -> str | None:
    agent = book(*patterns).pick(to)
    return None if agent is None else patterns[int(agent.name[1:])]


@pytest.mark.parametrize(
    ("to", "pattern"),
    [
        ("+15550100", "+15550100"),
        ("+15550101", "+15550*"),
        ("+15551000", "+1555*"),
        ("+12025550100", "+1*"),
        ("+442079460000", "+44*"),
        ("+4915550100", "*"),
        ("15550100", "*"),
        ("sip:desk@example.com", "sip:desk@example.com"),
        ("<SIP:desk@Example.COM;transport=tls?X-A=1>", "sip:desk@example.com"),
        ("sip:Desk@example.com", "*"),
        ("client:anna", "client:anna"),
        ("", "*"),
    ],
)
def test_most_specific_wins(to: str, pattern: str) -> None:
    assert picked(PATTERNS, to) == pattern


def test_nobody_answers_without_a_route() -> None:
    assert book("+1555*").pick("+442079460000") is None


@given(st.permutations(PATTERNS), st.from_regex(r"\A\+?[0-9]{0,9}\Z"))
def test_order_does_not_matter(patterns: list[str], to: str) -> None:
    assert picked(patterns, to) == picked(PATTERNS, to)


@given(
    st.lists(st.from_regex(r"\A\+[0-9]{1,4}\*?\Z"), min_size=1, unique=True),
    st.from_regex(r"\A\+[0-9]{1,5}\Z"),
)
def test_agrees_with_the_rule_written_out(patterns: list[str], to: str) -> None:
    prefixes = [p for p in patterns if p.endswith("*") and to.startswith(p[:-1])]
    expected = to if to in patterns else max(prefixes, key=len, default=None)
    assert picked(patterns, to) == expected


@given(st.text())
def test_any_number_is_answered_by_the_star(to: str) -> None:
    assert picked(["*"], to) == "*"


@example(" <")
@given(st.text())
def test_canonical_is_settled_after_once(to: str) -> None:
    once = canonical(f"sip:{to}")
    assert canonical(once) == once


@pytest.mark.parametrize(
    "to", ["", "15550100", "+", "+1555**", "+1 555", "**", "sip:", "+" + "1" * 16]
)
def test_patterns_that_are_none(to: str) -> None:
    with pytest.raises(ValidationError, match="must be a number like"):
        Route(to=to, agent="a")
