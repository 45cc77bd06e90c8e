"""Plans for the end of a call: where the caller goes, and what is said before."""

from __future__ import annotations

import pytest

from gateway import limits
from gateway.agents.config.transfers import Fallback, TransferDestination
from gateway.call.commands import TransferCaller
from gateway.call.dialogue import prompts
from gateway.call.dialogue.end_plan import (
    EndPlan,
    TransferArguments,
    target_of,
    to_fallback,
    way_to,
)
from gateway.call.endings import Ending

PERSON = TransferCaller("+14155550177")


def test_what_the_model_is_asked_to_say() -> None:
    assert EndPlan(Ending.AGENT_HUNG_UP).request == prompts.instructed(prompts.FAREWELL)
    going = EndPlan(Ending.TRANSFERRED, to=PERSON)
    assert going.request == prompts.instructed(prompts.CONNECTING)
    left = EndPlan(Ending.AGENT_HUNG_UP, message="Call us back.")
    assert left.request == prompts.word_for_word("Call us back.")


def test_what_a_function_is_told_that_the_caller_revoked() -> None:
    assert EndPlan(Ending.AGENT_HUNG_UP).revoked == prompts.NOT_ENDED
    assert EndPlan(Ending.TRANSFERRED, to=PERSON).revoked == prompts.NOT_TRANSFERRED


def test_a_plan_may_be_revoked_unless_it_says_otherwise() -> None:
    assert EndPlan(Ending.AGENT_HUNG_UP).firm is False


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ('{"target": "sales", "summary": "Wants tyres."}', ("sales", "Wants tyres.")),
        ('{"target": "sales", "more": 1}', ("sales", "")),
        ("{}", ("", "")),
        ("", ("", "")),
        (None, ("", "")),
        ('{"target": 3}', ("", "")),
        ('{"target": "sa', ("", "")),
        ("\ud800", ("", "")),
    ],
)
def test_arguments_that_a_model_made_up(arguments: str | None, found: tuple[str, str]) -> None:
    assert target_of(arguments) == TransferArguments(*found)


def test_ways_to_a_person() -> None:
    cold = TransferDestination(to="+14155550177")
    warm = TransferDestination(to="+14155550177", mode="warm")
    assert way_to(cold, "Wants tyres.") == PERSON, "a summary is for whoever is called first"
    assert way_to(warm, "  Wants tyres. ") == TransferCaller("+14155550177", "warm", "Wants tyres.")
    long = way_to(warm, "x" * 10_000)
    assert len(long.summary) == limits.call.SUMMARY_MAX_CHARS
    assert way_to(TransferDestination(queue="sales")) == TransferCaller("sales", "queue")


def test_the_way_out_when_the_agent_cannot_go_on() -> None:
    assert to_fallback(None) is None
    assert to_fallback(Fallback(to="+14155550177")) == PERSON
    assert to_fallback(Fallback(queue="sales")) == TransferCaller("sales", "queue")
