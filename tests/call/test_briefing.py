"""A briefing as data."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway import limits
from gateway.call.briefing import NO_BRIEFING, Briefing, as_text, briefing_of


def test_it_travels_and_an_older_process_may_have_written_less_of_it() -> None:
    briefing = Briefing("about an invoice", {"name": "Amel"})
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(briefing), type=Briefing) == briefing
    assert msgspec.msgpack.decode(msgspec.msgpack.encode([]), type=Briefing) == NO_BRIEFING


def test_only_one_that_says_nothing_is_empty() -> None:
    assert NO_BRIEFING.empty
    assert not Briefing("about an invoice").empty
    assert not Briefing(facts={"name": "Amel"}).empty


EACH: list[dict[str, Any]] = [
    {"about": "an invoice"},
    {"facts": {"name": "Amel"}},
    {"notes": "They have called before."},
    {"language": "fr"},
    {"greeting": "Hello."},
]


@pytest.mark.parametrize("field", EACH)
def test_each_field_but_the_greeting_is_told_to_a_session(field: dict[str, Any]) -> None:
    assert Briefing(**field).has_facts is ("greeting" not in field)


@pytest.mark.parametrize("field", EACH)
def test_of_two_briefings_the_later_one_holds_where_it_says_anything(
    field: dict[str, Any],
) -> None:
    one = Briefing(**field)
    assert one.joined(NO_BRIEFING) == one
    assert NO_BRIEFING.joined(one) == one
    other = Briefing("a parcel", {"name": "Zied"}, "Nothing.", "Welcome.", "ar")
    assert one.joined(other) == other
    assert other.joined(one) == msgspec.structs.replace(other, **field)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Amel", "Amel"),
        (4, "4"),
        (2.5, "2.5"),
        (True, "true"),
        (None, ""),
        (["a", 1], '["a",1]'),
        ({"a": {"b": 1}}, '{"a":{"b":1}}'),
        ("half \ud800", "half ?"),
    ],
)
def test_a_fact_is_text(value: Any, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10**30, str(10**30)),
        ([10**30, "é"], f'[{10**30},"é"]'),
        ({"a": "half \ud800"}, '{"a":"half ?"}'),
    ],
)
def test_a_fact_that_json_has_and_we_cannot_write_at_once_is_text_too(
    value: Any, text: str
) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize("value", [object(), [object()], [10**5000]])
def test_what_is_no_json_is_no_fact(value: Any) -> None:
    briefing, problems = briefing_of("", {"odd": value, "name": "Amel"})
    assert briefing.facts == {"name": "Amel"}
    assert problems == ["facts: odd cannot be written as JSON."]


def test_a_fact_that_is_too_long_takes_no_room_from_the_others() -> None:
    long = "x" * (limits.briefing.FACTS_MAX_CHARS + 1)
    briefing, problems = briefing_of("", {"letter": long, "name": "Amel", "floor": 4})
    assert briefing.facts == {"name": "Amel", "floor": "4"}
    assert len(problems) == 1


def test_what_can_be_told_is_told() -> None:
    briefing, problems = briefing_of(" a parcel ", {"name": "Amel", "left": 2})
    assert briefing == Briefing("a parcel", {"name": "Amel", "left": "2"})
    assert not problems


@pytest.mark.parametrize(
    ("about", "facts", "problem"),
    [
        ("x" * (limits.briefing.ABOUT_MAX_CHARS + 1), {}, "about may have"),
        ("", {"first name": "x"}, "facts: first name is no name"),
        ("", {"": "x"}, "is no name"),
        ("", {"name": "x" * (limits.briefing.FACT_VALUE_MAX_CHARS + 1)}, "name may have 1000"),
        ("", {f"f{n}": "x" for n in range(limits.briefing.FACTS_MAX + 1)}, "f32 is one too many"),
        ("", {f"f{n}": "x" * 999 for n in range(8)}, "is one too many"),
    ],
)
def test_what_cannot_be_told_is_named_and_the_rest_is_told(
    about: str, facts: dict[str, Any], problem: str
) -> None:
    briefing, problems = briefing_of(about, facts | {"day": "Monday"} if about else facts)
    assert len(problems) == 1
    assert problem in problems[0]
    assert len(briefing.facts) == (len(facts) - 1 if facts else 1)


@pytest.mark.parametrize(
    ("about", "facts"),
    [
        ("x" * limits.briefing.ABOUT_MAX_CHARS, {}),
        ("", {"name": "x" * limits.briefing.FACT_VALUE_MAX_CHARS}),
        ("", {f"f{n}": "x" for n in range(limits.briefing.FACTS_MAX)}),
        # Names count too: of four characters here.
        ("", {f"f{n:03}": "x" * 496 for n in range(limits.briefing.FACTS_MAX_CHARS // 500)}),
    ],
)
def test_just_so_much_can_be_told(about: str, facts: dict[str, str]) -> None:
    assert briefing_of(about, facts) == (Briefing(about, facts), [])


def test_facts_that_fill_all_the_room_leave_none() -> None:
    facts = {f"f{n:03}": "x" * 496 for n in range(limits.briefing.FACTS_MAX_CHARS // 500)}
    briefing, problems = briefing_of("", facts | {"a": ""})
    assert briefing.facts == facts
    assert len(problems) == 1
