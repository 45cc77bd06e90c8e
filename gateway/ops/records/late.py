"""Late parts of a call: its result, its last words, and what both cost, after it has ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from gateway import limits
from gateway.call import events
from gateway.ops.database.write_behind import Write
from gateway.ops.records.record import CallRecord, RecordLine, RecordQuote, RecordResult

if TYPE_CHECKING:
    from sqlalchemy import Connection

RESULT: Final = "result"
"""Kind of the write that adds to a call what came late."""


class LateParts(Struct):
    """Additions to the record of an ended call."""

    call_id: str
    result: RecordResult
    lines: list[RecordLine] = []
    tokens: int = 0
    cost_usd: str | None = None


class LateCall:
    """One ended call whose result is still being asked for."""

    def __init__(self, record: CallRecord, *, keeps_words: bool) -> None:
        self.record, self._keeps_words = record, keeps_words
        self._lines: list[RecordLine] = []
        self._tokens = 0
        self._cost_usd: str | None = None

    def on_event(
        self, event: events.CallEvent, cost_usd: Decimal | None, wall_s: float
    ) -> LateParts | None:
        """Return all that came late, once the result is there."""
        if cost_usd is not None:
            self._cost_usd = f"{cost_usd:.6f}"
        if isinstance(event, events.UsageCounted):
            self._tokens += event.usage.total_tokens
        elif isinstance(event, events.TranscriptLine) and self._keeps_words:
            text = event.text.strip()[: limits.call.TRANSCRIPT_LINE_MAX_CHARS]
            spans = [span for span in self.record.timeline if span.who == "caller"]
            if text:
                self._lines.append(RecordLine(spans[-1].from_s if spans else 0.0, "caller", text))
        elif isinstance(event, events.ResultFiled):
            result = _result(event, wall_s)
            return LateParts(self.record.id, result, self._lines, self._tokens, self._cost_usd)
        return None


def _result(event: events.ResultFiled, wall_s: float) -> RecordResult:
    return RecordResult(
        filed_at=datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds"),
        status=event.status,  # type: ignore[arg-type] # one of them
        reason=event.reason,
        tries=event.tries,
        fields=event.fields,
        evidence={
            name: [RecordQuote(one["item_id"], one["quote"]) for one in quotes]
            for name, quotes in event.evidence.items()
        },
        unproven=list(event.unproven),
    )


def complete(record: CallRecord, late: LateParts) -> bool:
    """Add to a record what came late; False if it is there already."""
    if record.result is not None and record.result.filed_at >= late.result.filed_at:
        return False
    record.result = late.result
    lines = [*record.transcript, *late.lines]
    record.transcript = lines[: limits.call.TRANSCRIPT_LINES_MAX]
    record.tokens += late.tokens
    record.cost_usd = late.cost_usd or record.cost_usd
    return True


Change = Callable[[CallRecord], bool]


class LateWrites:
    """Writes of late parts; `change` changes the record of a call in the database."""

    def __init__(self, change: Callable[[Connection, str, Change], object]) -> None:
        self._change = change

    @staticmethod
    def write(late: LateParts) -> Write:
        return Write(RESULT, msgspec.msgpack.encode(late))

    def apply(self, connection: Connection, data: bytes) -> None:
        """Add the late parts to the call; nothing where the call was not kept."""
        late = msgspec.msgpack.decode(data, type=LateParts)
        self._change(connection, late.call_id, lambda record: complete(record, late))
