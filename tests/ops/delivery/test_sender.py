"""Events arrive, signed and in order, whatever the receiver does."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from database_end import CALLER, DatabaseEnd, open_database
from http_end import HttpEnd, http_end
from standardwebhooks import Webhook

from gateway.call.call_info import CallInfo
from gateway.ops.delivery.delivery_queue import DeliveryInfo, DeliveryQueue
from gateway.ops.delivery.sender import EventSender, retry_after_s
from gateway.ops.delivery.signing import EventSigner

SECRET = "whsec_bmV3IHNlY3JldA=="
NOWHERE = "http://127.0.0.1:9/"


@dataclass
class Mail:
    """A sender, its outbox, and a clock that can be set forward."""

    end: DatabaseEnd
    receiver: HttpEnd
    ahead_s: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        wall = self.end.queue._wall
        self.queue = DeliveryQueue(
            self.end.database, self.end.sealer, lambda: wall() + self.ahead_s
        )

    def sender(
        self, path: str = "/events", url: str | None = None, attempt_max_s: float = 2.0
    ) -> EventSender:
        return EventSender(
            url or self.receiver.url + path,
            EventSigner([SECRET]),
            self.queue,
            lambda outcome: self.outcomes.update([outcome]),
            lambda _: None,
            first_pause_s=5.0,
            attempt_max_s=attempt_max_s,
        )

    async def add(self, *calls: str) -> None:
        for call in calls:
            facts = CallInfo(call, CALLER, "+15550100", "desk", "media-streams")
            self.end.outbox.add("message.taken", facts, {"about": "مرحبا"})
        await self.end.writes.flushed()

    async def once(self, sender: EventSender) -> bool:
        async with httpx2.AsyncClient(verify=False, timeout=2.0, trust_env=False) as client:
            attempts = await sender.start_due(client)
            await asyncio.gather(*attempts)
            return bool(attempts)

    async def only(self) -> DeliveryInfo:
        ((info,), _) = await self.queue.listed(None, 10)
        return info


@pytest.fixture
async def mail(tmp_path: Path) -> AsyncIterator[Mail]:
    async with open_database(tmp_path, delivers=True) as end, http_end() as receiver:
        writing = asyncio.create_task(end.writes.run())
        yield Mail(end, receiver)
        writing.cancel()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - the far end does not say
            await asyncio.sleep(0.01)


async def test_events_arrive_in_order_and_are_verified(mail: Mail) -> None:
    sending = asyncio.create_task(mail.sender("/events?key=x").run())
    await mail.add(*(["CA1", "CA2"] * 6))
    await until(lambda: mail.outcomes["delivered"] == 12)
    sending.cancel()
    assert {one.raw_path for one in mail.receiver.seen} == {"/events?key=x"}
    for one in mail.receiver.seen:
        assert Webhook(SECRET).verify(one.body, one.headers)["type"] == "message.taken"
    bodies = [json.loads(one.body) for one in mail.receiver.seen]
    for call in ("CA1", "CA2"):
        times = [body["timestamp"] for body in bodies if body["data"]["call"] == call]
        assert times == sorted(times)
    assert len({one.headers["webhook-id"] for one in mail.receiver.seen}) == 12


async def test_an_event_that_is_not_answered_holds_up_no_other_call(mail: Mail) -> None:
    let_go = mail.receiver.held["/events"] = asyncio.Event()
    sending = asyncio.create_task(mail.sender(attempt_max_s=60.0).run())
    try:
        await mail.add("CA1")
        await until(lambda: len(mail.receiver.seen) == 1)
        del mail.receiver.held["/events"]  # only the first one hangs
        await mail.add("CA2", "CA3", "CA2", "CA3")
        await until(lambda: mail.outcomes["delivered"] == 4)
        let_go.set()
        await until(lambda: mail.outcomes["delivered"] == 5)
    finally:
        sending.cancel()
        let_go.set()


async def test_who_answers_others_meanwhile_is_not_away(mail: Mail) -> None:
    let_go = mail.receiver.held["/events"] = asyncio.Event()
    sender = mail.sender(attempt_max_s=1.0)
    try:
        async with httpx2.AsyncClient(verify=False, timeout=2.0, trust_env=False) as client:
            await mail.add("CA1")
            hanging = await sender.start_due(client)
            await until(lambda: len(mail.receiver.seen) == 1)
            del mail.receiver.held["/events"]
            await mail.add("CA2")
            await asyncio.gather(*await sender.start_due(client))
            await asyncio.gather(*hanging)
            assert mail.outcomes == {"delivered": 1, "failed": 1}
            await mail.add("CA3", "CA4")
            attempts = await sender.start_due(client)
            assert len(attempts) == 2, "of one that is away, one"
            await asyncio.gather(*attempts)
    finally:
        let_go.set()


@pytest.mark.parametrize(
    ("status", "headers"),
    [(500, {}), (404, {}), (302, {"location": "/elsewhere"}), (429, {"retry-after": "7"})],
)
async def test_what_is_not_taken_is_sent_again_with_the_same_id(
    mail: Mail, status: int, headers: dict[str, str]
) -> None:
    mail.receiver.answers["/events"] = (status, headers, b"x" * 1000)
    await mail.add("CA1")
    sender = mail.sender()
    assert await mail.once(sender)
    info = await mail.only()
    assert (info.state, info.attempts, info.last_status) == ("pending", 1, status)
    assert not await mail.once(sender), "not at once"
    del mail.receiver.answers["/events"]
    mail.ahead_s = 8.0
    assert await mail.once(sender)
    assert (await mail.only()).state == "delivered"
    assert [one.raw_path for one in mail.receiver.seen] == ["/events", "/events"]
    first, second = mail.receiver.seen
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


async def test_a_receiver_that_is_gone_for_good_parks_at_once(mail: Mail) -> None:
    mail.receiver.answers["/events"] = (410, {}, b"")
    await mail.add("CA1")
    await mail.once(mail.sender())
    assert (await mail.only()).state == "parked"
    assert mail.outcomes == {"parked": 1}
    del mail.receiver.answers["/events"]
    assert await mail.queue.retry((await mail.only()).id)
    await mail.once(mail.sender())
    assert (await mail.only()).state == "delivered"


async def test_after_a_day_it_is_parked(mail: Mail) -> None:
    await mail.add("CA1")
    sender = mail.sender(url=NOWHERE)
    await mail.once(sender)
    info = await mail.only()
    assert (info.state, info.last_status, info.last_error) == ("pending", None, "ConnectError")
    mail.ahead_s = 86_401.0
    await mail.once(sender)
    assert (await mail.only()).state == "parked"


async def test_a_receiver_that_says_nothing_costs_a_bounded_time(mail: Mail) -> None:
    done = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        await mail.add("CA1")
        await mail.once(mail.sender(url=f"http://127.0.0.1:{port}/"))
        done.set()
    assert (await mail.only()).last_error in ("timeout", "ReadTimeout")


async def test_what_no_key_opens_is_not_sent(mail: Mail, tmp_path: Path) -> None:
    async with open_database(tmp_path / "sealed", keys=("lost",), delivers=True) as end:
        writing = asyncio.create_task(end.writes.run())
        sealed = Mail(end, mail.receiver)
        await sealed.add("CA1")
        writing.cancel()
    async with open_database(tmp_path / "sealed", keys=("new",), delivers=True) as end:
        sealed = Mail(end, mail.receiver)
        await sealed.once(sealed.sender())
        assert (await sealed.only()).last_error == "sealed_with_another_key"
    assert mail.receiver.seen == []


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", 0.0),
        ("7", 7.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 480.0),
        ("Wed, 21 Oct 2026 07:19:00 GMT", 0.0),
        ("-5", 0.0),
        ("soon", 0.0),
        ("\u0667", 0.0),
        ("Wed, 99 Oct 2026 07:28:00 GMT", 0.0),
        ("Wed, 21 Oct 99999999999 07:28:00 GMT", 0.0),
    ],
)
def test_when_to_try_again_is_a_number_or_a_date(value: str, seconds: float) -> None:
    assert retry_after_s(value, 1_792_567_200.0) == seconds


def test_a_wait_without_end_is_a_number_too() -> None:
    """What is more than an hour counts as an hour."""
    assert retry_after_s("9" * 5_000, 0.0) > 3_600
