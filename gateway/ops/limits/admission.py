"""Who is let in: so many calls of one caller and of one agent, over all processes.

Each place is a lease that the process of its call renews, whichever that is at the time; those of
a process that died are given back by themselves.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from hashlib import sha256

from gateway import limits
from gateway.errors import NotAdmitted
from gateway.ops.limits.circuit_breaker import CircuitBreaker
from gateway.ops.store.shared import Remote
from gateway.protocols.realtime_server import RateLimit

Rooms = list[tuple[str, int]]


class Admission:
    def __init__(self, per_caller: int | None, remote: Remote | None) -> None:
        self._per_caller, self._remote = per_caller, remote
        self._placed: dict[str, Rooms] = {}
        self._counts: Counter[str] = Counter()

    def hold(self, call_sid: str, caller: str, agent: str, most: int | None) -> None:
        """A call that was let in, perhaps by another process, is in this one: its place too."""
        rooms = self._rooms(caller, agent, most)
        if rooms and call_sid not in self._placed:
            self._place(call_sid, rooms)

    def _rooms(self, caller: str, agent: str, most: int | None) -> Rooms:
        rooms: Rooms = []
        if self._per_caller is not None and caller:
            rooms.append((f"caller:{sha256(caller.encode()).hexdigest()[:24]}", self._per_caller))
        if most is not None:
            rooms.append((f"agent:{agent}", most))
        return rooms

    async def admit(self, call_sid: str, caller: str, agent: str, most: int | None) -> None:
        """Raises NotAdmitted: `caller_busy`, `agent_full`."""
        rooms = self._rooms(caller, agent, most)
        if not rooms or call_sid in self._placed:
            return
        full = next((n for n, (name, m) in enumerate(rooms, 1) if self._counts[name] >= m), 0)
        # Taken before asking: between two calls of one moment nobody else may count.
        self._place(call_sid, rooms)
        try:
            full = full or await self._ask(call_sid, rooms)
        except BaseException:
            self._displace(call_sid)  # whoever gave up asking will not leave either
            raise
        if full:
            self._displace(call_sid)
            by_caller = rooms[full - 1][0].startswith("caller:")
            raise NotAdmitted("caller_busy" if by_caller else "agent_full")

    async def _ask(self, call_sid: str, rooms: Rooms) -> int:
        if self._remote is None:
            return 0
        return await self._remote.ask(
            lambda redis: redis.admit(call_sid, rooms, limits.store.LEASE_S), otherwise=0
        )

    def _place(self, call_sid: str, rooms: Rooms) -> None:
        self._placed[call_sid] = rooms
        self._counts.update(name for name, _ in rooms)

    def _displace(self, call_sid: str) -> Rooms:
        rooms = self._placed.pop(call_sid, [])
        self._counts.subtract(name for name, _ in rooms)
        self._counts = +self._counts
        return rooms

    async def leave(self, call_sid: str, *, over: bool = True) -> None:
        """If it is not over but gone from here, whoever has it now renews the lease, or nobody."""
        rooms = self._displace(call_sid)
        if rooms and over and self._remote is not None:
            names = [name for name, _ in rooms]
            await self._remote.ask(lambda redis: redis.leave(call_sid, names), otherwise=None)

    async def run(self) -> None:
        """Renews all leases of this process."""
        while True:
            await asyncio.sleep(limits.store.LEASE_RENEW_S)
            await self.renew()

    async def renew(self) -> None:
        for call_sid, rooms in list(self._placed.items()):
            if call_sid in self._placed:  # or it has left while others were renewed
                await self._ask(call_sid, rooms)


class RateWatch:
    """The model's rate limit, as its last response told: new calls are shed before live starve."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = 0.0

    @property
    def short(self) -> bool:
        return self._clock() < self._until

    def saw(self, rate_limits: tuple[RateLimit, ...]) -> None:
        for limit in rate_limits:
            if not limit.limit or limit.remaining is None or limit.name not in _WATCHED:
                continue
            if limit.remaining / limit.limit < limits.model.SHED_BELOW_RATIO:
                self._until = self._clock() + min(
                    limit.reset_seconds or 0.0, limits.model.SHED_MAX_S
                )
            else:
                self._until = 0.0


_WATCHED = frozenset({"requests", "tokens"})


def shed_reason(breaker: CircuitBreaker, rates: RateWatch) -> str | None:
    """Why no further call is brought to the model: it is not to be had, or running calls need
    what is left of it.
    """
    if breaker.open:
        return "model_down"
    return "rate_limited" if rates.short else None
