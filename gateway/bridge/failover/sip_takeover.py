"""Taking over SIP calls of other processes: their audio never came through the one that died.

Each process renews a lease on its own calls. One that nobody renews, or that a stopping process
released, is taken by whichever process looks first. The model's session knows what was said: only
the sideband is opened anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from gateway import limits
from gateway.bridge.calls.registry import CallRegistry
from gateway.bridge.calls.running_call import RunningCall
from gateway.bridge.failover.sip_leases import SipLeases
from gateway.bridge.failover.snapshots import SnapshotStore
from gateway.call.snapshot import CallSnapshot

log = structlog.get_logger()


class SipTakeover:
    """Renews this process's leases and takes over calls that no process steers.

    `adopt` continues a call from its snapshot; `hang_up` ends the call of a call_id of which
    nothing is known, since nobody could steer it.
    """

    def __init__(
        self,
        leases: SipLeases,
        snapshots: SnapshotStore,
        registry: CallRegistry,
        adopt: Callable[[CallSnapshot], None],
        hang_up: Callable[[str], None],
        *,
        look_s: float = limits.sip.LOOK_S,
    ) -> None:
        self._leases, self._snapshots, self._registry = leases, snapshots, registry
        self._adopt, self._hang_up, self._look_s = adopt, hang_up, look_s

    async def run(self) -> None:
        while self._leases.shared:
            await asyncio.sleep(self._look_s)
            try:
                await self.renew()
                await self.look()
            except Exception:
                log.exception("sip_takeover_failed")

    async def renew(self) -> None:
        """Renew the leases of this process's calls; let go of those that were taken over."""
        ours = {c.facts.call_id: c for c in self._registry.sip_calls if _has_lease(c)}
        for call_id in await self._leases.renew(ours):
            log.warning("sip_lease_lost", call_id=call_id)
            ours[call_id].lose_lease()

    async def look(self) -> None:
        """Take over calls while there are any, and a slot for one more."""
        while self._leases.settled and self._registry.refusal("sip") is None:
            call_id = await self._leases.take()
            if call_id is None:
                return
            state = await self._snapshots.load_sip(call_id)
            if self._leases.down:
                return  # nobody knows: once its lease has run out it is looked at again
            if state is None:
                log.warning("sip_call_unknown_hangup", call_id=call_id)
                self._hang_up(call_id)
                await self._leases.drop(call_id)
            elif self._registry.call(call_id) is None:
                log.info("sip_call_taken_over", call_id=call_id)
                self._adopt(state)


def _has_lease(call: RunningCall) -> bool:
    return call.machine.arrived and not call.over and not call.released
