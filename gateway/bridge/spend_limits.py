"""Spend limits of calls: a call learns which share of its limit is used, and no price."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from gateway import limits
from gateway.bridge.calls.running_call import RunningCall
from gateway.call import events
from gateway.ops.billing.bills import COSTS, DAY_S, Bills
from gateway.ops.store.shared import Remote, Store


def spent_key(call_sid: str) -> str:
    """Return the store key that marks a call whose spend limit is used up."""
    return f"spent:{call_sid}"


class SpendLimits:
    """Bills the events of calls, and reports each share of a limit that is reached.

    `reached` gets the agent and the share, once for each share.
    """

    def __init__(
        self,
        bills: Bills,
        calls: Callable[[], Iterable[RunningCall]],
        store: Store,
        reached: Callable[[str, float], None],
        remote: Remote | None = None,
        check_s: float = limits.call.SPEND_CHECK_S,
    ) -> None:
        self._bills, self._calls = bills, calls
        self._store, self._reached = store, reached
        self._remote, self._check_s = remote, check_s

    def on_event(self, call: RunningCall, event: events.CallEvent) -> None:
        if type(event) in COSTS:
            self._bills.on_event(call.bill, event)
            self._look(call)

    async def watch_minutes(self) -> None:
        """Runs until cancelled."""
        while True:
            await asyncio.sleep(self._check_s)
            self._pass_time()
            if self._remote is not None:
                await self.share(self._remote)

    def _pass_time(self) -> None:
        # Not within the loop above: its variables would reference the last call while it sleeps.
        for call in self._calls():
            self._bills.pass_time(call.bill)
            self._look(call)

    async def share(self, remote: Remote) -> None:
        """Add this process's spending to the sum of all processes, and read that sum."""
        for day, micro_usd in self._bills.unshared().items():
            key = f"spent_on:{day}"
            total = await remote.ask(
                lambda redis, key=key, more=micro_usd: redis.add(key, more, 2 * DAY_S),  # type: ignore[misc]
                otherwise=None,
            )
            if total is not None:
                self._bills.acknowledge_shared(day, micro_usd, total)

    def _look(self, call: RunningCall) -> None:
        share = call.bill.take_share()
        if share is None:
            return
        self._reached(call.facts.agent, share)
        if share >= 1 and call.facts.call_sid:
            self._store.remember(spent_key(call.facts.call_sid), "", limits.store.ENDINGS_KEPT_S)
        # Not now: the commands of the event that was billed are still being executed.
        asyncio.get_running_loop().call_soon(call.spend_reached, share)
