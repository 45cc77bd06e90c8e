"""Parts of one call become one record, whose times count from its first announcement."""

from __future__ import annotations

from database_end import ended_call

from gateway.call.privacy.call_privacy import CallPrivacy
from gateway.ops.records.parts import merged
from gateway.ops.records.record import (
    RecordLine,
    RecordMessage,
    RecordTurn,
    SpeechSpan,
    privacy_of,
)

FIRST = "2026-09-21T14:00:00.000+00:00"
LATER = "2026-09-21T14:01:40.000+00:00"


def test_times_turns_and_sums() -> None:
    first = ended_call(began_at=FIRST, arrived_s=1.0, seconds=90.0, turns=1, cost_usd="0.10")
    first.latency = [RecordTurn(1, 5.0, 800, 1, 1, 1, 1)]
    first.timeline = [SpeechSpan("caller", 2.0, 3.0)]
    first.messages = [RecordMessage(9.0, "Call me.", "", "")]
    later = ended_call(began_at=LATER, arrived_s=0.5, seconds=20.0, turns=2, cost_usd="0.12")
    later.latency = [RecordTurn(n, 5.0, 400, 1, 1, 1, 1) for n in (1, 2)]
    later.timeline = [SpeechSpan("model", 1.0, None)]
    record = merged(later, first)
    assert [(t.number, t.at_s) for t in record.latency] == [(1, 5.0), (2, 105.0), (3, 105.0)]
    assert [(s.from_s, s.to_s) for s in record.timeline] == [(2.0, 3.0), (101.0, None)]
    assert (record.turns, record.cost_usd) == (3, "0.12")
    assert (record.arrived_s, record.seconds, record.began_at) == (1.0, 119.5, FIRST)
    assert record.wait_p50_ms == 400
    assert record.messages == first.messages


def test_neither_part_is_changed() -> None:
    first, later = ended_call(began_at=FIRST), ended_call(began_at=LATER)
    merged(first, later)
    assert (first, later) == (ended_call(began_at=FIRST), ended_call(began_at=LATER))


def test_how_the_last_one_ended_is_how_the_call_ended() -> None:
    first = ended_call(began_at=FIRST, seconds=10.0, ending="media_broken", well=False)
    later = ended_call(began_at=LATER, seconds=10.0)
    assert merged(first, later).ending == merged(later, first).ending == "caller_hung_up"


def test_the_strictest_switches_of_all_parts_hold() -> None:
    first, later = ended_call(began_at=FIRST), ended_call(began_at=LATER)
    first.privacy = privacy_of(CallPrivacy("transcript", retain_days=9))
    first.transcript = [RecordLine(1.0, "caller", "My code is 4711.")]
    first.messages = [RecordMessage(1.0, "Code 4711.", "", "")]
    strict = CallPrivacy("transcript", "pci", ("digits",), 3)
    later.privacy = privacy_of(strict, "billing")
    for record in (merged(first, later), merged(later, first)):
        assert record.privacy == later.privacy
        assert record.transcript[0].text == "My code is [digits]."
        assert record.messages[0].text == "Code [digits]."
    later.privacy = privacy_of(CallPrivacy("metadata"))
    assert merged(first, later).transcript == []
    later.privacy = None
    assert merged(first, later).privacy == first.privacy
