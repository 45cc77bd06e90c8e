"""Records of running and ended calls.

While a call runs, whoever holds the operators' token sees all of it. What is left of it then is
for its agent to say (`record`): nothing; who spoke when and how long things took; or that and
what people said.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.call import events
from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.call.privacy.call_privacy import CallPrivacy
from gateway.errors import DatabaseAway
from gateway.ops.database.write_behind import WriteBehind
from gateway.ops.records.callers import normalized
from gateway.ops.records.event_stream import EventStream
from gateway.ops.records.history import (
    US,
    CallFilter,
    CallHistory,
    EndedEvent,
    EventType,
    Position,
    micros,
)
from gateway.ops.records.late import LateCall, LateWrites, complete
from gateway.ops.records.live_changes import EndedLine, LiveChanges
from gateway.ops.records.record import CallRecord, CallSummary, privacy_of
from gateway.ops.records.record_writer import RecordWriter
from gateway.ops.records.unkept import unkept
from gateway.ops.telemetry.logs import masked

DAY_S: Final = 86_400


class CallOutbox(Protocol):
    """Outbox of events, as far as records need it."""

    def ended(self, call: CallInfo, ending: Ending) -> EndedEvent | None:
        """Return the identity of an ended call's event, None where nobody is to get it."""
        ...

    def end_outline(self, call: CallInfo, ending: Ending, outline: Mapping[str, Any]) -> None:
        """Have the end of a call delivered that keeps no record."""
        ...

    def add(self, event_type: EventType, call: CallInfo, data: Mapping[str, Any]) -> None:
        """Have an event delivered."""
        ...


class Page(NamedTuple):
    """Part of the list of ended calls."""

    calls: list[CallSummary]
    after: Position | None
    """Where the next page begins; None behind the last."""
    complete: bool
    """False while the database is away: then only what waits for it is here."""


class _Live(NamedTuple):
    writer: RecordWriter
    privacy: CallPrivacy
    call: CallInfo
    expects_result: bool
    resumed: bool
    had_kept: bool
    """Whether it was led by an agent that keeps something, its recording for instance."""


class _Ended(NamedTuple):
    record: CallRecord
    caller: str


