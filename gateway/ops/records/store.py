"""Records of running and ended calls.

While a call runs, whoever holds the operators' token sees all of it. What is left of it then is
for its agent to say (`record`): nothing; who spoke when and how long things took; or that and
what people said.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, Literal

import msgspec

from gateway import limits
from gateway.call import events
from gateway.call.call_info import CallInfo
from gateway.ops.records.archive import RecordArchive
from gateway.ops.records.event_stream import EventStream
from gateway.ops.records.record import CallRecord, CallSummary, RecordWriter
from gateway.ops.telemetry.logs import masked

_decoder: Final = msgspec.json.Decoder(CallRecord)
_encode: Final = msgspec.json.Encoder().encode


class RecordStore:
    """`clock` is monotonic, `wall` tells the time of day."""

    def __init__(
        self,
        event_stream: EventStream,
        archive: RecordArchive,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._event_stream, self._archive = event_stream, archive
        self._clock, self._wall = clock, wall
        self._live: dict[str, RecordWriter] = {}
        self._policies: dict[str, str] = {}
        self._ended: OrderedDict[str, CallRecord] = OrderedDict()

    # --- Told by the calls ---

    def open(
        self, call: CallInfo, model: str, policy: Literal["none", "metadata", "transcript"]
    ) -> None:
        """Open the record of an announced call; an outbound call keeps the one it has."""
        if call.direction == "outbound" and call.key in self._live:
            return
        began = datetime.fromtimestamp(self._wall(), UTC)
        record = CallRecord(
            id=call.key,
            call_sid=call.call_sid,
            agent=call.agent,
            model=model,
            path=call.path,
            caller=masked(call.caller),
            dialled=masked(call.dialled),
            began_at=began.isoformat(timespec="milliseconds"),
            direction="outbound" if call.direction == "outbound" else "inbound",
        )
        self._live[call.key] = RecordWriter(record, self._clock)
        self._policies[call.key] = policy
        self._event_stream.publish(call.key, "summary", record.summary())

    def on_event(
        self, call: CallInfo, event: events.CallEvent, cost_usd: Decimal | None = None
    ) -> None:
        """`cost_usd` is what the call has cost so far; None where nobody counts, or as before."""
        writer = self._live.get(call.key)
        if writer is None:
            return
        writer.cost(cost_usd)
        changes = writer.write(event)
        if changes and self._event_stream.watched:
            for part, value in changes:
                told = writer.record.summary() if part == "summary" else value
                self._event_stream.publish(call.key, part, told, writer.now_s())
        if isinstance(event, events.CallEnded):
            self._close(call.key)

    def _close(self, key: str) -> None:
        record, policy = self._live.pop(key).record, self._policies.pop(key)
        if policy == "none":
            return
        if policy != "transcript":
            record.transcript = []
        self._keep(record)
        stamp = datetime.fromisoformat(record.began_at).strftime("%Y%m%dT%H%M%S%f")
        self._archive.save(key, stamp, _encode(record))

    def _keep(self, record: CallRecord) -> None:
        self._ended[record.id] = record
        self._ended.move_to_end(record.id)
        while len(self._ended) > limits.records.RECORDS_KEPT_MAX:
            self._ended.popitem(last=False)

    # --- Asked by the operators ---

    def live(self) -> list[CallSummary]:
        """Newest first."""
        return [writer.record.summary() for writer in reversed(self._live.values())]

    def ended(self) -> list[CallSummary]:
        """Newest first."""
        return [record.summary() for record in reversed(self._ended.values())]

    async def find(self, key: str) -> CallRecord | None:
        """A running call's, one that has ended, or one that only the disk remembers."""
        writer = self._live.get(key)
        if writer is not None:
            return writer.record
        if key in self._ended:
            return self._ended[key]
        data = await asyncio.to_thread(self._archive.find, key)
        record = _decoded(data) if data else None
        return record if record is not None and record.id == key else None

    # --- Life of the process ---

    async def recall(self) -> None:
        """Load the records of earlier processes, behind those that have ended since."""
        for data in await asyncio.to_thread(self._archive.newest, limits.records.RECORDS_KEPT_MAX):
            record = _decoded(data)
            if (
                len(self._ended) < limits.records.RECORDS_KEPT_MAX
                and record
                and record.id not in self._ended
            ):
                self._ended[record.id] = record
                self._ended.move_to_end(record.id, last=False)

    async def close(self) -> None:
        self._event_stream.close()
        await asyncio.to_thread(self._archive.close)


def _decoded(data: bytes) -> CallRecord | None:
    """None for a file that is not, or no longer, a record."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
