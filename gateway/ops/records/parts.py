"""One record of a call that several processes or streams had, one after the other.

Each of them writes what it has seen. Times of a part are seconds since that part was announced;
merged, they are seconds since the call was.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TypeVar

import msgspec

from gateway import limits
from gateway.call.privacy.call_privacy import CallPrivacy, ordered
from gateway.ops.records.record import CallRecord, RecordPrivacy, privacy_of
from gateway.ops.records.redacted import redact_words
from gateway.ops.telemetry.logs import percentiles

T = TypeVar("T")


def merged(one: CallRecord, other: CallRecord) -> CallRecord:
    """Return the record of a call of which these are two parts, in any order."""
    first, last = sorted((one, other), key=lambda part: (_began(part), _ended_at(part)))
    shift_s = _began(last) - _began(first)
    # The longer part may reach around the shorter one.
    goes_on = _ended_at(last) > _ended_at(first)
    last = _shifted(last, shift_s, first.turns)
    newer = last if goes_on else first
    result = msgspec.structs.replace(
        newer,
        began_at=first.began_at,
        recording=last.recording or first.recording,
        turns=first.turns + last.turns,
        barge_ins=first.barge_ins + last.barge_ins,
        tools=first.tools + last.tools,
        tokens=first.tokens + last.tokens,
        cost_usd=_larger(first.cost_usd, last.cost_usd),
        timeline=[*first.timeline, *last.timeline][: limits.records.RECORD_SPANS_MAX],
        latency=[*first.latency, *last.latency][: limits.call.TURNS_KEPT_MAX],
        interruptions=[*first.interruptions, *last.interruptions][: limits.call.TURNS_KEPT_MAX],
        tool_calls=[*first.tool_calls, *last.tool_calls][: limits.call.TURNS_KEPT_MAX],
        approvals=[*first.approvals, *last.approvals][: limits.call.TURNS_KEPT_MAX],
        transcript=[*first.transcript, *last.transcript][: limits.call.TRANSCRIPT_LINES_MAX],
        messages=[*first.messages, *last.messages],
        hand_overs=[*first.hand_overs, *last.hand_overs],
        language=last.language or first.language,
    )
    result.result = newer.result or first.result or last.result
    for name in ("rings_s", "answered_s", "answered_by", "arrived_s", "model_ready_s"):
        setattr(result, name, _first_of(getattr(first, name), getattr(last, name)))
    result.first_sound_s = _first_of(first.first_sound_s, last.first_sound_s)
    # The caller may never have reached the last part: it takes no time away.
    length_s = max(_length_s(first), _length_s(last))
    result.seconds = round(length_s - (result.arrived_s or 0.0), 3)
    waits_s = tuple(turn.wait_ms / 1000 for turn in result.latency)
    result.wait_p50_ms, result.wait_p95_ms = percentiles(waits_s)
    result.privacy = _strictest(first.privacy, last.privacy)
    if result.privacy is not None and result.privacy.record != "transcript":
        result.transcript = []
    if first.privacy != last.privacy:
        redact_words(result)
    return result


def _strictest(one: RecordPrivacy | None, other: RecordPrivacy | None) -> RecordPrivacy | None:
    """Return the switches of a call whose parts had these: an agent may have joined in one."""
    if one is None or other is None:
        return one or other
    stopped_by = one.recording_stopped_by or other.recording_stopped_by
    return privacy_of(_switches(one).strictest(_switches(other)), stopped_by)


def _switches(privacy: RecordPrivacy) -> CallPrivacy:
    return CallPrivacy(
        privacy.record,
        privacy.preset,
        ordered(privacy.redact),
        privacy.retain_days,
        privacy.transcribed,
    )


def _shifted(record: CallRecord, by_s: float, turns: int) -> CallRecord:
    """Return the record as it goes on after so many turns, from a moment that was earlier."""

    def later(at_s: float) -> float:
        return round(at_s + by_s, 3)

    replace = msgspec.structs.replace
    shifted = replace(
        record,
        timeline=[
            replace(s, from_s=later(s.from_s), to_s=None if s.to_s is None else later(s.to_s))
            for s in record.timeline
        ],
        latency=[
            replace(one, at_s=later(one.at_s), number=one.number + turns) for one in record.latency
        ],
        interruptions=[replace(one, at_s=later(one.at_s)) for one in record.interruptions],
        tool_calls=[replace(one, at_s=later(one.at_s)) for one in record.tool_calls],
        approvals=[
            replace(one, at_s=later(one.at_s), until_s=later(one.until_s))
            for one in record.approvals
        ],
        transcript=[replace(one, at_s=later(one.at_s)) for one in record.transcript],
        messages=[replace(one, at_s=later(one.at_s)) for one in record.messages],
        hand_overs=[replace(one, at_s=later(one.at_s)) for one in record.hand_overs],
    )
    for name in ("rings_s", "answered_s", "arrived_s", "model_ready_s", "first_sound_s"):
        at_s = getattr(record, name)
        setattr(shifted, name, None if at_s is None else later(at_s))
    return shifted


def _began(record: CallRecord) -> float:
    return datetime.fromisoformat(record.began_at).timestamp()


def _length_s(record: CallRecord) -> float:
    return (record.arrived_s or 0.0) + (record.seconds or 0.0)


def _ended_at(record: CallRecord) -> float:
    return _began(record) + _length_s(record)


def _first_of(one: T | None, other: T | None) -> T | None:
    return other if one is None else one


def _larger(one: str | None, other: str | None) -> str | None:
    """Return the cost of the later part, which includes what was spent before."""
    known = [cost for cost in (one, other) if cost is not None]
    return max(known, key=Decimal) if known else None
