"""A viewer sees figures, and nothing of what people said."""

from __future__ import annotations

import json

import msgspec
from database_end import ended_call

from gateway.ops.records.record import RecordApproval, RecordLine, RecordMessage, SpeechSpan
from gateway.web.api.words import without_words


def test_words_are_withheld() -> None:
    record = ended_call(
        transcript=[RecordLine(1.0, "caller", "SECRET")],
        messages=[RecordMessage(1.0, "SECRET", "SECRET", "")],
        approvals=[RecordApproval("1", 1.0, "crm", "find", 2.0, "SECRET")],
        timeline=[SpeechSpan("caller", 1.0, 2.0)],
    )
    seen = json.loads(msgspec.json.encode(without_words(record)))
    assert "SECRET" not in str(seen)
    assert seen["timeline"] == [{"who": "caller", "from_s": 1.0, "to_s": 2.0}]
    assert seen["id"] == record.id
