"""Running calls of other processes: seen on a board in the shared store, reached by mailboxes.

Each process posts a line for each of its calls every two seconds, and at once when one begins or
ends. A request for a call of another process goes into the mailbox of that process, and its answer
into the mailbox of the asking one.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

import msgspec
import structlog
from msgspec import Struct

from gateway import limits
from gateway.bridge.operators.actions import ActionOutcome, OperatorAction
from gateway.errors import NotDialled
from gateway.ops.records.event_stream import EventStream
from gateway.ops.records.history import CallFilter, micros
from gateway.ops.records.live_changes import EndedLine, LiveChanges
from gateway.ops.records.record import CallRecord, CallSummary
from gateway.ops.records.store import RecordStore
from gateway.ops.store.shared import Store

log = structlog.get_logger()
_BOARD: Final = "live-calls"
Perform = Callable[[str, OperatorAction], Awaitable[ActionOutcome | None]]


class BoardLine(Struct):
    """One running call, or one that ended a moment ago."""

    call: CallSummary
    caller: str
    """Keyed hash of its number, for the filter; empty where it is withheld."""


class OperatorMessage(Struct, omit_defaults=True):
    """Request for a call, or the answer to one."""

    id: str
    reply_to: str = ""
    key: str = ""
    action: OperatorAction | None = None
    """None asks for the record."""
    outcome: ActionOutcome | None = None
    record: CallRecord | None = None
    answers: bool = False


@dataclass(slots=True)
class _Posted:
    """Lines as they were posted last, encoded."""

    lines: dict[str, bytes] = field(default_factory=dict)
    unhashed: set[str] = field(default_factory=set)
    """Calls by whose caller nobody can look: the key of the hash was not known."""
    at: float = float("-inf")


class RemoteCalls:
    """Calls of all processes that share the store; without one, none but one's own are known."""

    def __init__(
        self,
        store: Store,
        changes: LiveChanges,
        records: RecordStore,
        event_stream: EventStream,
        perform: Perform,
        hash_of: Callable[[str], str],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`perform` carries out an action here; `clock` is monotonic, that of the records.

        `hash_of` returns the keyed hash of a number, the same in every process.
        """
        self._store, self._changes, self._records = store, changes, records
        self._event_stream, self._perform, self._clock = event_stream, perform, clock
        self._hash_of = hash_of
        self._process = secrets.token_hex(8)
        self._posted = _Posted()
        self._waiting: dict[str, asyncio.Future[OperatorMessage]] = {}
        self._seen: dict[str, CallSummary] = {}
        self._looked_at = float("-inf")

    @property
    def shared(self) -> bool:
        """Whether there may be calls of other processes."""
        return self._store.shared

    # --- For the operators ---

    async def live(self, wanted: CallFilter) -> list[CallSummary]:
        """Return running calls of other processes, newest first."""
        lines = (await self._board()).values()
        who = self._hash_of(wanted.caller) if wanted.caller else ""
        found = [
            line.call
            for _, line in lines
            if line.call.state != "ended"
            and wanted.takes(line.call)
            and (not wanted.caller or (who and who == line.caller))
        ]
        return sorted(found, key=lambda call: (micros(call.began_at), call.id), reverse=True)

    async def record(self, key: str) -> CallRecord | None:
        """Return the record of a running call of another process."""
        answer = await self._ask(key, None)
        return answer.record if answer is not None else None

    async def perform(self, key: str, action: OperatorAction) -> ActionOutcome | None:
        """Have an action carried out by the process that has the call; None without one."""
        answer = await self._ask(key, action)
        return answer.outcome if answer is not None else None

    async def _ask(self, key: str, action: OperatorAction | None) -> OperatorMessage | None:
        owner = await self._owner(key)
        if owner is None:
            return None
        message = OperatorMessage(secrets.token_hex(8), self._process, key, action)
        future = self._waiting[message.id] = asyncio.get_running_loop().create_future()
        try:
            if not await self._send(owner, message):
                return None
            async with asyncio.timeout(limits.records.REMOTE_ANSWER_MAX_S):
                answer: OperatorMessage = await future
                return answer
        except TimeoutError:
            log.warning("operator_request_unanswered", call_sid=key, process=owner)
            return None
        finally:
            del self._waiting[message.id]

    async def _owner(self, key: str) -> str | None:
        for process, line in (await self._board()).values():
            if key in (line.call.id, line.call.call_sid) and line.call.state != "ended":
                return process
        return None

    async def _board(self) -> dict[str, tuple[str, BoardLine]]:
        """Return the calls of other processes by id, with the process; of two, the one that runs.

        A call that another process went on with is on both boards for a moment.
        """
        found: dict[str, tuple[str, BoardLine]] = {}
        if not self._store.shared:
            return found
        for process, text in (await self._store.posted(_BOARD)).items():
            if process == self._process:
                continue
            try:
                lines = msgspec.json.decode(text, type=list[BoardLine])
            except (msgspec.DecodeError, ValueError):
                log.warning("store_value_unreadable", key=f"{_BOARD}:{process}")
                continue
            for line in lines:
                other = found.get(line.call.id)
                if other is None or _newer(line.call, other[1].call):
                    found[line.call.id] = (process, line)
        return found

    # --- Beside the calls ---

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("mailbox_read_failed")
            waits = bool(self._waiting)
            await asyncio.sleep(
                limits.records.REMOTE_LOOK_S if waits else limits.store.MAILBOX_EVERY_S
            )

    async def look(self) -> None:
        """Read this process's mailbox, post its calls, and publish what others have posted."""
        for _ in range(limits.store.MAILBOX_BATCH_MAX):
            text = await self._store.pop(_mailbox(self._process))
            if text is None:
                break
            await self._handle(msgspec.json.decode(text, type=OperatorMessage))
        await self._post()
        if self._event_stream.watched:
            await self._publish()
        else:
            self._seen = {}

    async def _handle(self, message: OperatorMessage) -> None:
        if message.answers:
            future = self._waiting.get(message.id)
            if future is not None and not future.done():
                future.set_result(message)
            return
        answer = OperatorMessage(message.id, answers=True)
        if message.action is None:
            answer.record = self._records.find_live(message.key)
        else:
            try:
                answer.outcome = await self._perform(message.key, message.action)
            except NotDialled as error:
                answer.outcome = ActionOutcome(502, str(error))
        await self._send(message.reply_to, answer)

    async def _send(self, process: str, message: OperatorMessage) -> bool:
        text = msgspec.json.encode(message).decode()
        return await self._store.push(_mailbox(process), text, limits.store.MAILBOX_MESSAGE_S)

    async def _post(self) -> None:
        """Post this process's calls, if it is time or one has begun or ended."""
        lately = self._changes.lately_ended(self._clock())
        live = self._records.live_callers()
        shown = [*live, *(key for key in lately if key not in live)]
        shown = shown[: limits.records.BOARD_CALLS_MAX]
        posted, now = self._posted, self._clock()
        begun = [key for key in shown if key not in posted.lines]
        ended = any(key in lately for key in posted.lines if key not in live)
        is_time = now >= posted.at + limits.records.BOARD_EVERY_S
        if not (begun or ended or (is_time and (shown or posted.lines))):
            return
        changed = self._changes.take()
        lines: dict[str, bytes] = {}
        for key in shown:
            known = posted.lines.get(key)
            if known is not None and key not in changed and key not in posted.unhashed:
                lines[key] = known
                continue
            line = self._line(key, live.get(key, ""), lately)
            if line is not None:
                lines[key] = msgspec.json.encode(line)
            await asyncio.sleep(0)  # a hundred in a row would hold up everybody's sound
        unhashed = {key for key, caller in live.items() if caller and not self._hash_of(caller)}
        self._posted = _Posted(lines, unhashed, now)
        text = b"[" + b",".join(lines.values()) + b"]"
        await self._store.post(_BOARD, self._process, text.decode(), limits.records.BOARD_S)

    def _line(self, key: str, caller: str, lately: dict[str, EndedLine]) -> BoardLine | None:
        record = self._records.find_live(key)
        if record is not None:
            return BoardLine(record.summary(), self._hash_of(caller))
        ended = lately.get(key)
        # By its caller only a running call is looked for.
        return None if ended is None else BoardLine(ended.call, "")

    async def _publish(self) -> None:
        """Publish what other processes have posted, for the consoles that watch here."""
        now = self._clock()
        if now < self._looked_at + limits.records.BOARD_EVERY_S:
            return
        self._looked_at = now
        calls = {key: line.call for key, (_, line) in (await self._board()).items()}
        for key, call in calls.items():
            if self._seen.get(key) != call and self._records.find_live(key) is None:
                self._event_stream.publish(key, "summary", call, remote=True)
        for key, call in self._seen.items():
            if key not in calls and call.state != "ended" and not self._records.find_live(key):
                # Its process died, or went away: how it ended stands in the history, if anywhere.
                self._event_stream.publish(key, "gone", None, remote=True)
        self._seen = calls


def _newer(call: CallSummary, other: CallSummary) -> bool:
    if (call.state == "ended") != (other.state == "ended"):
        return call.state != "ended"
    return call.began_at > other.began_at


def _mailbox(process: str) -> str:
    return f"operators:{process}"
