"""Parts of one call become one record, whose times count from its first announcement."""

from __future__ import annotations

import msgspec
import pytest
from database_end import ended_call

from gateway import limits
from gateway.call.privacy.call_privacy import CallPrivacy
from gateway.ops.records.parts import merged
from gateway.ops.records.record import (
    CallRecord,
    RecordApproval,
    RecordHandOver,
    RecordInterruption,
    RecordLine,
    RecordMessage,
    RecordResult,
    RecordToolUse,
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


def parts_with_everything() -> tuple[CallRecord, CallRecord]:
    """The later part was announced 100 s after the first one."""
    first, later = (
        ended_call(
            began_at=began,
            arrived_s=1.0,
            seconds=30.0,
            turns=2,
            barge_ins=1,
            tools=3,
            tokens=10,
            rings_s=0.5,
            answered_s=0.75,
            model_ready_s=0.25,
            first_sound_s=1.5,
            answered_by=who,
            language=language,
        )
        for began, who, language in ((FIRST, "human", "en"), (LATER, "machine", None))
    )
    for record in (first, later):
        record.timeline = [SpeechSpan("caller", 2.0, 3.0)]
        record.latency = [RecordTurn(1, 5.0, 800, 1, 1, 1, 1)]
        record.interruptions = [RecordInterruption(6.0, 100, 50)]
        record.tool_calls = [RecordToolUse(7.0, "look")]
        record.approvals = [RecordApproval("a", 8.0, "crm", "find", 38.0)]
        record.transcript = [RecordLine(9.0, "caller", "Hello.")]
        record.messages = [RecordMessage(10.0, "Call me.", "", "")]
        record.hand_overs = [RecordHandOver(11.0, "desk", "billing", "m")]
    return first, later


def test_every_time_of_a_later_part_counts_from_the_beginning_of_the_call() -> None:
    first, later = parts_with_everything()
    record = merged(first, later)
    assert [(one.from_s, one.to_s) for one in record.timeline] == [(2.0, 3.0), (102.0, 103.0)]
    assert [(one.at_s, one.number) for one in record.latency] == [(5.0, 1), (105.0, 3)]
    assert [one.at_s for one in record.interruptions] == [6.0, 106.0]
    assert [one.at_s for one in record.tool_calls] == [7.0, 107.0]
    approvals = [(one.at_s, one.until_s) for one in record.approvals]
    assert approvals == [(8.0, 38.0), (108.0, 138.0)]
    assert [one.at_s for one in record.transcript] == [9.0, 109.0]
    assert [one.at_s for one in record.messages] == [10.0, 110.0]
    assert [one.at_s for one in record.hand_overs] == [11.0, 111.0]
    assert (record.turns, record.barge_ins, record.tools, record.tokens) == (4, 2, 6, 20)
    assert (record.language, record.answered_by) == ("en", "human")
    assert (record.rings_s, record.answered_s, record.arrived_s) == (0.5, 0.75, 1.0)
    assert (record.model_ready_s, record.first_sound_s) == (0.25, 1.5)
    assert record.seconds == 130.0, "from the arrival to the end of the later part"


def test_what_the_first_part_never_reached_is_that_of_the_later_one() -> None:
    first, later = parts_with_everything()
    names = ("rings_s", "answered_s", "arrived_s", "model_ready_s", "first_sound_s")
    for name in (*names, "answered_by", "seconds"):
        setattr(first, name, None)
    record = merged(first, later)
    assert [getattr(record, name) for name in names] == [100.5, 100.75, 101.0, 100.25, 101.5]
    assert (record.answered_by, record.seconds) == ("machine", 30.0)


def test_nothing_of_a_joined_record_grows_beyond_its_bound() -> None:
    first, later = parts_with_everything()
    kept = limits.call.TURNS_KEPT_MAX
    bounds = {
        "timeline": limits.records.RECORD_SPANS_MAX,
        "latency": kept,
        "interruptions": kept,
        "tool_calls": kept,
        "approvals": kept,
        "transcript": limits.call.TRANSCRIPT_LINES_MAX,
    }
    for name, most in bounds.items():
        setattr(first, name, getattr(first, name) * most)
    record = merged(first, later)
    for name, most in bounds.items():
        assert getattr(record, name) == getattr(first, name), name
        assert len(getattr(record, name)) == most


def test_a_part_that_reaches_around_the_other_is_the_first_and_the_newer() -> None:
    around = ended_call(began_at=FIRST, seconds=500.0, agent="around", turns=1)
    within = ended_call(began_at=LATER, seconds=10.0, agent="within", turns=1)
    within.latency = [RecordTurn(1, 5.0, 800, 1, 1, 1, 1)]
    for record in (merged(around, within), merged(within, around)):
        assert (record.agent, record.seconds, record.began_at) == ("around", 500.0, FIRST)
        assert [(turn.number, turn.at_s) for turn in record.latency] == [(2, 105.0)]


def test_a_part_that_reaches_a_little_around_the_other_is_the_newer_too() -> None:
    around = ended_call(began_at=FIRST, arrived_s=1.0, seconds=150.0, agent="around")
    within = ended_call(began_at=LATER, arrived_s=1.0, seconds=10.0, agent="within")
    record = merged(around, within)
    assert (record.agent, record.seconds) == ("around", 150.0)


@pytest.mark.parametrize("seconds", [0.0, None])
def test_a_part_that_the_caller_never_reached_takes_no_time_away(seconds: float | None) -> None:
    """A stream that was announced again after they had hung up."""
    first = ended_call(began_at=FIRST, arrived_s=1.0, seconds=30.0)
    later = ended_call(began_at=LATER, arrived_s=None, seconds=seconds, ending="never_arrived")
    record = merged(first, later)
    assert (record.seconds, record.ending) == (30.0, "never_arrived")


def test_of_two_parts_that_began_together_the_shorter_is_the_first() -> None:
    short, long = ended_call(began_at=FIRST, turns=1), ended_call(began_at=FIRST, seconds=30.0)
    long.latency = [RecordTurn(1, 5.00049, 4000, 1, 1, 1, 1)]
    for record in (merged(short, long), merged(long, short)):
        assert [(turn.number, turn.at_s) for turn in record.latency] == [(2, 5.0)]
        assert record.wait_p50_ms == 4000
    long.seconds = 30.00049
    assert merged(short, long).seconds == 30.0


def test_a_part_of_which_no_length_is_known_has_none() -> None:
    killed = ended_call(began_at=FIRST, arrived_s=None, seconds=None, agent="killed")
    next_second = "2026-09-21T14:00:00.500+00:00"
    at_once = ended_call(began_at=next_second, arrived_s=None, seconds=0.25, agent="at once")
    assert merged(killed, at_once).agent == "at once"
    assert merged(killed, killed).seconds == 0.0


def test_the_cost_of_a_call_is_the_largest_that_was_known() -> None:
    first, later = ended_call(began_at=FIRST), ended_call(began_at=LATER)
    assert merged(first, later).cost_usd is None
    first.cost_usd = "9.5"
    assert merged(first, later).cost_usd == "9.5"
    later.cost_usd = "10.25"
    assert merged(first, later).cost_usd == "10.25", "as a number, not as text"


def test_a_result_is_that_of_the_newer_part_where_it_has_one() -> None:
    first, later = ended_call(began_at=FIRST), ended_call(began_at=LATER)
    first.result = RecordResult("2026-09-21T14:05:00Z", "filed")
    assert merged(first, later).result == first.result
    later.result = RecordResult("2026-09-21T14:06:00Z", "failed")
    assert merged(first, later).result == later.result


def test_words_are_left_as_they_are_where_all_parts_had_the_same_switches() -> None:
    first, later = ended_call(began_at=FIRST), ended_call(began_at=LATER)
    first.privacy = later.privacy = privacy_of(CallPrivacy("transcript", "pci", ("digits",)))
    first.transcript = [RecordLine(1.0, "caller", "My code is 4711.")]
    assert merged(first, later).transcript == first.transcript
    stopped = msgspec.structs.replace(first.privacy, recording_stopped_by="billing")
    first.privacy = stopped
    assert merged(first, later).privacy == stopped
