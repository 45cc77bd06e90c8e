"""Words that a record had before stricter switches came to hold."""

from __future__ import annotations

from database_end import ended_call

from gateway.call.privacy.call_privacy import CallPrivacy
from gateway.ops.records.record import (
    RecordApproval,
    RecordLine,
    RecordMessage,
    RecordQuote,
    RecordResult,
    privacy_of,
)
from gateway.ops.records.redacted import redact_words

CARD = "4111 1111 1111 1111"


def test_a_number_that_was_read_out_over_several_turns_goes_too() -> None:
    record = ended_call()
    record.privacy = privacy_of(CallPrivacy(redact=("cards", "emails")))
    words = ["It is four one one one.", "Go on.", "one one one one", "Write to me@example.com."]
    record.transcript = [
        RecordLine(float(number), "model" if number == 1 else "caller", text)
        for number, text in enumerate(words)
    ]
    record.messages = [RecordMessage(1.0, CARD, "me@example.com", CARD)]
    record.approvals = [RecordApproval("a", 1.0, "bank", "pay", 2.0, f'{{"card": "{CARD}"}}')]
    quotes = {"card": [RecordQuote("item_1", CARD)]}
    record.result = RecordResult("2026-01-01T00:00:00Z", "filed", "", 1, {"card": CARD}, quotes)
    redact_words(record)
    shown = [line.text for line in record.transcript]
    assert shown == ["It is [card].", "Go on.", "[card]", "Write to [email]."]
    rest = f"{record.messages} {record.approvals} {record.result}"
    assert "4111" not in rest
    assert "me@example.com" not in rest
    again = str(record)
    redact_words(record)
    assert str(record) == again


def test_without_switches_nothing_is_touched() -> None:
    record = ended_call()
    record.transcript = [RecordLine(1.0, "caller", CARD)]
    redact_words(record)
    record.privacy = privacy_of(CallPrivacy())
    redact_words(record)
    assert record.transcript[0].text == CARD
