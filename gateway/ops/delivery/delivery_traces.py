"""Events of calls in the outbox, for whoever forgets these calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from gateway.ops.database.database import Database
from gateway.ops.records.history import CallNames

if TYPE_CHECKING:
    from sqlalchemy import Connection


class DeliveryTraces:
    """Events in every state: what was delivered is with its receiver, and here too for a while."""

    name: Final = "deliveries"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def forget(self, calls: Sequence[CallNames]) -> int:
        """Delete the events of these calls; return how many. Raises DatabaseAway."""

        def write(connection: Connection) -> int:
            from sqlalchemy import delete  # noqa: PLC0415 - on the thread

            from gateway.ops.database.schema import deliveries  # noqa: PLC0415

            where = deliveries.c.call_id.in_(_ids(calls))
            return connection.execute(delete(deliveries).where(where)).rowcount

        return await self._database.write(write)

    async def left(self, calls: Sequence[CallNames]) -> int:
        """Return how many events there are of these calls. Raises DatabaseAway."""

        def count(connection: Connection) -> int:
            from sqlalchemy import func, select  # noqa: PLC0415 - on the thread

            from gateway.ops.database.schema import deliveries  # noqa: PLC0415

            where = deliveries.c.call_id.in_(_ids(calls))
            query = select(func.count()).select_from(deliveries).where(where)
            return int(connection.execute(query).scalar_one())

        return await self._database.read(count)


def _ids(calls: Sequence[CallNames]) -> list[str]:
    return [name for call in calls for name in {call.id, call.call_sid} if name]
