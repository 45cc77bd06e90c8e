"""Messages between processes: what a caller sends may arrive at one that does not have the call.

Each process writes to the store, again and again, between which numbers it has calls; these
entries expire soon, should it die. A process that gets something for a call of another one puts
it into the mailbox of that process, which polls it.
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
from gateway.call.call_info import CallInfo
from gateway.ops.store.key_names import hashed
from gateway.ops.store.shared import Store

log = structlog.get_logger()
CallerInput = inputs.CallerMessageReceived | inputs.CameraFrameReceived


@dataclass(frozen=True, slots=True)
class RemoteCall:
    """A call of another process."""

    process: str
    key: str


class MailboxMessage(msgspec.Struct):
    """Input for the call with this key."""

    key: str
    sent: inputs.CallerMessageReceived | None = None
    frame: inputs.CameraFrameReceived | None = None


class ProcessMailbox:
    """Mailbox of this process, and sender to those of others.

    `calls` are those of this process; `deliver` gets what arrives for one of them, by key.
    `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        store: Store,
        calls: Callable[[], Iterable[LiveCall]],
        deliver: Callable[[str, CallerInput], None],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._store, self._calls, self._deliver, self._clock = store, calls, deliver, clock
        self._process = secrets.token_hex(8)
        self._announced: dict[str, str] = {}
        self._announced_at = float("-inf")

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("mailbox_read_failed")
            await asyncio.sleep(limits.store.MAILBOX_EVERY_S)

    async def look(self) -> None:
        """Announce this process's calls, and deliver what has come for them."""
        await self._announce()
        for _ in range(limits.store.MAILBOX_BATCH_MAX):
            text = await self._store.pop(_mailbox(self._process))
            if text is None:
                return
            message = msgspec.json.decode(text, type=MailboxMessage)
            sent = message.sent or message.frame
            if sent is not None:
                self._deliver(message.key, sent)

    async def _announce(self) -> None:
        """Write new and ended calls at once, all others now and then."""
        lines = dict(self._line(call) for call in self._calls() if _named(call))
        before, self._announced = self._announced, lines
        now = self._clock()
        if now >= self._announced_at + limits.store.PRESENCE_EVERY_S:
            self._announced_at, before = now, dict.fromkeys(before, "")
        news = [
            (pair, it, limits.store.PRESENCE_S)
            for pair, it in lines.items()
            if before.get(pair) != it
        ]
        await self._store.put_all(news)
        for pair in before.keys() - lines.keys():
            await self._store.delete(pair)

    async def find(self, one: str, other: str) -> RemoteCall | None:
        """Return the call between two numbers, if another process has it."""
        return await self.on_line(line_of(one, other))

    async def on_line(self, line: str) -> RemoteCall | None:
        """Return the same by `line_of` of the two numbers."""
        known = await self._store.get(line)
        if known is None:
            return None
        process, _, key = known.partition(" ")
        return None if process == self._process else RemoteCall(process, key)

    async def send(self, to: RemoteCall, sent: CallerInput) -> bool:
        """Put an input into the mailbox of a call's process. False when the store is away."""
        if isinstance(sent, inputs.CameraFrameReceived):
            message = MailboxMessage(to.key, frame=sent)
        else:
            message = MailboxMessage(to.key, sent=sent)
        text = msgspec.json.encode(message).decode()
        return await self._store.push(_mailbox(to.process), text, limits.store.MAILBOX_MESSAGE_S)

    def _line(self, call: LiveCall) -> tuple[str, str]:
        return line_of(*ends_of(call.facts)), f"{self._process} {call.facts.key}"


def ends_of(facts: CallInfo) -> tuple[str, str]:
    """Return the numbers between which a call is; a browser has its call's key."""
    return (facts.caller, facts.dialled) if facts.has_carrier else (facts.key, facts.path)


def _named(call: LiveCall) -> bool:
    return all(ends_of(call.facts)) and call.machine.takes_pictures


def line_of(one: str, other: str) -> str:
    """Return the key under which a process says that it has the call between two numbers."""
    return f"line:{hashed(*sorted((one, other)))}"


def _mailbox(process: str) -> str:
    return f"mailbox:{process}"
