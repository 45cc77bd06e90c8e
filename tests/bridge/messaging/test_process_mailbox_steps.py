"""The mailbox of one process step by step, with a store that is the test."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from call_doubles import CALL_SID, MEDIA_CALL
from skipped_time import now_s, skipping
from structlog.testing import capture_logs

from gateway import limits
from gateway.bridge.messaging.process_mailbox import (
    CallerInput,
    MailboxMessage,
    ProcessMailbox,
    RemoteCall,
    line_of,
)
from gateway.call import inputs
from gateway.call.call_info import CallInfo

FRAME = inputs.CameraFrameReceived("data:image/jpeg;base64,AQ==")
TEXT = inputs.CallerMessageReceived("message", (), "Hello.")
LINE = line_of(MEDIA_CALL.caller, MEDIA_CALL.dialled)


class SharedStore:
    """A store that others read: what is put into it, and what others have put there."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.puts: list[list[str]] = []
        self.kept_s: set[float] = set()
        self.deleted: list[str] = []
        self.mail: list[str] = []
        self.read_at_s: list[float] = []

    async def put_all(self, entries: list[tuple[str, str, float]]) -> None:
        self.puts.append([key for key, _, _ in entries])
        self.known.update({key: value for key, value, _ in entries})
        self.kept_s.update(kept_s for _, _, kept_s in entries)

    async def delete(self, key: str) -> None:
        self.deleted.append(key)
        del self.known[key]

    async def get(self, key: str) -> str | None:
        return self.known.get(key)

    async def pop(self, _key: str) -> str | None:
        self.read_at_s.append(now_s())
        return self.mail.pop(0) if self.mail else None


class Process:
    def __init__(self) -> None:
        self.store, self.calls, self.now_s = SharedStore(), list[Any](), 100.0
        self.delivered: list[tuple[str, CallerInput]] = []
        store: Any = self.store
        self.mailbox = ProcessMailbox(
            store,
            lambda: self.calls,
            lambda key, sent: self.delivered.append((key, sent)),
            lambda: self.now_s,
        )


@pytest.fixture
def process() -> Process:
    return Process()


def a_call(facts: CallInfo = MEDIA_CALL, *, takes_pictures: bool = True) -> Any:
    return SimpleNamespace(facts=facts, machine=SimpleNamespace(takes_pictures=takes_pictures))


async def test_others_know_of_a_call_at_once_and_for_as_long_as_it_runs(process: Process) -> None:
    process.calls = [a_call()]
    for passes_s, written in (
        (0.0, [LINE]),
        (0.5, []),
        (limits.store.PRESENCE_EVERY_S - 1.0, []),
        (0.5, [LINE]),  # or it would be forgotten
        (0.5, []),
    ):
        process.now_s += passes_s
        await process.mailbox.look()
        assert process.store.puts.pop() == written
    assert process.store.kept_s == {limits.store.PRESENCE_S}
    assert process.store.deleted == []
    process.calls = []
    for _ in range(2):
        await process.mailbox.look()
    assert process.store.deleted == [LINE]


async def test_one_that_ends_when_all_are_written_again_is_forgotten_too(process: Process) -> None:
    process.calls = [a_call()]
    await process.mailbox.look()
    process.calls = []
    process.now_s += limits.store.PRESENCE_EVERY_S
    await process.mailbox.look()
    assert process.store.known == {}


async def test_a_call_of_this_process_is_not_another_ones(process: Process) -> None:
    process.calls = [a_call()]
    await process.mailbox.look()
    assert await process.mailbox.find(MEDIA_CALL.dialled, MEDIA_CALL.caller) is None
    process.store.known[LINE] = f"other {CALL_SID}"
    there = RemoteCall("other", CALL_SID)
    assert await process.mailbox.find(MEDIA_CALL.dialled, MEDIA_CALL.caller) == there
    assert await process.mailbox.find(MEDIA_CALL.caller, "+15550101") is None


@pytest.mark.parametrize(
    "call",
    [
        a_call(takes_pictures=False),
        a_call(CallInfo(CALL_SID, "", "+15550100", "desk", "media-streams")),
    ],
    ids=["it takes no pictures", "its number is withheld"],
)
async def test_of_whom_others_need_not_know(process: Process, call: Any) -> None:
    process.calls = [call]
    await process.mailbox.look()
    assert process.store.known == {}


async def test_what_has_come_is_delivered_so_much_at_once(process: Process) -> None:
    texts = [MailboxMessage("CA1", sent=TEXT), MailboxMessage("CA2", frame=FRAME)]
    texts += [MailboxMessage("CA3")] * limits.store.MAILBOX_BATCH_MAX
    process.store.mail = [msgspec.json.encode(one).decode() for one in texts]
    await process.mailbox.look()
    assert process.delivered == [("CA1", TEXT), ("CA2", FRAME)], "and of nothing, nothing"
    assert len(process.store.mail) == 2


def test_a_message_that_nobody_can_read_ends_nothing() -> None:
    async def look() -> Process:
        process = Process()
        process.store.mail = ["{", msgspec.json.encode(MailboxMessage("CA1", sent=TEXT)).decode()]
        with capture_logs() as logs:
            looking = asyncio.create_task(process.mailbox.run())
            await asyncio.sleep(2.9 * limits.store.MAILBOX_EVERY_S)
            looking.cancel()
        assert [line["event"] for line in logs] == ["mailbox_read_failed"]
        return process

    process = skipping(look())
    assert process.delivered == [("CA1", TEXT)]
    every_s = limits.store.MAILBOX_EVERY_S
    assert process.store.read_at_s == [0.0, every_s, every_s, 2 * every_s]
