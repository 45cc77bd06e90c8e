"""Spend limits of calls: events cost, and so do minutes in which nothing happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from call_doubles import CALL_SID, MEDIA_CALL, TRUNK_CALL, CallDouble

from gateway.bridge.spend_limits import SpendLimits, spent_key
from gateway.call import events
from gateway.call.call_info import CallInfo
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store
from gateway.protocols.realtime_server import Usage


@dataclass
class BillDouble:
    """A bill whose shares of the limit are what a test says."""

    shares: list[float] = field(default_factory=list)

    def take_share(self) -> float | None:
        return self.shares.pop(0) if self.shares else None


class Costly(CallDouble):
    """A running call with a bill."""

    def __init__(self, facts: CallInfo = MEDIA_CALL) -> None:
        super().__init__(facts)
        self.bill = BillDouble()
        self.reached: list[float] = []

    def spend_reached(self, share: float) -> None:
        self.reached.append(share)


@dataclass
class Bills:
    """Writes down what is billed."""

    billed: list[object] = field(default_factory=list)
    shared: dict[int, int] = field(default_factory=dict)
    acknowledged: list[tuple[int, int, int]] = field(default_factory=list)

    def on_event(self, _bill: object, note: object) -> None:
        self.billed.append(note)

    def pass_time(self, bill: object) -> None:
        self.billed.append(bill)

    def unshared(self) -> dict[int, int]:
        return self.shared

    def acknowledge_shared(self, day: int, mine: int, total: int) -> None:
        self.acknowledged.append((day, mine, total))


@dataclass
class Rig:
    call: Costly
    bills: Bills = field(default_factory=Bills)
    told: list[tuple[str, float]] = field(default_factory=list)
    store: Store = field(default_factory=lambda: Store(MemoryStore(lambda: 0.0)))
    remote: Any = None

    def __post_init__(self) -> None:
        self.spend = SpendLimits(
            cast("Any", self.bills),
            lambda: cast("Any", [self.call]),
            self.store,
            lambda agent, share: self.told.append((agent, share)),
            self.remote,
            check_s=0.0,
        )


USED = events.UsageCounted("gpt-realtime", Usage())


async def test_a_share_is_told_after_the_event_that_reached_it() -> None:
    rig = Rig(Costly())
    rig.call.bill.shares = [0.8]
    rig.spend.on_event(cast("Any", rig.call), USED)
    assert rig.bills.billed == [USED]
    assert rig.told == [("reception", 0.8)]
    assert rig.call.reached == [], "the commands of the event are still being executed"
    await asyncio.sleep(0)
    assert rig.call.reached == [0.8]
    assert rig.store.known(spent_key(CALL_SID)) is None, "it may go on"


async def test_time_passes_in_silence_too() -> None:
    rig = Rig(Costly())
    rig.call.bill.shares = [0.8]
    watching = asyncio.create_task(rig.spend.watch_minutes())
    async with asyncio.timeout(10):
        while not rig.call.reached:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
    watching.cancel()
    assert rig.call.reached == [0.8]
    assert rig.bills.billed[0] is rig.call.bill


async def test_a_used_up_limit_is_known_to_the_next_failover_step() -> None:
    rig = Rig(Costly())
    rig.call.bill.shares = [1.0]
    rig.spend.on_event(cast("Any", rig.call), USED)
    assert rig.store.known(spent_key(CALL_SID)) is not None


async def test_a_trunk_call_has_no_next_step() -> None:
    rig = Rig(Costly(TRUNK_CALL))
    rig.call.bill.shares = [1.0]
    rig.spend.on_event(cast("Any", rig.call), USED)
    assert rig.store.known(spent_key("")) is None
    await asyncio.sleep(0)
    assert rig.call.reached == [1.0]


async def test_what_costs_nothing_is_not_billed() -> None:
    rig = Rig(Costly())
    rig.spend.on_event(cast("Any", rig.call), events.KeyPressed())
    assert rig.bills.billed == []


async def test_what_was_spent_is_shared_with_all_processes() -> None:
    rig = Rig(Costly())
    rig.bills.shared = {20_000: 700}
    asked: list[tuple[str, int, float]] = []

    class Redis:
        async def add(self, key: str, more: int, ttl_s: float) -> int:
            asked.append((key, more, ttl_s))
            return 1_900

    class Remote:
        async def ask(self, question: Callable[[Redis], Any], otherwise: object) -> Any:
            return await question(Redis())

    await rig.spend.share(cast("Any", Remote()))
    assert asked == [("spent_on:20000", 700, 172_800)]
    assert rig.bills.acknowledged == [(20_000, 700, 1_900)]


async def test_what_a_store_did_not_take_stays_unshared() -> None:
    rig = Rig(Costly())
    rig.bills.shared = {20_000: 700}

    class Away:
        async def ask(self, _question: object, otherwise: object) -> object:
            return otherwise

    await rig.spend.share(cast("Any", Away()))
    assert rig.bills.acknowledged == []


async def test_what_was_spent_is_shared_each_time_that_time_passes() -> None:
    shared = asyncio.Event()

    class Remote:
        async def ask(self, _question: object, otherwise: object) -> object:
            shared.set()
            return otherwise

    rig = Rig(Costly(), remote=Remote())
    rig.bills.shared = {20_000: 700}
    watching = asyncio.create_task(rig.spend.watch_minutes())
    await asyncio.wait_for(shared.wait(), 10)
    watching.cancel()


async def test_a_share_below_the_whole_limit_marks_nothing_and_one_above_does() -> None:
    rig = Rig(Costly())
    for share, known in ((0.99, False), (1.5, True)):
        rig.call.bill.shares = [share]
        rig.spend.on_event(cast("Any", rig.call), USED)
        assert (rig.store.known(spent_key(CALL_SID)) is not None) == known
    assert rig.told == [("reception", 0.99), ("reception", 1.5)]
