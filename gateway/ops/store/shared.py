"""What must be remembered for a while: in this process, and in Redis for all of them.

Redis going away is never a caller's business: each process goes on from its own memory, and what
it remembers is written again later.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, TypeVar

import structlog

from gateway import limits
from gateway.errors import StoreError
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.redis import RedisStore

log = structlog.get_logger()
T = TypeVar("T")


@dataclass(slots=True)
class Remote:
    """Redis, and whether it is there; `failed` is told each time that it is not."""

    redis: RedisStore
    failed: Callable[[], None] = lambda: None
    down_since: float | None = None
    look_again_at: float = 0.0
    back_at: float = field(default_factory=monotonic)
    """Since when it has been there, as far as anybody asked."""

    async def ask(self, question: Callable[[RedisStore], Awaitable[T]], otherwise: T) -> T:
        """The answer; `otherwise` while Redis is away, which costs time only now and then."""
        if self.down_since is not None and monotonic() < self.look_again_at:
            return otherwise
        try:
            answer = await _whole(question(self.redis))
        except StoreError as error:
            self._lost(error)
            return otherwise
        self._found()
        return answer

    def _lost(self, error: StoreError) -> None:
        self.failed()
        self.look_again_at = monotonic() + limits.store.STORE_PAUSE_S
        if self.down_since is None:
            self.down_since = monotonic()
            log.error("the store of GATEWAY_STORE is away; calls go on", reason=str(error))

    def _found(self) -> None:
        if self.down_since is not None:
            self.back_at = monotonic()
            away_s, self.down_since = round(self.back_at - self.down_since, 1), None
            log.info("the store of GATEWAY_STORE is back", away_s=away_s)


async def _whole(question: Awaitable[T]) -> T:
    """To its end, and that is soon: cut short, it would leave a connection open."""
    asked = asyncio.ensure_future(question)
    try:
        return await asyncio.shield(asked)
    except asyncio.CancelledError:
        await asyncio.gather(asked, return_exceptions=True)
        raise


_Work = Callable[[], Coroutine[Any, Any, None]]


class Store:
    """`soon` starts work that nobody waits for."""

    def __init__(
        self,
        memory: MemoryStore,
        remote: Remote | None = None,
        soon: Callable[[Coroutine[Any, Any, None], str], object] | None = None,
    ) -> None:
        self._memory, self._remote, self._soon = memory, remote, soon
        self._writing: dict[str, deque[_Work]] = {}
        """Of what Redis is still to be told, for each key in order."""

    @property
    def shared(self) -> bool:
        """Whether other processes remember the same."""
        return self._remote is not None

    def remember(self, key: str, value: str, ttl_s: float) -> None:
        """In this process at once, and in Redis as soon as may be."""
        self._memory.put(key, value, ttl_s)
        self._later(key, lambda: self.put(key, value, ttl_s))

    def known(self, key: str) -> str | None:
        """What this process remembers by itself."""
        return self._memory.get(key)

    def forget(self, key: str) -> None:
        """In the same way."""
        self._memory.delete(key)
        self._later(key, lambda: self.delete(key))

    def _later(self, key: str, work: _Work) -> None:
        """Until it is done, this process believes itself."""
        if self._remote is None or self._soon is None:
            return
        if key in self._writing:
            self._writing[key].append(work)
            return
        self._writing[key] = deque([work])
        self._soon(self._tell(key), "write to the store")

    async def _tell(self, key: str) -> None:
        """One after the other: on two connections, what is deleted could come to be after it."""
        left = self._writing[key]
        try:
            while left:
                await left[0]()
                left.popleft()
        finally:
            del self._writing[key]

    async def claim(self, key: str, ttl_s: float) -> bool:
        """Takes a key once: False when it was taken before, by whomever, and has not expired."""
        mine = self._memory.claim(key, ttl_s)
        if self._remote is None:
            return mine
        lost = not mine and self._is_from_before(key, self._remote)
        first = await self._remote.ask(lambda redis: redis.claim(key, ttl_s), otherwise=mine)
        return first and not lost

    async def get(self, key: str) -> str | None:
        """What Redis says; this process's own word counts while that is away, or may not know."""
        known = self._memory.get(key)
        if self._remote is None or key in self._writing:
            return known
        found = await self._remote.ask(lambda redis: redis.get(key), otherwise=known)
        if found is None and known is not None:
            if self._is_from_before(key, self._remote):
                return known
            self._memory.delete(key)  # another process has deleted it
        return found

    def _is_from_before(self, key: str, remote: Remote) -> bool:
        """Whether Redis was away since it was put: it may not have been taken, or been lost."""
        put_at = self._memory.put_at(key)
        return put_at is not None and (remote.down_since is not None or put_at < remote.back_at)

    async def put(self, key: str, value: str, ttl_s: float) -> None:
        await self.put_all([(key, value, ttl_s)])

    async def put_all(self, entries: Sequence[tuple[str, str, float]]) -> bool:
        """(key, value, seconds to live) each; False when Redis did not take them."""
        for key, value, ttl_s in entries:
            self._memory.put(key, value, ttl_s)
        if self._remote is None or not entries:
            return True

        async def write(redis: RedisStore) -> bool:
            await redis.put(entries)
            return True

        return await self._remote.ask(write, otherwise=False)

    async def push(self, key: str, value: str, ttl_s: float) -> bool:
        """Into a list for another process; False when there is none, or it was not taken."""
        if self._remote is None:
            return False

        async def write(redis: RedisStore) -> bool:
            await redis.push(key, value, ttl_s, limits.store.MAILBOX_MAX)
            return True

        return await self._remote.ask(write, otherwise=False)

    async def pop(self, key: str) -> str | None:
        """The oldest of a list that other processes push into."""
        if self._remote is None:
            return None
        return await self._remote.ask(lambda redis: redis.pop(key), otherwise=None)

    async def delete(self, key: str) -> None:
        self._memory.delete(key)
        if self._remote is not None:
            await self._remote.ask(lambda redis: redis.delete(key), otherwise=None)
