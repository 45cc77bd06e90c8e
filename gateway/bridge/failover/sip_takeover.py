"""SIP calls outlive their process: their sound never came through it. Another one steers them.

Each process renews a lease on its own; one that nobody renews, or that was released by a process
which stops, is taken by whoever looks first. The session knows what was said: only the sideband
is opened anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

import structlog

from gateway import limits
from gateway.bridge.calls.registry import CallRegistry
from gateway.bridge.calls.sip_carrier import SipLiveCall
from gateway.bridge.failover.snapshots import SnapshotStore
from gateway.call.snapshot import CallSnapshot
from gateway.errors import LinkError
from gateway.ops.store.redis import RedisStore
from gateway.ops.store.shared import Remote

log = structlog.get_logger()


class SipTakeover:
    """`process` names this one among all that share a store; `adopt` takes a call over.

    `hang_up` is told the call_id of one of which nothing is known: nobody could steer it.
    """

    def __init__(
        self,
        process: str,
        remote: Remote | None,
        snapshots: SnapshotStore,
        registry: CallRegistry,
        adopt: Callable[[CallSnapshot], None],
        hang_up: Callable[[str], None],
    ) -> None:
        self._process, self._remote = process, remote
        self._keeper, self._switchboard = snapshots, registry
        self._adopt, self._hang_up = adopt, hang_up

    async def run(self) -> None:
        while self._remote is not None:
            await asyncio.sleep(limits.sip.LOOK_S)
            try:
                await self.renew(self._remote)
                await self.look(self._remote)
            except Exception:
                log.exception("SIP calls of other processes could not be looked for")

    async def renew(self, remote: Remote) -> None:
        held = {c.facts.call_id: c for c in self._switchboard.sip_calls if _is_kept(c)}
        nobody: list[str] = []
        lost = await remote.ask(
            lambda redis: redis.renew_leases(self._process, list(held), limits.sip.LEASE_S),
            otherwise=nobody,
        )
        for call_id in lost:
            log.warning("another process has taken a call over", call_id=call_id)
            held[call_id].let_go()

    async def look(self, remote: Remote) -> None:
        """Not soon after Redis was away: then leases have run out whose owners live."""
        settled = remote.down_since is None and monotonic() - remote.back_at > limits.sip.LEASE_S
        while settled and self._switchboard.refusal("sip") is None:
            call_id = await remote.ask(
                lambda redis: redis.take_expired_lease(self._process, limits.sip.LEASE_S),
                otherwise=None,
            )
            if call_id is None:
                return
            state = await self._keeper.load_sip(call_id)
            if remote.down_since is not None:
                return  # nobody knows: once its lease has run out it is looked at again
            if state is None:
                log.warning("a SIP call of which nothing is known is hung up", call_id=call_id)
                self._hang_up(call_id)
                await remote.ask(lambda redis, gone=call_id: redis.drop_lease(gone), otherwise=None)  # type: ignore[misc]
            elif self._switchboard.call(call_id) is None:
                log.info("a SIP call is taken over", call_id=call_id)
                self._adopt(state)

    async def release(self, call: SipLiveCall) -> None:
        """This process stops: whoever looks next has the call. Raises LinkError."""

        async def give(redis: RedisStore) -> bool:
            await redis.release_lease(call.facts.call_id)
            return True

        await self._keeper.save(call)
        if self._remote is None or not await self._remote.ask(give, otherwise=False):
            raise LinkError("no_store", retryable=False)

    async def ended(self, call: SipLiveCall) -> None:
        if self._remote is not None and not call.left:
            await self._remote.ask(
                lambda redis: redis.drop_lease(call.facts.call_id), otherwise=None
            )


def _is_kept(call: SipLiveCall) -> bool:
    return call.machine.arrived and not call.over and not call.left
