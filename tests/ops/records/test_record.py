"""The shapes of a record, and what of an agent stands in it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.agents.config.agent import Agent
from gateway.call.privacy.call_privacy import CallPrivacy
from gateway.ops.records.record import (
    CallRecord,
    CallSummary,
    RecordInterruption,
    RecordPrivacy,
    RecordResult,
    RecordToolUse,
    SpeechSpan,
    privacy_of,
)

RECORD = CallRecord(
    id="CA1",
    call_sid="CA1",
    agent="desk",
    model="gpt-realtime-2.1",
    path="media-streams",
    caller="...42",
    dialled="...00",
    began_at="2026-09-21T14:13:20+00:00",
    tools=1,
    tool_calls=[RecordToolUse(2.0, "end_call")],
)


def test_a_summary_has_every_single_value_and_no_list() -> None:
    summary = RECORD.summary()
    assert type(summary) is CallSummary
    said = msgspec.to_builtins(summary)
    assert (said["id"], said["tools"], said["state"]) == ("CA1", 1, "expected")
    assert not any(isinstance(value, list | dict) for value in said.values())
    whole = msgspec.to_builtins(RECORD)
    assert {name: whole[name] for name in said} == said


def test_a_summary_does_not_follow_the_record() -> None:
    record = msgspec.structs.replace(RECORD)
    summary = record.summary()
    record.state = "ended"
    assert summary.state == "expected"


@pytest.mark.parametrize("value", [{"tools": -1}, {"state": "asleep"}, {"wait_p50_ms": 0.5}])
def test_a_value_out_of_its_bounds_is_no_record(value: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(msgspec.to_builtins(RECORD) | value, CallRecord)


@pytest.mark.parametrize(("transcription", "transcribed"), [("none", False), ({}, True)])
def test_the_switches_of_an_agent(transcription: Any, transcribed: bool) -> None:
    keys = {
        "name": "desk",
        "instructions": "Answer.",
        "record": "transcript",
        "redact": ["cards", "phones"],
        "retain_days": 7,
        "transcription": transcription,
    }
    switches = privacy_of(CallPrivacy.of(Agent.model_validate(keys)))
    assert (switches.record, switches.preset) == ("transcript", "default")
    assert (switches.redact, switches.retain_days) == (("cards", "phones"), 7)
    assert switches.transcribed is transcribed


def test_what_is_not_known_yet_is_nought_or_nothing() -> None:
    empty = CallRecord("CA1", "CA1", "desk", "m", "sip", "...42", "...00", "2026-09-21T14:13:20Z")
    said = msgspec.to_builtins(empty)
    assert {name: value for name, value in said.items() if value not in (None, "", [])} == {
        "id": "CA1",
        "call_sid": "CA1",
        "agent": "desk",
        "model": "m",
        "path": "sip",
        "caller": "...42",
        "dialled": "...00",
        "began_at": "2026-09-21T14:13:20Z",
        "direction": "inbound",
        "state": "expected",
        **dict.fromkeys(("turns", "barge_ins", "tools", "tokens"), 0),
    }
    assert msgspec.to_builtins(RecordPrivacy()) == {
        "record": "metadata",
        "preset": "default",
        "redact": (),
        "retain_days": None,
        "transcribed": True,
        "recording_stopped_by": "",
    }
    assert RecordResult("2026-09-21T14:20:00Z", "skipped").tries == 0


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (SpeechSpan, {"who": "caller", "from_s": 0.0}),
        (RecordInterruption, {"at_s": 0.0, "heard_ms": 0, "reaction_ms": 0}),
    ],
)
def test_a_call_begins_at_nought_and_nothing_is_before_it(
    kind: type[Any], value: dict[str, Any]
) -> None:
    msgspec.convert(value, kind)
    for name in value.keys() - {"who"}:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(value | {name: -1}, kind)
