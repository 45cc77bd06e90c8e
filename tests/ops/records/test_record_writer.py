"""What each call event changes in the record of its call."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from gateway import limits
from gateway.call import events
from gateway.call.endings import Ending
from gateway.call.privacy.call_privacy import CallPrivacy
from gateway.ops.records.record import CallRecord, RecordPrivacy
from gateway.ops.records.record_writer import SUMMARY, RecordChange, RecordWriter
from gateway.protocols.realtime_server import Usage


def empty_record() -> CallRecord:
    return CallRecord(
        id="CA1",
        call_sid="CA1",
        agent="desk",
        model="gpt-realtime-2.1",
        path="media-streams",
        caller="...42",
        dialled="...00",
        began_at="2026-09-21T14:13:20+00:00",
    )


@dataclass
class Writing:
    """A writer with a clock that stands still between events."""

    now: float = 500.0
    record: CallRecord = field(default_factory=empty_record)

    def __post_init__(self) -> None:
        self.writer = RecordWriter(self.record, lambda: self.now)

    def write(self, *happened: events.CallEvent, after_s: float = 0.0) -> list[RecordChange]:
        self.now += after_s
        return [change for event in happened for change in self.writer.write(event)]


def parts(changes: list[RecordChange]) -> list[str]:
    return [part for part, _ in changes]


def turn(number: int = 1, wait_s: float = 0.6) -> events.TurnMeasured:
    return events.TurnMeasured(number, wait_s, 0.2, 0.3, 0.001, 0.099)


def line(text: str, who: str = "caller") -> events.TranscriptLine:
    return events.TranscriptLine(who, text, "item_1")


def ended(ending: Ending = Ending.CALLER_HUNG_UP) -> events.CallEnded:
    return events.CallEnded(ending, "busy line", True, 10.12349, (), 0, 0, 0)


# --- Single values ---


def test_each_stage_is_reached_once() -> None:
    writing = Writing()
    assert writing.write(events.ModelReady(0.2, None), after_s=0.2) == [SUMMARY]
    assert writing.write(events.ModelReady(1.0, None), after_s=0.8) == []
    assert writing.record.model_ready_s == 0.2
    writing.write(events.CallerConnected(1.5), after_s=0.5)
    assert (writing.record.state, writing.record.arrived_s) == ("talking", 1.5)
    assert writing.write(events.FirstAudioSent(2.0, 0.5), after_s=0.5) == [SUMMARY]
    assert writing.record.first_sound_s == 2.0


def test_an_outbound_call_rings_and_is_answered() -> None:
    writing = Writing()
    writing.write(events.CalleeRinging(), after_s=1.0)
    writing.write(events.CalleeAnswered(), after_s=2.0)
    assert (writing.record.rings_s, writing.record.answered_s) == (1.0, 3.0)
    assert writing.write(events.AnswererDetected("machine")) == [SUMMARY]
    assert writing.record.answered_by == "machine"


def test_a_kind_of_answerer_that_the_schema_lacks_changes_nothing() -> None:
    writing = Writing()
    assert writing.write(events.AnswererDetected("parrot")) == []
    assert writing.record.answered_by is None


def test_an_event_of_no_interest_changes_nothing() -> None:
    assert Writing().write(events.KeyPressed()) == []


def test_a_cost_is_kept_as_a_decimal_and_none_does_not_take_it_away() -> None:
    writing = Writing()
    writing.writer.cost(Decimal("0.0123456789"))
    writing.writer.cost(None)
    assert writing.record.cost_usd == "0.012346"


def test_times_are_rounded_and_never_before_the_call() -> None:
    writing = Writing()
    writing.now += 1.23456
    assert writing.writer.now_s() == 1.235
    assert writing.writer.now_s(ago_s=0.2) == 1.035
    assert writing.writer.now_s(ago_s=2.0) == 0.0


def test_the_end_says_how_and_how_long() -> None:
    writing = Writing()
    assert writing.write(ended(Ending.MEDIA_STALLED)) == [SUMMARY]
    record = writing.record
    assert (record.state, record.seconds, record.ending) == ("ended", 10.123, "media_stalled")
    assert (record.reason, record.well) == ("busy line", False)


# --- Who spoke when ---


def test_the_timeline_has_who_spoke_when() -> None:
    writing = Writing()
    writing.write(events.ModelSpeechStarted(), after_s=1.0)
    writing.write(events.CallerSpeechStarted(0.3), after_s=2.0)
    writing.write(events.ModelSpeechEnded())
    writing.write(events.CallerSpeechEnded(0.5), after_s=1.5)
    spans = [(s.who, s.from_s, s.to_s) for s in writing.record.timeline]
    assert spans == [("model", 1.0, 3.0), ("caller", 2.7, 4.0)]


@pytest.mark.parametrize(
    ("pause_s", "joined"),
    [
        (limits.records.RECORD_SPAN_GAP_S, True),
        (limits.records.RECORD_SPAN_GAP_S + 0.001, False),
    ],
)
def test_a_short_gap_does_not_cut_a_sentence_in_two(pause_s: float, joined: bool) -> None:
    writing = Writing(now=0.0)
    writing.write(events.ModelSpeechStarted())
    writing.write(events.ModelSpeechEnded())
    changes = writing.write(events.ModelSpeechStarted(), after_s=pause_s)
    assert parts(changes) == ["timeline"]
    assert len(writing.record.timeline) == (1 if joined else 2)
    assert writing.record.timeline[-1].to_s is None


def test_speech_does_not_begin_before_the_one_before_it_ended() -> None:
    writing = Writing()
    writing.write(events.CallerSpeechStarted(0.0), after_s=1.0)
    writing.write(events.CallerSpeechEnded(0.0), after_s=1.0)
    # Reported late: by that it would have begun while the first one lasted.
    writing.write(events.CallerSpeechStarted(3.0), after_s=2.0)
    assert [(s.from_s, s.to_s) for s in writing.record.timeline] == [(1.0, None)]


def test_speech_does_not_end_before_it_began() -> None:
    writing = Writing()
    writing.write(events.CallerSpeechStarted(0.0), after_s=2.0)
    writing.write(events.CallerSpeechEnded(1.0))
    assert [(s.from_s, s.to_s) for s in writing.record.timeline] == [(2.0, 2.0)]


def test_an_end_without_a_beginning_changes_nothing() -> None:
    assert Writing().write(events.ModelSpeechEnded(), events.CallerSpeechEnded(0.1)) == []


def test_the_end_of_the_call_ends_every_speech() -> None:
    writing = Writing()
    writing.write(events.ModelSpeechStarted(), events.CallerSpeechStarted(0.0), after_s=1.0)
    assert parts(writing.write(ended(), after_s=2.0)) == ["timeline", "timeline", "summary"]
    assert [s.to_s for s in writing.record.timeline] == [3.0, 3.0]


# --- What happened ---


def test_a_turn_is_kept_with_its_stages() -> None:
    writing = Writing()
    assert parts(writing.write(turn(1, 0.6), turn(2, 0.8))) == ["latency", "summary"] * 2
    record = writing.writer.record
    first = record.latency[0]
    stages = (first.detection_ms, first.model_ms, first.gateway_ms, first.playback_ms)
    assert (first.wait_ms, stages) == (600, (200, 300, 1, 99))
    assert (record.turns, record.wait_p50_ms, record.wait_p95_ms) == (2, 700, 790)


def test_a_clock_that_stepped_back_makes_no_negative_stage() -> None:
    writing = Writing()
    writing.write(events.TurnMeasured(1, 0.5, -0.01, 0.3, 0.1, 0.1))
    assert writing.record.latency[0].detection_ms == 0


def test_interruptions_tools_and_tokens_are_counted() -> None:
    writing = Writing()
    usage = events.UsageCounted("gpt-realtime-2.1", Usage(total_tokens=120))
    writing.write(events.BargedIn("item_1", 420, 0.15), events.BargedIn(None, -5, 0.0))
    writing.write(events.ToolCalled("end_call"), events.HostedToolCalled("crm", "find"))
    writing.write(usage, usage)
    record = writing.record
    assert (record.barge_ins, record.tools, record.tokens) == (2, 2, 240)
    heard = [(one.heard_ms, one.reaction_ms) for one in record.interruptions]
    assert heard == [(420, 150), (0, 0)]
    assert [one.name for one in record.tool_calls] == ["end_call", "crm: find"]


def test_a_tool_s_name_is_bounded() -> None:
    writing = Writing()
    most = limits.tools.TOOL_SHOWN_MAX_CHARS
    writing.write(events.ToolCalled("x" * (most + 1)))
    writing.write(events.ApprovalRequested("a1", "crm", "y" * (most + 1), "{}", 30.0))
    assert len(writing.record.tool_calls[0].name) == most
    assert len(writing.record.approvals[0].tool) == most


def test_an_approval_is_open_until_it_is_decided() -> None:
    writing = Writing()
    asked = events.ApprovalRequested("a1", "crm", "find", '{"name": "Smith"}', 30.00049)
    assert parts(writing.write(asked, after_s=2.0)) == ["approvals"]
    (one,) = writing.record.approvals
    assert (one.at_s, one.until_s, one.outcome) == (2.0, 32.0, None)
    assert writing.write(events.ApprovalResolved("a2", "crm", "denied")) == []
    assert writing.write(events.ApprovalResolved("a1", "crm", "denied")) == [("approvals", one)]
    assert (one.outcome, one.arguments) == ("denied", "")


def test_a_hand_over_changes_who_leads_and_has_the_cost_until_then() -> None:
    writing = Writing()
    writing.writer.cost(Decimal("0.25"))
    changed = events.AgentChanged("desk", "billing", "gpt-realtime-2.1-mini")
    assert parts(writing.write(changed, after_s=3.0)) == ["hand_overs", "summary"]
    (one,) = writing.record.hand_overs
    assert (one.at_s, one.before, one.agent, one.cost_usd) == (3.0, "desk", "billing", "0.250000")
    record = writing.record
    assert (record.agent, record.model) == ("billing", "gpt-realtime-2.1-mini")
    assert writing.write(events.LanguageChanged("fr")) == [SUMMARY]
    assert record.language == "fr"


def test_a_message_is_kept_as_it_was_given() -> None:
    writing = Writing()
    assert parts(writing.write(events.MessageTaken("Call me.", "Lee", ""), after_s=2.0)) == [
        "messages"
    ]
    (message,) = writing.record.messages
    assert (message.at_s, message.text, message.name, message.callback) == (
        2.0,
        "Call me.",
        "Lee",
        "",
    )


def test_callers_words_stand_where_they_were_spoken() -> None:
    """They are transcribed only after the answer has begun."""
    writing = Writing()
    writing.write(events.CallerSpeechStarted(0.0), after_s=1.0)
    writing.write(events.CallerSpeechEnded(0.0), after_s=1.0)
    answer = (events.ModelSpeechStarted(), line("Certainly.", "model"), line(" Help me. "))
    writing.write(*answer, after_s=1.0)
    lines = [(one.at_s, one.who, one.text) for one in writing.record.transcript]
    assert lines == [(3.0, "model", "Certainly."), (1.0, "caller", "Help me.")]


def test_words_without_speech_stand_at_the_moment() -> None:
    writing = Writing()
    writing.write(line("Hello."), after_s=4.0)
    assert writing.record.transcript[0].at_s == 4.0
    assert writing.write(line("   ")) == []


# --- Bounds ---


def test_nothing_grows_without_end() -> None:
    writing = Writing()
    spans, lines = limits.records.RECORD_SPANS_MAX, limits.call.TRANSCRIPT_LINES_MAX
    kept = limits.call.TURNS_KEPT_MAX
    for _ in range(spans + 1):
        writing.write(events.ModelSpeechStarted(), after_s=1.0)
        writing.write(events.ModelSpeechEnded(), after_s=1.0)
    for _ in range(lines + 1):
        writing.write(line("word"))
    for number in range(kept + 1):
        writing.write(turn(number), events.BargedIn(None, 1, 0.1), events.ToolCalled("look"))
        writing.write(events.ApprovalRequested(str(number), "crm", "find", "", 30.0))
    record = writing.record
    assert (len(record.timeline), len(record.transcript)) == (spans, lines)
    assert [
        len(record.latency),
        len(record.interruptions),
        len(record.tool_calls),
        len(record.approvals),
    ] == [kept] * 4
    assert (record.turns, record.barge_ins, record.tools) == (kept, kept + 1, kept + 1)


def test_words_fill_their_bound_exactly() -> None:
    writing = Writing()
    one, most = limits.call.TRANSCRIPT_LINE_MAX_CHARS, limits.call.TRANSCRIPT_MAX_CHARS
    writing.write(line("x" * (one + 1)))
    assert len(writing.record.transcript[0].text) == one
    for _ in range(most // one - 1):
        writing.write(line("x" * one))
    rest = most % one
    assert writing.write(line("x" * (rest + 1))) == []
    assert not rest or parts(writing.write(line("x" * rest))) == ["transcript"]
    assert sum(len(kept.text) for kept in writing.record.transcript) == most


def test_an_agent_that_stops_the_recording_is_named() -> None:
    book = Writing()
    book.record.privacy = RecordPrivacy()
    assert book.write(events.RecordingPaused("tool")) == []
    book.write(events.AgentChanged("desk", "billing", "gpt-realtime-2.1"))
    changes = book.write(events.RecordingPaused("agent"))
    assert parts(changes) == ["privacy"]
    assert book.record.privacy == RecordPrivacy(recording_stopped_by="billing")


def test_who_stopped_the_recording_stays_named_under_other_switches() -> None:
    book = Writing()
    assert parts(book.write(events.PrivacyChanged(CallPrivacy("transcript")))) == ["privacy"]
    assert book.record.privacy == RecordPrivacy(record="transcript")
    book.record.privacy = RecordPrivacy(recording_stopped_by="billing")
    book.write(events.PrivacyChanged(CallPrivacy("transcript")))
    assert book.record.privacy == RecordPrivacy("transcript", recording_stopped_by="billing")
