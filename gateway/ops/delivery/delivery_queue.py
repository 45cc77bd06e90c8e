"""The outbox as its senders and operators see it: take, report, list, send again."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from time import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from msgspec import Struct

from gateway import limits
from gateway.ops.database.database import Database
from gateway.ops.database.paging import page_of
from gateway.ops.database.sealing import Sealer
from gateway.ops.delivery.outbox import DELIVERED, PARKED, PENDING, TakenEvent, label

if TYPE_CHECKING:
    from sqlalchemy import Connection

_US: Final = 1_000_000
STATES: Final = (PENDING, PARKED, DELIVERED)


class DeliveryInfo(Struct):
    """An event in a list; its content is not shown."""

    id: str
    type: str
    call: str
    state: str
    """`pending`, `parked` (given up after a day) or `delivered` (kept for a day)."""
    created_at: str
    """RFC 3339, UTC; the same for the next one."""
    due_at: str | None
    """When it is tried next; null unless it is pending."""
    attempts: int
    last_status: int | None = None
    """HTTP status of the last attempt; null where there was no answer."""
    last_error: str = ""
    """Why it failed, in one word."""


class DeliveryStats(NamedTuple):
    """Figures for metrics."""

    pending: int
    parked: int
    oldest_s: float
    """Age of the oldest event that is pending and due since it was created, 0 without one."""


class Report(NamedTuple):
    """Outcome of one attempt."""

    delivered: bool
    status: int | None
    error: str
    again_us: int | None
    """When it is tried again; None to park it."""


class DeliveryQueue:
    """Queue that several processes share. Every method raises DatabaseAway."""

    def __init__(
        self, database: Database, sealer: Sealer, wall: Callable[[], float] = time
    ) -> None:
        self._database, self._sealer, self._wall = database, sealer, wall
        self._me = secrets.token_hex(8)

    @property
    def now_us(self) -> int:
        return round(self._wall() * _US)

    async def take(self, most: int) -> list[TakenEvent]:
        """Take events that are due; for the time of a lease no other process gets them."""
        return await self._database.write(lambda c: self._take(c, most))

    def _take(self, connection: Connection, most: int) -> list[TakenEvent]:
        from sqlalchemy import exists, select, tuple_, update  # noqa: PLC0415 - on the thread

        from gateway.ops.database.schema import deliveries  # noqa: PLC0415

        d, before, now = deliveries.c, deliveries.alias(), self.now_us
        earlier = exists().where(
            before.c.call_id == d.call_id,
            before.c.state == PENDING,
            tuple_(before.c.created_at, before.c.id) < tuple_(d.created_at, d.id),
        )
        query = (
            select(d.id, d.type, d.call_id, d.attempts, d.give_up_at, d.sealed_body)
            .where(d.state == PENDING, d.due_at <= now, d.leased_until <= now, ~earlier)
            .order_by(d.due_at)
            .limit(most)
            # In SQLite, which has no such clause, the transaction has the lock since it began.
            .with_for_update(of=deliveries, skip_locked=True)
        )
        rows = connection.execute(query).all()
        if rows:
            until = now + round(limits.database.DELIVERY_LEASE_S * _US)
            taken = update(deliveries).where(d.id.in_([row.id for row in rows]))
            connection.execute(taken.values(leased_until=until, lease=self._me))
        return [
            TakenEvent(
                row.id,
                row.type,
                row.call_id,
                row.attempts,
                row.give_up_at,
                self._sealer.open(label(row.id), row.sealed_body),
            )
            for row in rows
        ]

    async def report(self, delivery: TakenEvent, report: Report) -> None:
        """Say what became of an event that was taken; one that another process has is left."""
        from_now: dict[str, Any] = {
            "attempts": delivery.attempts + 1,
            "last_status": report.status,
            "last_error": report.error[: limits.database.DELIVERY_ERROR_MAX_CHARS],
            "leased_until": 0,
            "lease": None,
        }
        if report.delivered:
            # What people said need not stay here any longer.
            from_now |= {"state": DELIVERED, "delivered_at": self.now_us}
            from_now["sealed_body"] = self._sealer.seal(label(delivery.id), b"")
        elif report.again_us is None:
            from_now["state"] = PARKED
        else:
            from_now["due_at"] = report.again_us

        def write(connection: Connection) -> None:
            from sqlalchemy import update  # noqa: PLC0415 - on the thread

            from gateway.ops.database.schema import deliveries  # noqa: PLC0415

            d = deliveries.c
            mine = update(deliveries).where(d.id == delivery.id, d.lease == self._me)
            connection.execute(mine.values(**from_now))

        await self._database.write(write)

    async def retry(self, event_id: str) -> bool:
        """Have an event sent now, and for another day; False where there is none to be sent."""

        def write(connection: Connection) -> bool:
            from sqlalchemy import update  # noqa: PLC0415 - on the thread

            from gateway.ops.database.schema import deliveries  # noqa: PLC0415

            d, now = deliveries.c, self.now_us
            again = update(deliveries).where(d.id == event_id, d.state.in_((PENDING, PARKED)))
            done = connection.execute(
                again.values(
                    state=PENDING,
                    due_at=now,
                    give_up_at=now + round(limits.database.DELIVERY_GIVE_UP_S * _US),
                ).returning(d.id)
            )
            return done.first() is not None

        return await self._database.write(write)

    async def listed(
        self, state: str | None, most: int, after: tuple[int, str] | None = None
    ) -> tuple[list[DeliveryInfo], tuple[int, str] | None]:
        """Return events, newest first, and where the next page begins."""
        return await self._database.read(lambda c: self.select(c, state, most, after))

    def select(
        self,
        connection: Connection,
        state: str | None,
        most: int,
        after: tuple[int, str] | None = None,
    ) -> tuple[list[DeliveryInfo], tuple[int, str] | None]:
        from sqlalchemy import desc, select, tuple_  # noqa: PLC0415 - on the thread

        from gateway.ops.database.schema import deliveries  # noqa: PLC0415

        d = deliveries.c
        query = select(deliveries)
        if state is not None:
            query = query.where(d.state == state)
        if after is not None:
            query = query.where(tuple_(d.created_at, d.id) < tuple_(*after))
        query = query.order_by(desc(d.created_at), desc(d.id))
        rows, last = page_of(connection, query, most)
        return [_info(row) for row in rows], None if last is None else (last.created_at, last.id)

    async def stats(self) -> DeliveryStats:
        """Return figures of the whole outbox, and delete what was delivered long ago."""
        return await self._database.write(self._stats)

    def _stats(self, connection: Connection) -> DeliveryStats:
        from sqlalchemy import delete, func, select  # noqa: PLC0415 - on the thread

        from gateway.ops.database.schema import deliveries  # noqa: PLC0415

        d, now = deliveries.c, self.now_us
        old = now - round(limits.database.DELIVERY_DELIVERED_KEPT_S * _US)
        connection.execute(delete(deliveries).where(d.state == DELIVERED, d.delivered_at < old))
        counted = connection.execute(
            select(d.state, func.count(), func.min(d.created_at))
            .where(d.state.in_((PENDING, PARKED)))
            .group_by(d.state)
        ).all()
        found = {state: (count, oldest) for state, count, oldest in counted}
        pending, oldest = found.get(PENDING, (0, now))
        return DeliveryStats(pending, found.get(PARKED, (0, 0))[0], max(0.0, (now - oldest) / _US))

    async def expire(self, created_before_us: int) -> None:
        """Delete every event that is older, parked ones above all."""

        def write(connection: Connection) -> None:
            from sqlalchemy import delete  # noqa: PLC0415 - on the thread

            from gateway.ops.database.schema import deliveries  # noqa: PLC0415

            connection.execute(
                delete(deliveries).where(deliveries.c.created_at < created_before_us)
            )

        await self._database.write(write)


def _info(row: Any) -> DeliveryInfo:
    return DeliveryInfo(
        row.id,
        row.type,
        row.call_id,
        row.state,
        _moment(row.created_at),
        _moment(row.due_at) if row.state == PENDING else None,
        row.attempts,
        row.last_status,
        row.last_error or "",
    )


def _moment(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / _US, UTC).isoformat(timespec="milliseconds")
