"""State with a time to live: in this process, and in Redis for all processes.

An outage of Redis never harms a call: each process goes on with its own memory, and writes later.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from gateway import limits
from gateway.errors import StoreError, StoreValueError
from gateway.ops.store.call_keys import bar_of_call, bar_of_key, is_barred
from gateway.ops.store.memory import MemoryStore

if TYPE_CHECKING:  # a process of its own needs no client of Redis, which takes 13 MB
    from gateway.ops.store.redis import RedisStore

log = structlog.get_logger()
T = TypeVar("T")
_PROBE: Final = "probe"
"""Key that nobody reads."""


@dataclass(slots=True)
class Remote:
    """Redis, and whether it serves; `on_failure` is called for each request that failed."""

    redis: RedisStore
    on_failure: Callable[[], None] = lambda: None
    down_since: float | None = None
    look_again_at: float = 0.0
    probe_at: float = 0.0
    """When it may be asked again whether it takes writes."""
    back_at: float = field(default_factory=monotonic)
    """Since when it has served, as far as requests have shown."""

    async def ask(self, question: Callable[[RedisStore], Awaitable[T]], otherwise: T) -> T:
        """Return the answer, or `otherwise` if Redis does not serve.

        After a failure the next `STORE_PAUSE_S` are not asked for, so that an outage costs no time.
        """
        if self.down_since is not None and monotonic() < self.look_again_at:
            return otherwise
        try:
            answer = await _to_its_end(question(self.redis))
        except StoreValueError as error:
            log.error("store_value_refused", reason=str(error))
            answer = otherwise  # it answers: only this key is wrong
        except StoreError as error:
            self._lost(error)
            return otherwise
        if self.down_since is not None:
            await self._look_for_writes()
        return answer

    async def _look_for_writes(self) -> None:
        """End an outage when Redis takes a write: a full one, or a replica, serves reads too."""
        if monotonic() < self.probe_at:
            return
        self.probe_at = monotonic() + limits.store.STORE_PAUSE_S
        try:
            await _to_its_end(self.redis.put([(_PROBE, "", limits.store.STORE_PAUSE_S)]))
        except StoreError:
            self.on_failure()
        else:
            self._found()

    def _lost(self, error: StoreError) -> None:
        self.on_failure()
        self.look_again_at = monotonic() + limits.store.STORE_PAUSE_S
        if self.down_since is None:
            self.down_since = monotonic()
            log.error("store_unavailable", setting="GATEWAY_STORE", reason=str(error))

    def _found(self) -> None:
        if self.down_since is not None:
            self.back_at = monotonic()
            away_s, self.down_since = round(self.back_at - self.down_since, 1), None
            log.info("store_available", setting="GATEWAY_STORE", away_s=away_s)


async def _to_its_end(question: Awaitable[T]) -> T:
    """Await a request to its end, even when cancelled: cut short, it would leak a connection."""
    asked = asyncio.ensure_future(question)
    try:
        return await asyncio.shield(asked)
    except asyncio.CancelledError:
        await asyncio.gather(asked, return_exceptions=True)
        raise


_Work = Callable[[], Coroutine[Any, Any, None]]


class Store:
    """Keys with a value and a time to live; `start` runs writes in the background."""

    def __init__(
        self,
        memory: MemoryStore,
        remote: Remote | None = None,
        start: Callable[[Coroutine[Any, Any, None], str], object] | None = None,
    ) -> None:
        self._memory, self._remote, self._start = memory, remote, start
        self._unwritten: dict[str, deque[_Work]] = {}
        """Writes that Redis has not taken yet: for each key, in order."""
        self._bars = False
        """Whether any call was forgotten here: until then nothing is looked up."""

    @property
    def shared(self) -> bool:
        """Whether other processes read and write the same keys."""
        return self._remote is not None

    @property
    def away(self) -> bool:
        """Whether the shared store did not serve the last request: local memory did."""
        return self._remote is not None and self._remote.down_since is not None

    def remember(self, key: str, value: str, ttl_s: float) -> None:
        """Put a key in this process at once, and in Redis in the background."""
        self._put_here(key, value, ttl_s)
        self._later(key, lambda: self.put(key, value, ttl_s))

    def known(self, key: str) -> str | None:
        """Return the value in this process's memory; Redis is not asked."""
        return self._memory.get(key)

    def forget(self, key: str) -> None:
        """Delete a key in this process at once, and in Redis in the background."""
        self._memory.delete(key)
        self._later(key, lambda: self.delete(key))

    def _later(self, key: str, work: _Work) -> None:
        """Write in the background. Until then, reads of this key are served from local memory."""
        if self._remote is None or self._start is None:
            return
        if key in self._unwritten:
            self._unwritten[key].append(work)
            return
        self._unwritten[key] = deque([work])
        self._start(self._write_in_order(key), "store_write")

    async def _write_in_order(self, key: str) -> None:
        """Write one after the other: on two connections, a delete could overtake its put."""
        left = self._unwritten[key]
        try:
            while left:
                await left[0]()
                left.popleft()
        finally:
            del self._unwritten[key]

    async def claim(self, key: str, ttl_s: float) -> bool:
        """Claim a key once; False if any process has claimed it before and it has not expired."""
        mine = self._memory.claim(key, ttl_s)
        if self._remote is None:
            return mine
        lost = not mine and self._is_from_before(key, self._remote)
        first = await self._remote.ask(lambda redis: redis.claim(key, ttl_s), otherwise=mine)
        return first and not lost

    async def get(self, key: str) -> str | None:
        """Return what Redis has; local memory counts while Redis is away or may have lost it."""
        known = self._memory.get(key)
        if self._remote is None or key in self._unwritten:
            return known
        found = await self._remote.ask(lambda redis: redis.get(key), otherwise=known)
        if found is None and known is not None:
            if self._is_from_before(key, self._remote):
                return known
            self._memory.delete(key)  # another process has deleted it
        return found

    async def exists(self, key: str) -> bool:
        """Return whether there is a key, here or in Redis, whatever stands under it."""
        here = self._memory.get(key) is not None
        if self._remote is None:
            return here
        return await self._remote.ask(lambda redis: redis.exists(key), otherwise=here) or here

    def _is_from_before(self, key: str, remote: Remote) -> bool:
        """Tell whether Redis was away since the key was put, so that it may be missing there."""
        put_at = self._memory.put_at(key)
        return put_at is not None and (remote.down_since is not None or put_at < remote.back_at)

    async def put(self, key: str, value: str, ttl_s: float) -> None:
        """Put a key here and in Redis."""
        await self.put_all([(key, value, ttl_s)])

    async def put_all(self, entries: Sequence[tuple[str, str, float]]) -> bool:
        """Write entries of (key, value, seconds to live); False when Redis did not take them."""
        for key, value, ttl_s in entries:
            self._put_here(key, value, ttl_s)
        if self._remote is None or not entries:
            return True

        async def write(redis: RedisStore) -> bool:
            await redis.put(entries)
            return True

        return await self._remote.ask(write, otherwise=False)

    def _put_here(self, key: str, value: str, ttl_s: float) -> None:
        bar = bar_of_key(key) if self._bars else ""
        if not (bar and is_barred(key, self._memory.get(bar) or "")):
            self._memory.put(key, value, ttl_s)

    async def bar(self, names: Sequence[str], state: str, ttl_s: float) -> None:
        """Have no process put anything more under the names of calls that were forgotten.

        `state` is `ENDED` or `RUNNING` of `call_keys`.
        """
        self._bars = True
        for name in names:
            self._memory.put(bar_of_call(name), state, ttl_s)
        if self._remote is not None and names:
            await self._remote.ask(lambda redis: redis.bar(names, state, ttl_s), otherwise=None)

    async def note(self, index: str, member: str, ttl_s: float) -> None:
        """Add a name to a set, in Redis, or here where there is none."""
        if self._remote is not None:
            return await self._remote.ask(
                lambda redis: redis.note(index, member, ttl_s), otherwise=None
            )
        known = (self._memory.get(index) or "").splitlines()
        if member not in known:
            known.append(member)
        return self._memory.put(index, "\n".join(known[-limits.store.NOTED_MAX :]), ttl_s)

    async def noted(self, index: str) -> list[str]:
        """Return the names of a set; nothing while Redis is away."""
        if self._remote is not None:
            nothing: list[str] = []
            return await self._remote.ask(lambda redis: redis.noted(index), otherwise=nothing)
        return sorted((self._memory.get(index) or "").splitlines())

    async def count(self, key: str, ttl_s: float) -> int:
        """Add one to a counter and return its sum, of this process alone while Redis is away."""
        mine = int(self._memory.get(key) or 0) + 1
        self._memory.put(key, str(mine), ttl_s)
        if self._remote is None:
            return mine
        return await self._remote.ask(lambda redis: redis.add(key, 1, ttl_s), otherwise=mine)

    async def push(self, key: str, value: str, ttl_s: float) -> bool:
        """Append to a list that another process reads; False when Redis did not take it."""
        if self._remote is None:
            return False

        async def write(redis: RedisStore) -> bool:
            await redis.push(key, value, ttl_s, limits.store.MAILBOX_MAX)
            return True

        return await self._remote.ask(write, otherwise=False)

    async def pop(self, key: str) -> str | None:
        """Remove and return the oldest entry of a list that other processes append to."""
        if self._remote is None:
            return None
        return await self._remote.ask(lambda redis: redis.pop(key), otherwise=None)

    async def post(self, board: str, member: str, text: str, ttl_s: float) -> bool:
        """Put a value on a board that other processes read; False when Redis did not take it."""
        if self._remote is None:
            return False

        async def write(redis: RedisStore) -> bool:
            await redis.post(board, member, text, ttl_s)
            return True

        return await self._remote.ask(write, otherwise=False)

    async def posted(self, board: str) -> dict[str, str]:
        """Return what all processes have put on a board; nothing while Redis is away."""
        if self._remote is None:
            return {}
        nothing: dict[str, str] = {}
        return await self._remote.ask(lambda redis: redis.posted(board), otherwise=nothing)

    async def delete(self, key: str) -> None:
        """Delete a key here and in Redis."""
        self._memory.delete(key)
        if self._remote is not None:
            await self._remote.ask(lambda redis: redis.delete(key), otherwise=None)
