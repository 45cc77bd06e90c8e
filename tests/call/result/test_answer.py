"""The model's answer: read whatever its form, believed only with the caller's words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import limits
from gateway.agents.config.result import ResultSchema
from gateway.call.history import ConversationHistory
from gateway.call.result.answer import Quote, UnusableAnswer, read_answer
from gateway.call.result.words import SpokenWords

SCHEMA = ResultSchema.model_validate(
    {
        "type": "object",
        "required": ["reason"],
        "properties": {
            "reason": {"type": "string", "enum": ["invoice", "other"]},
            "amount": {"type": "number", "minimum": 0},
            "follow_up": {"type": ["string", "null"]},
        },
    }
)


def words() -> SpokenWords:
    history = ConversationHistory()
    history.caller_said("item_1", "My invoice is wrong, it says 42 dinars.")
    return SpokenWords.of(history.items)


def entry(value: Any, *quotes: str) -> dict[str, Any]:
    return {"value": value, "evidence": [{"item_id": "item_1", "quote": q} for q in quotes]}


def answer(**entries: Any) -> str:
    return json.dumps(entries)


def test_a_value_with_the_callers_words_is_kept_with_them() -> None:
    text = answer(reason=entry("invoice", "my invoice is wrong"), amount=entry(42, "42 dinars"))
    fields = read_answer(text, SCHEMA, words())
    assert fields.values == {"reason": "invoice", "amount": 42, "follow_up": None}
    assert fields.evidence["amount"] == [Quote("item_1", "42 dinars")]
    assert fields.unproven == []


@pytest.mark.parametrize(
    "unproven",
    [
        entry("invoice"),
        entry("invoice", "I would like to complain"),
        "invoice",
        {"value": "invoice"},
        {"value": "invoice", "evidence": "my invoice"},
        {"value": "invoice", "evidence": [{"quote": 7}, None, 3]},
    ],
)
def test_a_value_without_words_that_were_said_is_null_and_says_so(unproven: Any) -> None:
    fields = read_answer(answer(reason=unproven), SCHEMA, words())
    assert fields.values["reason"] is None
    assert fields.unproven == ["reason"]
    assert "reason" not in fields.evidence


def test_evidence_may_be_bare_quotes_and_a_fence_may_stand_around() -> None:
    text = '```json\n{"reason": {"value": "invoice", "evidence": ["my invoice"]}}\n```'
    assert read_answer(text, SCHEMA, words()).values["reason"] == "invoice"


def test_what_the_schema_does_not_know_is_left_out() -> None:
    fields = read_answer(answer(mood=entry("angry", "wrong")), SCHEMA, words())
    assert fields.values == {"reason": None, "amount": None, "follow_up": None}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not_json"),
        ("Certainly! Here it is.", "not_json"),
        ("[1, 2]", "not_json"),
        ('{"reason": NaN}', "not_json"),
        ('{"reason": "\\ud800"}', "not_json"),
        ("[" * 100_000, "not_json"),
        ('"' + "x" * 70_000 + '"', "not_json"),
        (answer(reason=entry("weather", "wrong")), "schema"),
        (answer(amount=entry(-1, "42 dinars")), "schema"),
        (answer(amount=entry("42", "42 dinars")), "schema"),
    ],
)
def test_an_answer_that_cannot_be_used_says_why(text: str, reason: str) -> None:
    with pytest.raises(UnusableAnswer) as error:
        read_answer(text, SCHEMA, words())
    assert error.value.reason == reason
    assert str(error.value) == error.value.problem


def test_quotes_are_bounded() -> None:
    """A quote is a sentence, not the transcript; of many the first are enough."""
    said = "ab " * (limits.results.QUOTE_MAX_CHARS // 3)
    history = ConversationHistory()
    history.caller_said("item_1", said + " and more")
    spoken = SpokenWords.of(history.items)
    for quote, proves in ((said, True), (said + " ", False)):
        fields = read_answer(answer(reason=entry("invoice", quote)), SCHEMA, spoken)
        assert (fields.values["reason"] == "invoice") is proves
    many = entry("invoice", *["ab"] * (limits.results.EVIDENCE_MAX + 1))
    kept = read_answer(answer(reason=many), SCHEMA, spoken).evidence["reason"]
    assert len(kept) == limits.results.EVIDENCE_MAX


def test_the_longest_answer_is_read() -> None:
    bare = answer(reason=entry("invoice", "my invoice"))
    whole = bare + " " * 9
    longest = bare[:-1] + " " * (limits.results.ANSWER_MAX_CHARS - len(bare)) + "}"
    assert len(longest) == limits.results.ANSWER_MAX_CHARS
    for text in (whole, longest):
        assert read_answer(text, SCHEMA, words()).values["reason"] == "invoice"
    with pytest.raises(UnusableAnswer):
        read_answer(longest[:-1] + " }", SCHEMA, words())


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["reason", "amount", "follow_up", "x"]), _JSON))
def test_whatever_the_model_answers_every_field_is_there_or_it_is_unusable(entries: Any) -> None:
    try:
        fields = read_answer(json.dumps(entries), SCHEMA, words())
    except UnusableAnswer:
        return
    assert tuple(fields.values) == SCHEMA.fields
    assert all(fields.evidence.get(n) for n, v in fields.values.items() if v is not None)
