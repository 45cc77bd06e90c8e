"""Sender of events: takes what is due, posts it, and reports what became of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from random import uniform
from time import monotonic
from typing import Final, NamedTuple

import httpx2
import structlog

from gateway import limits
from gateway.errors import DatabaseAway
from gateway.ops.delivery.delivery_queue import DeliveryQueue, DeliveryStats, Report
from gateway.ops.delivery.outbox import TakenEvent
from gateway.ops.delivery.signing import EventSigner
from gateway.transports.kept_connections import kept_connections
from gateway.transports.tls import tls_context

log = structlog.get_logger()
_US: Final = 1_000_000
_GONE: Final = 410


class AttemptAnswer(NamedTuple):
    """Status of the answer to an attempt, or the reason why there was none."""

    status: int | None
    error: str
    retry_after_s: float = 0.0

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class EventSender:
    """Posts events to the operator's address, which is not redirected from.

    `counted` gets the outcome of each attempt: `delivered`, `failed`, `parked`; `seen` gets the
    figures of the whole outbox.
    """

    def __init__(
        self,
        url: str,
        signer: EventSigner,
        queue: DeliveryQueue,
        counted: Callable[[str], None],
        seen: Callable[[DeliveryStats], None],
        *,
        look_every_s: float = limits.database.DELIVERY_LOOK_EVERY_S,
        first_pause_s: float = limits.database.DELIVERY_FIRST_PAUSE_S,
        attempt_max_s: float = limits.database.DELIVERY_ATTEMPT_MAX_S,
    ) -> None:
        self._url, self._signer, self._queue = url, signer, queue
        self._counted, self._seen = counted, seen
        self._look_every_s, self._first_pause_s = look_every_s, first_pause_s
        self._attempt_max_s = attempt_max_s
        self._news = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()
        self._failures = 0
        self._answered_at = float("-inf")
        self._stats_at = float("-inf")

    def wake(self) -> None:
        """Look at once: something was added."""
        self._news.set()

    async def run(self) -> None:
        """Send for as long as the process runs."""
        async with httpx2.AsyncClient(
            verify=tls_context(),
            timeout=self._attempt_max_s,
            follow_redirects=False,
            trust_env=False,
            limits=kept_connections(limits.database.DELIVERY_AT_ONCE),
        ) as client:
            try:
                while True:
                    await self._step(client)
            finally:
                await self._stop()

    async def _step(self, client: httpx2.AsyncClient) -> None:
        self._news.clear()
        try:
            started = await self.start_due(client)
        except DatabaseAway:
            started = []  # it was reported
        except Exception:
            log.exception("deliveries_failed")
            started = []
        await self._rest(bool(started))

    async def _stop(self) -> None:
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _rest(self, started: bool) -> None:
        """Wait for something to do. While the receiver is away, few attempts are made."""
        if self._failures:
            most_s = limits.database.DELIVERY_DOWN_PAUSE_MAX_S
            await asyncio.sleep(doubled_s(self._first_pause_s, self._failures - 1, most_s))
        elif not started:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_every_s):
                    await self._news.wait()

    async def start_due(self, client: httpx2.AsyncClient) -> list[asyncio.Task[None]]:
        """Begin to send what is due now; return the attempts. Raises DatabaseAway.

        None waits for another: a receiver that is slow with one call's event gets those of others.
        """
        most = limits.database.DELIVERY_AT_ONCE - len(self._under_way)
        if self._failures:
            # One attempt shows whether a receiver that was away is back.
            most = 0 if self._under_way else 1
        taken = await self._queue.take(most) if most else []
        started = [asyncio.create_task(self._attempt(client, one)) for one in taken]
        for task in started:
            self._under_way.add(task)
            task.add_done_callback(self._attempted)
        if monotonic() >= self._stats_at + limits.database.DELIVERY_STATS_EVERY_S:
            self._stats_at = monotonic()
            self._seen(await self._queue.stats())
        return started

    def _attempted(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self.wake()  # for the next event of its call, or one that had no slot

    async def _attempt(self, client: httpx2.AsyncClient, delivery: TakenEvent) -> None:
        try:
            await self._send(client, delivery)
        except DatabaseAway:
            pass  # it was reported; the event is taken again when its lease ends
        except Exception:
            log.exception("deliveries_failed")

    async def _send(self, client: httpx2.AsyncClient, delivery: TakenEvent) -> None:
        began = monotonic()
        if delivery.body is None:
            answer = AttemptAnswer(None, "sealed_with_another_key")
        else:
            answer = await self._post(client, delivery.id, delivery.body)
        report = self._judged(delivery, answer)
        if answer.status is not None:
            self._failures, self._answered_at = 0, monotonic()
        elif self._answered_at < began:  # nothing else was answered meanwhile: it is away
            self._failures += 1
        if report.delivered:
            self._counted("delivered")
        else:
            parked = report.again_us is None
            self._counted("parked" if parked else "failed")
            log.warning(
                "event_parked" if parked else "event_not_delivered",
                event_id=delivery.id,
                event_type=delivery.type,
                call_sid=delivery.call_id,
                attempts=delivery.attempts + 1,
                status=answer.status,
                reason=answer.error,
            )
        await self._queue.report(delivery, report)

    async def _post(self, client: httpx2.AsyncClient, event_id: str, body: bytes) -> AttemptAnswer:
        headers = self._signer.headers(event_id, self._queue.now_us // _US, body)
        headers["Content-Type"] = "application/json"
        headers["User-Agent"] = "gateway"
        try:
            async with asyncio.timeout(self._attempt_max_s):
                # The answer's content is of no interest, and is not read.
                async with client.stream(
                    "POST", self._url, content=body, headers=headers
                ) as response:
                    status = response.status_code
                    after = response.headers.get("retry-after", "")
        except TimeoutError:
            return AttemptAnswer(None, "timeout")
        except httpx2.HTTPError as error:
            return AttemptAnswer(None, type(error).__name__)
        wait_s = retry_after_s(after, self._queue.now_us / _US)
        return AttemptAnswer(status, "" if 200 <= status < 300 else f"status_{status}", wait_s)

    def _judged(self, delivery: TakenEvent, answer: AttemptAnswer) -> Report:
        if answer.delivered:
            return Report(True, answer.status, "", None)
        now_us = self._queue.now_us
        if answer.status == _GONE or now_us >= delivery.give_up_us:
            return Report(False, answer.status, answer.error, None)
        most_s = limits.database.DELIVERY_PAUSE_MAX_S
        pause_s = doubled_s(self._first_pause_s, delivery.attempts, most_s)
        pause_s *= uniform(0.8, 1.2)  # noqa: S311 - spread
        asked_s = min(answer.retry_after_s, limits.database.DELIVERY_RETRY_AFTER_MAX_S)
        again_us = now_us + round(max(pause_s, asked_s) * _US)
        # The last attempt is made when the day is over, not before.
        return Report(
            False, answer.status, answer.error, min(again_us, max(delivery.give_up_us, now_us + 1))
        )


def doubled_s(first_s: float, times: int, most_s: float) -> float:
    """Return `first_s`, doubled so many times, however many they are, and at most `most_s`."""
    try:
        return min(first_s * 2.0**times, most_s)
    except OverflowError:
        return most_s


def retry_after_s(value: str, now_s: float) -> float:
    """Return the seconds that `Retry-After` asks for (RFC 9110, 10.2.3: a number or a date).

    0 without one that can be read. `now_s` is Unix time.
    """
    if value.isascii() and value.isdecimal():
        return float(value[:9])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now_s)
    except (ValueError, OverflowError):
        return 0.0
