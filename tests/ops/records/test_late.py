"""What comes of a call after its end, written once however often it is applied."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from database_end import ended_call, open_database

from gateway import limits
from gateway.call import events
from gateway.ops.records.late import LateCall, LateParts, LateWrites, complete
from gateway.ops.records.record import RecordLine, RecordQuote, RecordResult, SpeechSpan
from gateway.protocols.realtime_server import Usage


def late(filed_at: str = "2026-09-21T14:20:00.000+00:00") -> LateParts:
    call, result = ended_call(), RecordResult(filed_at, "filed", fields={"reason": "invoice"})
    return LateParts(call.id, result, [RecordLine(9.0, "caller", "Bye.")], 30, "0.5")


def test_what_came_late_is_added_once() -> None:
    record = ended_call(tokens=10)
    assert complete(record, late())
    assert not complete(record, late())
    assert (record.tokens, len(record.transcript), record.cost_usd) == (40, 1, "0.5")


def test_a_later_result_takes_the_place_of_the_first() -> None:
    record = ended_call()
    complete(record, late())
    assert complete(record, late("2026-09-21T15:00:00.000+00:00"))


async def test_the_write_done_twice_is_as_if_done_once(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        writes, parts = LateWrites(end.history.change), late()
        call = end.history.ended(ended_call(), "+15551230042")
        data = LateWrites.write(parts).data
        for apply, given in (
            (end.history.apply, call.data),
            (writes.apply, data),
            (writes.apply, data),
        ):
            await end.database.write(lambda c, a=apply, d=given: a(c, d))  # type: ignore[misc]
        record = await end.history.find(parts.call_id)
        assert record is not None
        assert record.tokens == 30
        assert record.result == parts.result


async def test_a_call_that_was_not_kept_stays_so(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        data = LateWrites.write(late()).data
        await end.database.write(lambda c: LateWrites(end.history.change).apply(c, data))
        assert await end.history.find(late().call_id) is None


def test_what_came_late_is_handed_on_with_the_result() -> None:
    record = ended_call()
    late_call = LateCall(record, keeps_words=True)
    line = limits.call.TRANSCRIPT_LINE_MAX_CHARS
    for event, cost_usd in (
        (events.TranscriptLine("caller", " Bye. ", "i1"), None),
        (events.TranscriptLine("caller", "x" * (line + 1), "i2"), Decimal("0.1")),
        (events.TranscriptLine("caller", "  ", "i3"), None),
        (events.UsageCounted("m", Usage(total_tokens=30)), Decimal("0.25")),
        (events.UsageCounted("m", Usage(total_tokens=12)), None),
    ):
        assert late_call.on_event(event, cost_usd, 1.0) is None
    record.timeline = [
        SpeechSpan("caller", 1.0, 2.0),
        SpeechSpan("caller", 5.0, 6.0),
        SpeechSpan("model", 7.0, 8.0),
    ]
    late_call.on_event(events.TranscriptLine("caller", "Again.", "i4"), None, 1.0)
    quote = {"item_id": "i1", "quote": "Bye."}
    filed = events.ResultFiled("filed", "", 2, {"a": 1}, {"a": [quote]}, ("b",))
    parts = late_call.on_event(filed, None, 1_790_000_000.25)
    assert parts == LateParts(
        record.id,
        RecordResult(
            "2026-09-21T14:13:20.250+00:00",
            "filed",
            "",
            2,
            {"a": 1},
            {"a": [RecordQuote("i1", "Bye.")]},
            ["b"],
        ),
        [
            RecordLine(0.0, "caller", "Bye."),
            RecordLine(0.0, "caller", "x" * line),
            RecordLine(5.0, "caller", "Again."),
        ],
        42,
        "0.250000",
    )


def test_of_a_call_whose_words_are_not_kept_no_late_words_are() -> None:
    late_call = LateCall(ended_call(), keeps_words=False)
    late_call.on_event(events.TranscriptLine("caller", "Bye.", "i1"), None, 1.0)
    parts = late_call.on_event(events.ResultFiled("skipped", "no_words", 0, {}, {}, ()), None, 1.0)
    assert parts is not None
    assert (parts.lines, parts.tokens, parts.cost_usd) == ([], 0, None)
    assert LateParts("CA1", parts.result).tokens == 0


def test_late_words_fill_the_transcript_and_no_more() -> None:
    most = limits.call.TRANSCRIPT_LINES_MAX
    record = ended_call(transcript=[RecordLine(1.0, "model", "x")] * (most - 1), cost_usd="0.1")
    parts = late()
    parts.lines, parts.cost_usd = [*parts.lines, RecordLine(9.5, "caller", "More.")], None
    assert complete(record, parts)
    assert [line.text for line in record.transcript[-2:]] == ["x", "Bye."]
    assert (len(record.transcript), record.cost_usd) == (most, "0.1")