class RecordStore:
    """`clock` is monotonic, `wall` tells the time of day."""

    def __init__(
        self,
        event_stream: EventStream,
        history: CallHistory,
        writes: WriteBehind,
        outbox: CallOutbox,
        changes: LiveChanges,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._event_stream, self._history, self._writes = event_stream, history, writes
        self._outbox, self._changes = outbox, changes
        self._clock, self._wall = clock, wall
        self._live: dict[str, _Live] = {}
        self._unwritten: OrderedDict[str, _Ended] = OrderedDict()
        """Ended calls that are not in the database yet."""
        self._late: OrderedDict[str, LateCall] = OrderedDict()
        """Ended calls whose result is still being asked for."""

    # --- From the calls ---

    def open(
        self,
        call: CallInfo,
        agent: Agent,
        privacy: CallPrivacy | None = None,
        *,
        resumed: bool = False,
    ) -> None:
        """Open the record of an announced call; an outbound call keeps the one it has.

        `privacy` are the switches where other agents took part before; by default the agent's.
        `resumed`: whether another stream or process had a part of the call.
        """
        if call.direction == "outbound" and call.key in self._live:
            return
        privacy = privacy or CallPrivacy.of(agent)
        began = datetime.fromtimestamp(self._wall(), UTC)
        record = CallRecord(
            id=call.key,
            call_sid=call.call_sid,
            agent=call.agent,
            model=agent.model,
            path=call.path,
            caller=masked(call.caller),
            dialled=masked(call.dialled),
            began_at=began.isoformat(timespec="milliseconds"),
            direction="outbound" if call.direction == "outbound" else "inbound",
            privacy=privacy_of(privacy),
        )
        writer = RecordWriter(record, self._clock)
        kept = privacy.record != "none"
        self._live[call.key] = _Live(writer, privacy, call, agent.result is not None, resumed, kept)
        self._event_stream.publish(call.key, "summary", record.summary())
        self._event_stream.publish(call.key, "privacy", record.privacy)

    def on_event(
        self, call: CallInfo, event: events.CallEvent, cost_usd: Decimal | None = None
    ) -> None:
        """`cost_usd` is what the call has cost so far; None where nobody counts, or as before."""
        live = self._live.get(call.key)
        if live is None:
            return self._on_late_event(call, event, cost_usd)
        if isinstance(event, events.PrivacyChanged):
            live = self._live[call.key] = live._replace(privacy=event.privacy)
        elif isinstance(event, events.AgentChanged):
            live = self._live[call.key] = live._replace(expects_result=event.wants_result)
        writer = live.writer
        writer.cost(cost_usd)
        changes = writer.write(event)
        if changes:
            self._changes.changed(call.key)
        if changes and self._event_stream.watched:
            for part, value in changes:
                told = writer.record.summary() if part == "summary" else value
                self._event_stream.publish(call.key, part, told, writer.now_s())
        if isinstance(event, events.CallerConnected):
            self._outbox.add("call.started", call, {"began_at": writer.record.began_at})
        elif isinstance(event, events.MessageTaken) and live.privacy.record != "none":
            left = {"text": event.text, "name": event.name, "callback": event.callback}
            self._outbox.add("message.taken", call, left)
        if isinstance(event, events.CallEnded):
            self._close(call.key, event.ending)
        return None

    def _close(self, key: str, ending: Ending) -> None:
        live = self._live.pop(key)
        record, privacy = live.writer.record, live.privacy
        self._changes.ended(EndedLine(record.summary(), self._clock()))
        if privacy.record == "none":
            # Nothing is kept, and nobody learns more than that there was a call.
            self._outbox.end_outline(live.call, ending, _outline(record))
            if live.resumed or live.had_kept:
                self._writes.add(unkept(key, live.call.call_sid))
            return
        if privacy.record != "transcript":
            record.transcript = []
        if live.expects_result:
            self._late[key] = LateCall(record, keeps_words=privacy.record == "transcript")
            while len(self._late) > limits.records.LATE_CALLS_MAX:
                self._late.popitem(last=False)
        caller = live.call.caller
        ended = _Ended(record, caller)
        self._unwritten[key] = ended
        self._unwritten.move_to_end(key)
        while len(self._unwritten) > limits.records.RECORDS_KEPT_MAX:
            self._unwritten.popitem(last=False)  # the spool has it
        delete_at = None
        if privacy.retain_days is not None:
            delete_at = round((self._wall() + privacy.retain_days * DAY_S) * US)
        event = self._outbox.ended(live.call, ending)
        write = self._history.ended(record, caller, delete_at, event)
        self._writes.add(write, written=partial(self._written, key, ended))

    def _on_late_event(
        self, call: CallInfo, event: events.CallEvent, cost_usd: Decimal | None
    ) -> None:
        ended = self._late.get(call.key)
        late = ended.on_event(event, cost_usd, self._wall()) if ended is not None else None
        if ended is None or late is None:
            return
        del self._late[call.key]
        complete(ended.record, late)
        self._event_stream.publish(call.key, "result", late.result)
        self._writes.add(LateWrites.write(late))
        self._outbox.add("call.result", call, {"result": late.result})

    def _written(self, key: str, ended: _Ended) -> None:
        if self._unwritten.get(key) is ended:
            del self._unwritten[key]

    # --- For the operators ---

    def live(self, wanted: CallFilter | None = None) -> list[CallSummary]:
        """Return running calls of this process, newest first."""
        found = (
            (live.writer.record.summary(), live.call.caller)
            for live in reversed(self._live.values())
        )
        return [call for call, caller in found if wanted is None or _takes(wanted, call, caller)]

    def live_callers(self) -> dict[str, str]:
        """Return the keys of running calls, newest first, each with its caller's number."""
        return {key: live.call.caller for key, live in reversed(self._live.items())}

    async def ended(self, wanted: CallFilter, most: int, after: Position | None = None) -> Page:
        """Return ended calls of all processes, newest first.

        Raises DatabaseAway for every page but the first.
        """
        unwritten = [
            one.record.summary()
            for one in self._unwritten.values()
            if _takes(wanted, one.record, one.caller)
        ]
        if after is not None:
            unwritten = [one for one in unwritten if _position(one) < after]
        try:
            stored, following = await self._history.page(wanted, most, after)
        except DatabaseAway:
            if after is not None:
                raise
            return Page(sorted(unwritten, key=_position, reverse=True)[:most], None, False)
        # Written while the page was read, a call would be in both.
        calls = {one.id: one for one in (*unwritten, *stored)}
        ordered = sorted(calls.values(), key=_position, reverse=True)
        if len(ordered) > most:
            ordered = ordered[:most]
            following = _position(ordered[-1])
        return Page(ordered, following, True)

    def find_live(self, key: str) -> CallRecord | None:
        """Return the record of a running call of this process."""
        live = self._live.get(key)
        return None if live is None else live.writer.record

    async def find_ended(self, key: str) -> CallRecord | None:
        """Return the record of an ended call. Raises DatabaseAway."""
        ended = self._unwritten.get(key)
        return await self._history.find(key) if ended is None else ended.record

    async def find(self, key: str) -> CallRecord | None:
        """Return the record of a running call of this process, or of an ended one."""
        return self.find_live(key) or await self.find_ended(key)

    def close(self) -> None:
        """End every subscription: the process stops."""
        self._event_stream.close()


def _takes(wanted: CallFilter, call: CallSummary, caller: str) -> bool:
    same = not wanted.caller or normalized(wanted.caller) == normalized(caller)
    return same and wanted.takes(call)


def _outline(record: CallRecord) -> dict[str, Any]:
    return {
        "began_at": record.began_at,
        "seconds": record.seconds,
        "ending": record.ending,
        "well": record.well,
    }


def _position(call: CallSummary) -> Position:
    return Position(micros(call.began_at), call.id)
