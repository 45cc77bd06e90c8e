"""Events arrive, signed and in order, whatever the receiver does."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest
from database_end import CALLER, DatabaseEnd, open_database
from http_end import HttpEnd, http_end
from skipped_time import now_s, skipping
from standardwebhooks import Webhook
from structlog.testing import capture_logs

from gateway import limits
from gateway.call.call_info import CallInfo
from gateway.errors import DatabaseAway
from gateway.ops.database.address import database_address
from gateway.ops.database.database import Database
from gateway.ops.database.sealing import Sealer
from gateway.ops.delivery.delivery_queue import (
    DeliveryInfo,
    DeliveryQueue,
    DeliveryStats,
    Report,
)
from gateway.ops.delivery.outbox import TakenEvent
from gateway.ops.delivery.sender import AttemptAnswer, EventSender, doubled_s, retry_after_s
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
        self,
        path: str = "/events",
        url: str | None = None,
        attempt_max_s: float = 2.0,
        look_every_s: float = 0.1,
    ) -> EventSender:
        return EventSender(
            url or self.receiver.url + path,
            EventSigner([SECRET]),
            self.queue,
            lambda outcome: self.outcomes.update([outcome]),
            lambda _: None,
            look_every_s=look_every_s,
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


async def test_the_next_event_of_a_call_is_sent_when_the_one_before_has_arrived(
    mail: Mail,
) -> None:
    await mail.add("CA1", "CA1", "CA1")
    sending = asyncio.create_task(mail.sender(look_every_s=600.0).run())
    await until(lambda: mail.outcomes["delivered"] == 3)
    sending.cancel()


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


# --- What an answer means, and the pauses: without a database ---

NOW = 1_790_000_000.25
NOW_US = round(NOW * 1_000_000)
LATER_US = NOW_US + 86_400_000_000
STATS = DeliveryStats(3, 1, 7.0)


class Prepared(DeliveryQueue):
    """A queue that hands out what a test has put there, at a time that stands still."""

    def __init__(self) -> None:
        database = Database(database_address(None, Path("never-opened")))
        super().__init__(database, Sealer(), lambda: NOW)
        self.there: list[TakenEvent] = []
        self.asked: list[int] = []
        self.asked_at_s: list[float] = []
        self.reports: list[Report] = []
        self.fails: Exception | None = None
        self.fails_to_report: Exception | None = None
        self.stats_asked = 0
        self.at_a_time = limits.database.DELIVERY_AT_ONCE

    async def take(self, most: int) -> list[TakenEvent]:
        self.asked.append(most)
        self.asked_at_s.append(now_s())
        for _ in range(3):
            await asyncio.sleep(0)  # as with a database, attempts go on meanwhile
        if self.fails is not None:
            raise self.fails
        most = min(most, self.at_a_time)
        taken, self.there = self.there[:most], self.there[most:]
        return taken

    async def report(self, delivery: TakenEvent, report: Report) -> None:
        if self.fails_to_report is not None:
            raise self.fails_to_report
        self.reports.append(report)

    async def stats(self) -> DeliveryStats:
        self.stats_asked += 1
        return STATS


def event(
    number: int = 1, attempts: int = 0, give_up_us: int = LATER_US, body: bytes | None = b"{}"
) -> TakenEvent:
    return TakenEvent(f"msg_{number}", "call.started", "CA1", attempts, give_up_us, body)


@dataclass
class Office:
    """A sender at a prepared queue, whose receiver answers at once."""

    status: int = 500
    retry_after: str = ""
    first_pause_s: float = 5.0
    queue: Prepared = field(default_factory=Prepared)
    counted: list[str] = field(default_factory=list)
    seen: list[DeliveryStats] = field(default_factory=list)
    requests: list[httpx2.Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sender = EventSender(
            "http://receiver/events",
            EventSigner([SECRET]),
            self.queue,
            self.counted.append,
            self.seen.append,
            first_pause_s=self.first_pause_s,
        )

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        if not self.status:
            raise httpx2.ConnectError("nobody")
        return httpx2.Response(self.status, headers={"retry-after": self.retry_after})

    async def send(self, *events: TakenEvent) -> int:
        """Return how many attempts were begun; all have ended."""
        self.queue.there += events
        async with httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer)) as client:
            attempts = await self.sender.start_due(client)
            await asyncio.gather(*attempts)
        return len(attempts)

    async def report(self, one: TakenEvent) -> Report:
        await self.send(one)
        return self.queue.reports[-1]


@pytest.mark.parametrize(
    ("status", "delivered", "error"),
    [(199, False, "status_199"), (200, True, ""), (299, True, ""), (300, False, "status_300")],
)
async def test_an_answer_from_200_to_299_has_taken_it(
    status: int, delivered: bool, error: str
) -> None:
    assert AttemptAnswer(status, "").delivered == delivered
    assert not AttemptAnswer(None, "timeout").delivered
    if status >= 200:  # the client itself takes those below for no answer
        office = Office(status)
        report = await office.report(event())
        assert (report.delivered, report.status, report.error) == (delivered, status, error)
        assert office.counted == ["delivered" if delivered else "failed"]


async def test_each_attempt_says_what_it_is_and_when_it_was_sent() -> None:
    office = Office(200)
    await office.send(event(7, body=b'{"a":1}'))
    (request,) = office.requests
    assert request.method == "POST"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == "gateway"
    assert request.headers["webhook-id"] == "msg_7"
    assert request.headers["webhook-timestamp"] == str(int(NOW))


@pytest.mark.parametrize("attempts", [0, 1, 9, 10, 900])
async def test_pauses_double_to_an_hour_and_are_spread_by_a_fifth(attempts: int) -> None:
    office = Office()
    pauses_s = []
    for _ in range(40):
        report = await office.report(event(attempts=attempts))
        assert report.again_us is not None
        pauses_s.append((report.again_us - NOW_US) / 1_000_000)
    whole_s = min(5.0 * 2**attempts, limits.database.DELIVERY_PAUSE_MAX_S)
    assert 0.799 * whole_s < min(pauses_s) < 0.95 * whole_s
    assert 1.05 * whole_s < max(pauses_s) < 1.201 * whole_s


@pytest.mark.parametrize(
    ("first_s", "times", "most_s", "pause_s"),
    [(5.0, 0, 30.0, 5.0), (5.0, 1, 30.0, 10.0), (5.0, 3, 30.0, 30.0), (5.0, 9_999, 30.0, 30.0)],
)
def test_a_pause_doubles_to_its_bound(
    first_s: float, times: int, most_s: float, pause_s: float
) -> None:
    assert doubled_s(first_s, times, most_s) == pause_s


@pytest.mark.parametrize(("asked", "pause_s"), [("90", 90.0), ("7200", 3_600.0)])
async def test_who_asks_for_a_longer_pause_gets_it_up_to_an_hour(
    asked: str, pause_s: float
) -> None:
    report = await Office(503, asked).report(event())
    assert report.again_us == NOW_US + pause_s * 1_000_000


async def test_who_does_not_answer_asks_for_no_pause() -> None:
    report = await Office(status=0, first_pause_s=0.01).report(event())
    assert report.error == "ConnectError"
    assert report.again_us is not None
    assert report.again_us < NOW_US + 20_000


@pytest.mark.parametrize(
    ("status", "give_up_us", "again_us"),
    [
        (500, NOW_US, None),
        (500, NOW_US + 1, NOW_US + 1),
        (500, NOW_US + 3_000_000, NOW_US + 3_000_000),
        (410, LATER_US, None),
        (None, NOW_US - 1, None),
    ],
)
async def test_the_last_attempt_is_made_when_the_day_is_over(
    status: int | None, give_up_us: int, again_us: int | None
) -> None:
    office = Office(status or 0)
    report = await office.report(event(give_up_us=give_up_us))
    assert report.again_us == again_us
    assert not report.delivered
    assert office.counted == ["parked" if again_us is None else "failed"]


async def test_a_log_line_says_which_attempt_failed_and_why() -> None:
    office = Office(500)
    with capture_logs() as logs:
        await office.send(event(attempts=2))
    (line,) = logs
    assert (line["event"], line["attempts"], line["status"]) == ("event_not_delivered", 3, 500)
    with capture_logs() as logs:
        await office.send(event(attempts=2, give_up_us=NOW_US))
    assert [line["event"] for line in logs] == ["event_parked"]


async def test_as_many_are_sent_at_once_as_have_a_slot() -> None:
    office, at_once = Office(200), limits.database.DELIVERY_AT_ONCE
    assert await office.send(*(event(number) for number in range(at_once + 1))) == at_once
    assert await office.send() == 1, "every slot is free again"
    assert office.queue.asked == [at_once, at_once]
    assert len(office.queue.reports) == at_once + 1


async def test_of_a_receiver_that_is_away_one_attempt_shows_whether_it_is_back() -> None:
    office = Office(0)
    assert await office.send(event(1)) == 1
    assert office.queue.reports[-1].error == "ConnectError"
    office.status = 200
    assert await office.send(event(2), event(3)) == 1
    assert await office.send() == 1
    assert office.queue.asked == [limits.database.DELIVERY_AT_ONCE, 1, 8]


async def test_while_one_attempt_looks_whether_it_is_back_nothing_else_is_taken() -> None:
    office, answers = Office(0), asyncio.Event()
    await office.send(event(1))

    async def hang(_request: httpx2.Request) -> httpx2.Response:
        await answers.wait()
        return httpx2.Response(200)

    office.queue.there = [event(2), event(3)]
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(hang)) as client:
        (hanging,) = await office.sender.start_due(client)
        assert await office.sender.start_due(client) == []
        answers.set()
        await hanging
    assert office.queue.asked[1:] == [1], "the queue is not asked for nothing"


@pytest.mark.parametrize("error", [DatabaseAway("away"), ZeroDivisionError()])
async def test_a_report_that_is_lost_costs_no_other_attempt(error: Exception) -> None:
    office = Office(200)
    office.queue.fails_to_report = error
    with capture_logs() as logs:
        assert await office.send(event(1), event(2)) == 2
    told = [] if isinstance(error, DatabaseAway) else ["deliveries_failed"] * 2
    assert [line["event"] for line in logs] == told
    office.queue.fails_to_report = None
    assert await office.send(event(3)) == 1


async def test_the_figures_are_told_now_and_then() -> None:
    office = Office(200)
    for _ in range(3):
        await office.send()
    assert office.seen == [STATS]
    assert office.queue.stats_asked == 1


def asked_at_s(office: Office, until_s: float) -> list[float]:
    """Return when the queue is asked by a sender that runs."""

    async def run() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(until_s):
                await office.sender.run()

    skipping(run())
    return office.queue.asked_at_s


@pytest.mark.parametrize("fails", [None, DatabaseAway("away"), ZeroDivisionError()])
def test_the_queue_is_looked_at_every_few_seconds(fails: Exception | None) -> None:
    office = Office()
    office.queue.fails = fails
    with capture_logs() as logs:
        assert asked_at_s(office, 18.0) == [0.0, 5.0, 10.0, 15.0]
    told = 4 if isinstance(fails, ZeroDivisionError) else 0
    assert [line["event"] for line in logs] == ["deliveries_failed"] * told


def test_a_receiver_that_stays_away_is_asked_more_and_more_rarely() -> None:
    office = Office()
    office.queue.at_a_time = 1
    office.queue.there = [event(number, body=None) for number in range(9)]  # none is sent
    assert sorted(set(asked_at_s(office, 120.0))) == [0.0, 5.0, 15.0, 35.0, 65.0, 95.0]
    assert office.queue.asked_at_s.count(5.0) == 1
    assert {report.error for report in office.queue.reports} == {"sealed_with_another_key"}
    assert office.counted == ["failed"] * len(office.queue.reports)


def test_what_is_added_is_looked_at_at_once() -> None:
    office = Office()

    async def run() -> None:
        sending = asyncio.create_task(office.sender.run())
        await asyncio.sleep(1.0)
        office.sender.wake()
        await asyncio.sleep(5.5)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)

    skipping(run())
    assert office.queue.asked_at_s == [0.0, 1.0, 6.0], "and then as often as before"


async def test_a_sender_that_stops_waits_for_its_attempts() -> None:
    """One may be writing down what its receiver has answered."""
    office = Office()
    office.queue.there = [event(body=None)]
    begun, ended = asyncio.Event(), asyncio.Event()

    async def report(_delivery: TakenEvent, _report: Report) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(100):  # a statement has several turns to go
                await asyncio.sleep(0)
            ended.set()

    office.queue.report = report  # type: ignore[method-assign]
    sending = asyncio.create_task(office.sender.run())
    await begun.wait()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert ended.is_set()


async def test_a_sender_that_stops_leaves_no_attempt_behind(mail: Mail) -> None:
    let_go = mail.receiver.held["/events"] = asyncio.Event()
    await mail.add("CA1")
    sending = asyncio.create_task(mail.sender(attempt_max_s=60.0).run())
    await until(lambda: len(mail.receiver.seen) == 1)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert not [task for task in others if "_attempt" in repr(task.get_coro())]
    let_go.set()
    assert mail.outcomes == {}


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
    assert retry_after_s("9" * 5_000, 0.0) == 999_999_999.0
