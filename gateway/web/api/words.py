"""Records without words: a viewer sees nothing of what people said, sent or left."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from gateway.ops.records.record import CallRecord

WORDLESS_PARTS: Final = frozenset(
    {
        *("summary", "timeline", "latency", "interruptions", "tool_calls", "hand_overs"),
        *("privacy", "gone"),
    }
)
"""Parts of a record without words; a part that is new is withheld until it stands here."""


class StreamedPart(Struct):
    """Name of the part that an event of the stream is about."""

    part: str


def without_words(record: CallRecord) -> CallRecord:
    """Return the record as a viewer sees it."""
    summary = record.summary()
    names = [name for name in CallRecord.__struct_fields__ if name in WORDLESS_PARTS]
    seen = {name: getattr(record, name) for name in names}
    plain = {name: getattr(summary, name) for name in summary.__struct_fields__}
    return CallRecord(**plain, **seen)
