"""Writing of a call's record: what each call event changes in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from gateway import limits
from gateway.call import events
from gateway.call.dialogue.recording import AGENT
from gateway.ops.records.record import (
    CallRecord,
    RecordApproval,
    RecordHandOver,
    RecordInterruption,
    RecordLine,
    RecordMessage,
    RecordToolUse,
    RecordTurn,
    SpeechSpan,
    Who,
    privacy_of,
)
from gateway.ops.records.redacted import redact_words
from gateway.ops.telemetry.logs import percentiles

RecordChange = tuple[str, Any]
"""A part of the record, and what was added to it."""
SUMMARY: Final[RecordChange] = ("summary", None)
"""One of the single values is another: `CallRecord.summary` has them all."""


class RecordWriter:
    """Writer that applies the events of one call to its record."""

    def __init__(self, record: CallRecord, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds; the call was announced at its present reading."""
        self._record = record
        self._clock = clock
        self._began = clock()
        self._chars = 0

    @property
    def record(self) -> CallRecord:
        """Return the record as it is now; percentiles are computed here, on demand."""
        record = self._record
        waits_s = tuple(turn.wait_ms / 1000 for turn in record.latency)
        record.wait_p50_ms, record.wait_p95_ms = percentiles(waits_s)
        return record

    def write(self, event: events.CallEvent) -> list[RecordChange]:
        """Apply one event; return what it changed, in order, empty for one of no interest."""
        handler = _HANDLERS.get(type(event))
        return list(handler(self, event)) if handler is not None else []

    def cost(self, usd: Decimal | None) -> None:
        """Set the cost so far, which the next change of the summary publishes.

        None, where the model has no price, changes nothing.
        """
        if usd is not None:
            self._record.cost_usd = f"{usd:.6f}"

    def now_s(self, ago_s: float = 0.0) -> float:
        """Return the seconds since the call was announced, `ago_s` before now, at least 0."""
        return round(max(0.0, self._clock() - self._began - ago_s), 3)

    def _reached(self, name: str) -> Iterator[RecordChange]:
        if getattr(self._record, name) is None:
            setattr(self._record, name, self.now_s())
            yield SUMMARY

    def _arrived(self, _event: events.CallerConnected) -> Iterator[RecordChange]:
        self._record.state = "talking"
        yield from self._reached("arrived_s")

    def _answered_by(self, event: events.AnswererDetected) -> Iterator[RecordChange]:
        if event.who in ("human", "machine", "fax", "unknown"):
            self._record.answered_by = event.who  # type: ignore[assignment] # one of them
            yield SUMMARY

    # --- Who spoke when ---

    def _began_speaking(self, who: Who, ago_s: float) -> Iterator[RecordChange]:
        last, from_s = self._last(who), self.now_s(ago_s)
        if last is not None and last.to_s is not None:
            from_s = max(from_s, last.to_s)
            if from_s - last.to_s <= limits.records.RECORD_SPAN_GAP_S:
                last.to_s = None
                yield "timeline", last
                return
        if len(self._record.timeline) < limits.records.RECORD_SPANS_MAX:
            span = SpeechSpan(who, from_s)
            self._record.timeline.append(span)
            yield "timeline", span

    def _fell_silent(self, who: Who, ago_s: float) -> Iterator[RecordChange]:
        last = self._last(who)
        if last is not None and last.to_s is None:
            last.to_s = max(last.from_s, self.now_s(ago_s))
            yield "timeline", last

    def _last(self, who: Who) -> SpeechSpan | None:
        return next((s for s in reversed(self._record.timeline) if s.who == who), None)

    # --- What happened ---

    def _turn(self, event: events.TurnMeasured) -> Iterator[RecordChange]:
        turn = RecordTurn(
            number=event.number,
            at_s=self.now_s(),
            wait_ms=_ms(event.wait_s),
            detection_ms=_ms(event.detection_s),
            model_ms=_ms(event.model_s),
            gateway_ms=_ms(event.gateway_s),
            playback_ms=_ms(event.playback_s),
        )
        if len(self._record.latency) < limits.call.TURNS_KEPT_MAX:
            self._record.latency.append(turn)
            yield "latency", turn
        self._record.turns = event.number
        yield SUMMARY

    def _barged_in(self, event: events.BargedIn) -> Iterator[RecordChange]:
        self._record.barge_ins += 1
        if len(self._record.interruptions) < limits.call.TURNS_KEPT_MAX:
            one = RecordInterruption(self.now_s(), max(0, event.heard_ms), _ms(event.reaction_s))
            self._record.interruptions.append(one)
            yield "interruptions", one
        yield SUMMARY

    def _handed_over(self, event: events.AgentChanged) -> Iterator[RecordChange]:
        record = self._record
        one = RecordHandOver(self.now_s(), event.before, event.agent, event.model, record.cost_usd)
        record.hand_overs.append(one)  # the call bounds their number
        record.agent, record.model = event.agent, event.model
        yield "hand_overs", one
        yield SUMMARY

    def _privacy_changed(self, event: events.PrivacyChanged) -> Iterator[RecordChange]:
        record, before = self._record, self._record.privacy
        stopped_by = before.recording_stopped_by if before is not None else ""
        record.privacy = privacy_of(event.privacy, stopped_by)
        yield "privacy", record.privacy
        if before is None or set(event.privacy.redact) != set(before.redact):
            # Whoever watched has seen the words; what is kept of them goes by the new switches.
            redact_words(record)

    def _recording_paused(self, event: events.RecordingPaused) -> Iterator[RecordChange]:
        privacy = self._record.privacy
        if event.by == AGENT and privacy is not None and not privacy.recording_stopped_by:
            stopped = msgspec.structs.replace(privacy, recording_stopped_by=self._record.agent)
            self._record.privacy = stopped
            yield "privacy", stopped

    def _in_language(self, event: events.LanguageChanged) -> Iterator[RecordChange]:
        self._record.language = event.language
        yield SUMMARY

    def _approval_asked(self, event: events.ApprovalRequested) -> Iterator[RecordChange]:
        if len(self._record.approvals) < limits.call.TURNS_KEPT_MAX:
            at_s = self.now_s()
            until_s = round(at_s + event.wait_s, 3)
            tool = event.tool[: limits.tools.TOOL_SHOWN_MAX_CHARS]
            one = RecordApproval(
                event.approval_id, at_s, event.server, tool, until_s, event.arguments
            )
            self._record.approvals.append(one)
            yield "approvals", one

    def _approval_done(self, event: events.ApprovalResolved) -> Iterator[RecordChange]:
        one = next((a for a in self._record.approvals if a.id == event.approval_id), None)
        if one is not None:
            one.outcome, one.arguments = event.outcome, ""
            yield "approvals", one

    def _used(self, name: str) -> Iterator[RecordChange]:
        self._record.tools += 1
        if len(self._record.tool_calls) < limits.call.TURNS_KEPT_MAX:
            one = RecordToolUse(self.now_s(), name[: limits.tools.TOOL_SHOWN_MAX_CHARS])
            self._record.tool_calls.append(one)
            yield "tool_calls", one
        yield SUMMARY

    def _line(self, event: events.TranscriptLine) -> Iterator[RecordChange]:
        """Placed where its speech began: a caller's words are written down after the answer."""
        who: Who = "caller" if event.who == "caller" else "model"
        text = event.text.strip()[: limits.call.TRANSCRIPT_LINE_MAX_CHARS]
        fits = (
            len(self._record.transcript) < limits.call.TRANSCRIPT_LINES_MAX
            and self._chars + len(text) <= limits.call.TRANSCRIPT_MAX_CHARS
        )
        if not text or not fits:
            return
        spoken = self._last(who)
        line = RecordLine(spoken.from_s if spoken is not None else self.now_s(), who, text)
        self._chars += len(text)
        self._record.transcript.append(line)
        yield "transcript", line

    def _message(self, event: events.MessageTaken) -> Iterator[RecordChange]:
        message = RecordMessage(self.now_s(), event.text, event.name, event.callback)
        self._record.messages.append(message)  # the call bounds their number
        yield "messages", message

    def _usage(self, event: events.UsageCounted) -> Iterator[RecordChange]:
        self._record.tokens += event.usage.total_tokens
        yield SUMMARY

    def _ended(self, event: events.CallEnded) -> Iterator[RecordChange]:
        for who in ("caller", "model"):
            yield from self._fell_silent(who, 0.0)
        record = self._record
        record.state, record.seconds = "ended", round(event.seconds, 3)
        record.ending, record.reason, record.well = event.ending, event.reason, event.ending.well
        yield SUMMARY


