"""Leases on SIP calls: which of the processes that share a store steers which call."""

from __future__ import annotations

from collections.abc import Collection
from time import monotonic
from typing import TYPE_CHECKING

from gateway import limits
from gateway.bridge.calls.running_call import RunningCall
from gateway.bridge.failover.snapshots import SnapshotStore
from gateway.errors import LinkError
from gateway.ops.store.shared import Remote

if TYPE_CHECKING:  # imported where a store is named
    from gateway.ops.store.redis import RedisStore


class SipLeases:
    """Leases of one process, whose name is unique among all that share the store.

    Without a shared store nobody could take a call over, and every method does nothing.
    """

    def __init__(
        self,
        process: str,
        remote: Remote | None,
        snapshots: SnapshotStore,
        *,
        lease_s: float = limits.sip.LEASE_S,
    ) -> None:
        self._process, self._remote, self._snapshots = process, remote, snapshots
        self._lease_s = lease_s

    @property
    def shared(self) -> bool:
        return self._remote is not None

    @property
    def settled(self) -> bool:
        """Whether the store was there for a whole lease.

        Soon after it was away leases have run out whose owners live.
        """
        remote = self._remote
        return (
            remote is not None
            and remote.down_since is None
            and monotonic() - remote.back_at > self._lease_s
        )

    @property
    def down(self) -> bool:
        """Whether the store is away."""
        return self._remote is None or self._remote.down_since is not None

    async def renew(self, call_ids: Collection[str]) -> list[str]:
        """Renew the leases of these calls; return those that another process has by now."""
        nobody: list[str] = []
        if self._remote is None:
            return nobody
        return await self._remote.ask(
            lambda redis: redis.renew_leases(self._process, list(call_ids), self._lease_s),
            otherwise=nobody,
        )

    async def hold(self, call_id: str) -> None:
        """Hold a call that has just begun here: nobody else has a lease on it."""
        await self.renew([call_id])

    async def take(self) -> str | None:
        """Take one call whose lease has run out or was released; its call_id."""
        if self._remote is None:
            return None
        return await self._remote.ask(
            lambda redis: redis.take_expired_lease(self._process, self._lease_s), otherwise=None
        )

    async def release(self, call: RunningCall) -> None:
        """Leave a call to whichever process looks next. Raises LinkError."""

        async def give(redis: RedisStore) -> bool:
            await redis.release_lease(call.facts.call_id)
            return True

        await self._snapshots.save(call)
        if self._remote is None or not await self._remote.ask(give, otherwise=False):
            raise LinkError("no_store", retryable=False)

    async def drop(self, call_id: str) -> None:
        """Remove the lease of a call that is over."""
        if self._remote is not None:
            await self._remote.ask(lambda redis: redis.drop_lease(call_id), otherwise=None)
