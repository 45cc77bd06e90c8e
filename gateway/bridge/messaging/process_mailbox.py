"""What a caller sends reaches any process; only one of them has his call.

Each process tells the store, again and again, between which numbers it has calls; what it has
told is forgotten soon, should it die. Whoever gets something for a call of another's leaves it
in that one's letter box, where it is looked for.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic

import msgspec
import structlog

from gateway import limits
from gateway.bridge.calls.live_call import LiveCall
from gateway.call import inputs
from gateway.ops.store.shared import Store

log = structlog.get_logger()
CallerInput = inputs.CallerMessageReceived | inputs.CameraFrameReceived


@dataclass(frozen=True, slots=True)
class RemoteCall:
    """A call of another process."""

    process: str
    key: str


class MailboxMessage(msgspec.Struct):
    key: str
    sent: inputs.CallerMessageReceived | None = None
    frame: inputs.CameraFrameReceived | None = None


class ProcessMailbox:
    """`calls` are those of this process; `deliver` takes what arrives for one of them, by key."""

    def __init__(
        self,
        store: Store,
        calls: Callable[[], Iterable[LiveCall]],
        deliver: Callable[[str, CallerInput], None],
    ) -> None:
        self._store, self._calls, self._deliver = store, calls, deliver
        self._process = secrets.token_hex(8)
        self._told: dict[str, str] = {}
        self._told_at = float("-inf")

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("letters of other processes could not be read")
            await asyncio.sleep(limits.store.MAILBOX_EVERY_S)

    async def look(self) -> None:
        """Tells of this process's calls, and takes what has come for them."""
        await self._tell()
        for _ in range(limits.store.MAILBOX_BATCH_MAX):
            text = await self._store.pop(_box(self._process))
            if text is None:
                return
            letter = msgspec.json.decode(text, type=MailboxMessage)
            sent = letter.sent or letter.frame
            if sent is not None:
                self._deliver(letter.key, sent)

    async def _tell(self) -> None:
        """New calls and ended ones at once, all others now and then."""
        lines = dict(self._line(call) for call in self._calls() if _named(call))
        before, self._told = self._told, lines
        if monotonic() >= self._told_at + limits.store.PRESENCE_EVERY_S:
            self._told_at, before = monotonic(), dict.fromkeys(before, "")
        news = [
            (pair, it, limits.store.PRESENCE_S)
            for pair, it in lines.items()
            if before.get(pair) != it
        ]
        await self._store.put_all(news)
        for pair in before.keys() - lines.keys():
            await self._store.delete(pair)

    async def find(self, one: str, other: str) -> RemoteCall | None:
        """The call between two numbers, if another process has it."""
        known = await self._store.get(_pair(one, other))
        if known is None:
            return None
        process, _, key = known.partition(" ")
        return None if process == self._process else RemoteCall(process, key)

    async def send(self, to: RemoteCall, sent: CallerInput) -> bool:
        """False when it could not be left there."""
        if isinstance(sent, inputs.CameraFrameReceived):
            letter = MailboxMessage(to.key, frame=sent)
        else:
            letter = MailboxMessage(to.key, sent=sent)
        text = msgspec.json.encode(letter).decode()
        return await self._store.push(_box(to.process), text, limits.store.MAILBOX_MESSAGE_S)

    def _line(self, call: LiveCall) -> tuple[str, str]:
        facts = call.facts
        return _pair(facts.caller, facts.dialled), f"{self._process} {facts.key}"


def _named(call: LiveCall) -> bool:
    return bool(call.facts.caller and call.facts.dialled and call.machine.takes_pictures)


def _pair(one: str, other: str) -> str:
    return "line:" + "|".join(sorted((one, other)))


def _box(process: str) -> str:
    return f"letters:{process}"