_HANDLERS: Final[Mapping[type, Callable[[RecordWriter, Any], Iterator[RecordChange]]]] = {
    events.ModelReady: lambda w, _: w._reached("model_ready_s"),
    events.SidebandConnected: lambda w, _: w._reached("model_ready_s"),
    events.CallerConnected: RecordWriter._arrived,
    events.CalleeRinging: lambda w, _: w._reached("rings_s"),
    events.CalleeAnswered: lambda w, _: w._reached("answered_s"),
    events.AnswererDetected: RecordWriter._answered_by,
    events.FirstAudioSent: lambda w, _: w._reached("first_sound_s"),
    events.CallerSpeechStarted: lambda w, n: w._began_speaking("caller", n.ago_s),
    events.CallerSpeechEnded: lambda w, n: w._fell_silent("caller", n.ago_s),
    events.ModelSpeechStarted: lambda w, _: w._began_speaking("model", 0.0),
    events.ModelSpeechEnded: lambda w, _: w._fell_silent("model", 0.0),
    events.TurnMeasured: RecordWriter._turn,
    events.BargedIn: RecordWriter._barged_in,
    events.AgentChanged: RecordWriter._handed_over,
    events.PrivacyChanged: RecordWriter._privacy_changed,
    events.RecordingPaused: RecordWriter._recording_paused,
    events.LanguageChanged: RecordWriter._in_language,
    events.ToolCalled: lambda w, n: w._used(n.name),
    events.HostedToolCalled: lambda w, n: w._used(f"{n.server}: {n.tool}"),
    events.ApprovalRequested: RecordWriter._approval_asked,
    events.ApprovalResolved: RecordWriter._approval_done,
    events.TranscriptLine: RecordWriter._line,
    events.MessageTaken: RecordWriter._message,
    events.UsageCounted: RecordWriter._usage,
    events.CallEnded: RecordWriter._ended,
}


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))
