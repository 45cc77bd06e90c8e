"""Calls and callers that were forgotten: what is written or stored of them later is dropped.

A process may have something of a call on its own disk when another one forgets it: a record that
waits for the database, an event, a part of a recording, a carrier's recording that is still to be
fetched. So a forgotten call or caller leaves a tombstone in the database, by a keyed hash, and
every writer looks for it.

A call of which an agent that took it over keeps nothing (`record: none`) leaves one of its own
kind: that the call ended is still delivered, and nothing else of it is written or stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from time import time
from typing import TYPE_CHECKING, Final

import structlog

from gateway.ops.database.database import Database
from gateway.ops.records.callers import CallerHash

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = structlog.get_logger()
_US: Final = 1_000_000
OnDropped = Callable[[Sequence[str]], None]


class Tombstones:
    """Functions with a `connection` run on the database's thread, the others raise DatabaseAway."""

    def __init__(
        self, database: Database, callers: CallerHash, wall: Callable[[], float] = time
    ) -> None:
        self._database, self._callers, self._wall = database, callers, wall
        self._on_dropped: list[OnDropped] = []

    def subscribe(self, on_dropped: OnDropped) -> None:
        """Have `on_dropped` called, on the database's thread, with the names of a dropped call."""
        self._on_dropped.append(on_dropped)

    # --- For whoever forgets ---

    async def add(self, names: Iterable[str], caller_hash: str = "") -> int:
        """Bar these calls, and those of a caller that have begun; return how many are barred."""
        hashes = self._hashes(names)

        def write(connection: Connection) -> None:
            self._bar(connection, [*hashes(), *([caller_hash] if caller_hash else [])])

        await self._database.write(write)
        # Read back in another transaction: this is what every writer sees from now on.
        return await self._database.read(
            lambda c: len(self._found(c, [*hashes(), *([caller_hash] if caller_hash else [])]))
        )

    async def expire(self, forgotten_before_us: int) -> None:
        """Delete tombstones of which no spool can have anything any more."""

        def write(connection: Connection) -> None:
            from sqlalchemy import delete  # noqa: PLC0415 - on the thread

            from gateway.ops.database.schema import forgotten  # noqa: PLC0415

            old = forgotten.c.forgotten_at < forgotten_before_us
            connection.execute(delete(forgotten).where(old))

        await self._database.write(write)

    # --- For whoever writes ---

    async def bar(self, names: Iterable[str], caller_hash: str, began_s: float) -> bool:
        """Return whether nothing of a call may be stored; `began_s` is Unix time."""
        wanted, began_us = list(names), round(began_s * _US)
        return await self._database.read(
            lambda c: self.bars(c, wanted, caller_hash, began_us) or self.keeps_nothing(c, wanted)
        )

    def bars(
        self, connection: Connection, names: Iterable[str], caller_hash: str, began_us: int
    ) -> bool:
        """Return whether a call was forgotten, or its caller after it had begun."""
        hashes = self._hashes(names)()
        found = self._found(connection, [*hashes, *([caller_hash] if caller_hash else [])])
        at_us = found.get(caller_hash)
        return any(one in found for one in hashes) or (at_us is not None and at_us >= began_us)

    def drop(self, connection: Connection, names: Sequence[str]) -> None:
        """Bar a call of a forgotten caller by its names, since what is to come has only these."""
        self._bar(connection, self._hashes(names)())
        log.info("forgotten_call_dropped")
        for on_dropped in self._on_dropped:
            on_dropped(names)

    def keep_nothing(self, connection: Connection, names: Sequence[str]) -> None:
        """Keep no record and no recording of a call: not what there is, and not what comes."""
        self._bar(connection, self._hashes(_unkept(names))())
        for on_dropped in self._on_dropped:
            on_dropped(names)

    def keeps_nothing(self, connection: Connection, names: Iterable[str]) -> bool:
        """Return whether neither record nor recording of a call may be kept."""
        return bool(self._found(connection, self._hashes(_unkept(names))()))

    def _hashes(self, names: Iterable[str]) -> Callable[[], list[str]]:
        """Return a function for the database's thread, where the key is known."""
        wanted = {name for name in names if name}
        return lambda: [self._callers.of_call(name) for name in sorted(wanted)]

    def _found(self, connection: Connection, hashes: Sequence[str]) -> dict[str, int]:
        from sqlalchemy import select  # noqa: PLC0415 - on the thread

        from gateway.ops.database.schema import forgotten  # noqa: PLC0415

        f = forgotten.c
        rows = connection.execute(
            select(f.name_hash, f.forgotten_at).where(f.name_hash.in_(hashes))
        )
        return {row.name_hash: row.forgotten_at for row in rows}

    def _bar(self, connection: Connection, hashes: Sequence[str]) -> None:
        from sqlalchemy import update  # noqa: PLC0415 - on the thread

        from gateway.ops.database.schema import forgotten  # noqa: PLC0415
        from gateway.ops.database.upsert import insert_new  # noqa: PLC0415

        now_us = round(self._wall() * _US)
        for one in hashes:
            if not insert_new(connection, forgotten, {"name_hash": one, "forgotten_at": now_us}):
                again = update(forgotten).where(forgotten.c.name_hash == one)
                connection.execute(again.values(forgotten_at=now_us))


def _unkept(names: Iterable[str]) -> list[str]:
    """Return names that no call has, for calls of which nothing stays but their end."""
    return [f"unkept:{name}" for name in names if name]
