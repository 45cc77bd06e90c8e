"""Concurrency limits of one caller and of one agent, over all processes.

Each slot is a lease, which the process that has the call renews. Slots of a process that died are
freed when their leases expire.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from math import inf

from gateway import limits
from gateway.errors import NotAdmitted
from gateway.ops.limits.circuit_breaker import CircuitBreaker
from gateway.ops.store.key_names import hashed
from gateway.ops.store.shared import Remote
from gateway.protocols.realtime_server import RateLimit

Slots = list[tuple[str, int]]
"""The sets in which a call takes a slot, by name, and how many slots each has."""


class Admission:
    """Slots of running calls; with a `remote`, counted over all processes that share it."""

    def __init__(self, per_caller: int | None, remote: Remote | None) -> None:
        self._per_caller, self._remote = per_caller, remote
        self._slots: dict[str, Slots] = {}
        """By the key of the call."""
        self._counts: Counter[str] = Counter()

    def restore(self, call_sid: str, caller: str, agent: str, limit: int | None) -> None:
        """Count a call of this process that was admitted before, perhaps by another process."""
        slots = self._slots_for(caller, agent, limit)
        if slots and call_sid not in self._slots:
            self._take(call_sid, slots)

    def _slots_for(self, caller: str, agent: str, limit: int | None) -> Slots:
        slots: Slots = []
        if self._per_caller is not None and caller:
            slots.append((f"caller:{hashed(caller)}", self._per_caller))
        if limit is not None:
            slots.append((f"agent:{agent}", limit))
        return slots

    async def admit(self, call_sid: str, caller: str, agent: str, limit: int | None) -> None:
        """Take the slots of a call. Raises NotAdmitted: `caller_busy`, `agent_full`."""
        slots = self._slots_for(caller, agent, limit)
        if not slots or call_sid in self._slots:
            return
        full = next((n for n, (name, m) in enumerate(slots, 1) if self._counts[name] >= m), 0)
        # Taken before asking: of two calls in one moment, the second must see the first.
        self._take(call_sid, slots)
        try:
            full = full or await self._lease(call_sid, slots)
        except BaseException:
            self._give_up(call_sid)  # the caller of a cancelled request will not release it
            raise
        if full:
            self._give_up(call_sid)
            by_caller = slots[full - 1][0].startswith("caller:")
            raise NotAdmitted("caller_busy" if by_caller else "agent_full")

    async def _lease(self, call_sid: str, slots: Slots) -> int:
        if self._remote is None:
            return 0
        return await self._remote.ask(
            lambda redis: redis.admit(call_sid, slots, limits.store.LEASE_S), otherwise=0
        )

    def _take(self, call_sid: str, slots: Slots) -> None:
        self._slots[call_sid] = slots
        self._counts.update(name for name, _ in slots)

    def _give_up(self, call_sid: str) -> Slots:
        slots = self._slots.pop(call_sid, [])
        self._counts.subtract(name for name, _ in slots)
        self._counts = +self._counts
        return slots

    async def release(self, call_sid: str, *, ended: bool = True) -> None:
        """Free the slots of a call.

        If it has not `ended` but left this process, its lease stays: the process that has it now
        renews it, or it expires.
        """
        slots = self._give_up(call_sid)
        if slots and ended and self._remote is not None:
            names = [name for name, _ in slots]
            await self._remote.ask(lambda redis: redis.free(call_sid, names), otherwise=None)

    async def run(self) -> None:
        """Renew the leases of this process until cancelled."""
        while True:
            await asyncio.sleep(limits.store.LEASE_RENEW_S)
            await self.renew()

    async def renew(self) -> None:
        """Renew the leases of this process once."""
        for call_sid, slots in list(self._slots.items()):
            if call_sid in self._slots:  # a call may end while others are renewed
                await self._lease(call_sid, slots)


class RateWatch:
    """The model's rate limit by its last response: sheds new calls before live ones starve."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until = -inf

    @property
    def short(self) -> bool:
        """Whether running calls need what is left of the limit."""
        return self._clock() < self._until

    def update(self, rate_limits: tuple[RateLimit, ...]) -> None:
        """Take the limits that a response reported."""
        for limit in rate_limits:
            if not limit.limit or limit.remaining is None or limit.name not in _WATCHED:
                continue
            if limit.remaining / limit.limit < limits.model.SHED_BELOW_RATIO:
                self._until = self._clock() + min(
                    limit.reset_seconds or 0.0, limits.model.SHED_MAX_S
                )
            else:
                self._until = -inf


_WATCHED = frozenset({"requests", "tokens"})


def shed_reason(breaker: CircuitBreaker, rates: RateWatch) -> str | None:
    """Return why new calls do not get the model: `model_down` or `rate_limited`; else None."""
    if breaker.open:
        return "model_down"
    return "rate_limited" if rates.short else None
