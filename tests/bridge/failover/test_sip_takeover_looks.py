"""What one process does when it looks for calls that nobody steers, step by step."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from gateway.bridge.failover.sip_takeover import SipTakeover


class CallDouble:
    """A SIP call of this process."""

    def __init__(
        self, call_id: str, *, arrived: bool = True, over: bool = False, released: bool = False
    ) -> None:
        self.facts = SimpleNamespace(call_id=call_id)
        self.machine = SimpleNamespace(arrived=arrived)
        self.over, self.released, self.lost = over, released, False

    def lose_lease(self) -> None:
        self.lost = True


class Leases:
    """Leases of which those in `expired` are to be had, one after the other."""

    def __init__(self, *expired: str, looks: int = 0) -> None:
        self.expired, self.looks = list(expired), looks
        self.settled, self.down = True, False
        self.renewed: list[list[str]] = []
        self.dropped: list[str] = []
        self.taken_by_others: list[str] = []
        self.fails = False

    @property
    def shared(self) -> bool:
        self.looks -= 1
        return self.looks >= 0

    async def renew(self, call_ids: Collection[str]) -> list[str]:
        if self.fails:
            raise ValueError("a bug")
        self.renewed.append(sorted(call_ids))
        return self.taken_by_others

    async def take(self) -> str | None:
        return self.expired.pop(0) if self.expired else None

    async def drop(self, call_id: str) -> None:
        self.dropped.append(call_id)


class Rig:
    def __init__(self, leases: Leases, *calls: CallDouble, unknown: Collection[str] = ()) -> None:
        self.adopted: list[str] = []
        self.hung_up: list[str] = []
        self.refusal: str | None = None
        self.unknown, self.calls = unknown, calls
        registry = SimpleNamespace(
            sip_calls=calls,
            refusal=lambda path: self.refusal if path == "sip" else "",
            call=self._call,
        )
        self.takeover = SipTakeover(
            cast("Any", leases),
            cast("Any", SimpleNamespace(load_sip=self._load)),
            cast("Any", registry),
            cast("Any", self.adopted.append),
            self.hung_up.append,
            look_s=0.0,
        )

    def _call(self, call_id: str) -> CallDouble | None:
        return next((call for call in self.calls if call.facts.call_id == call_id), None)

    async def _load(self, call_id: str) -> str | None:
        return None if call_id in self.unknown else call_id


async def test_a_lease_is_held_on_calls_that_this_process_steers() -> None:
    """Before its caller is there a call is nobody's to take over, and after its end as well."""
    leases = Leases()
    rig = Rig(
        leases,
        CallDouble("steered"),
        CallDouble("expected", arrived=False),
        CallDouble("ended", over=True),
        CallDouble("released", released=True),
    )
    await rig.takeover.renew()
    assert leases.renewed == [["steered"]]


async def test_a_call_that_another_process_has_by_now_is_let_go() -> None:
    leases, kept, lost = Leases(), CallDouble("kept"), CallDouble("lost")
    leases.taken_by_others = ["lost"]
    await Rig(leases, kept, lost).takeover.renew()
    assert (kept.lost, lost.lost) == (False, True)


async def test_every_call_that_nobody_steers_is_taken_over() -> None:
    rig = Rig(Leases("rtc_1", "rtc_2"))
    await rig.takeover.look()
    assert (rig.adopted, rig.hung_up) == (["rtc_1", "rtc_2"], [])


async def test_one_of_which_nothing_is_known_is_hung_up_and_the_next_is_taken() -> None:
    leases = Leases("rtc_1", "rtc_2")
    rig = Rig(leases, unknown=["rtc_1"])
    await rig.takeover.look()
    assert (rig.hung_up, leases.dropped, rig.adopted) == (["rtc_1"], ["rtc_1"], ["rtc_2"])


async def test_a_call_that_this_process_has_is_not_taken_over_from_itself() -> None:
    rig = Rig(Leases("rtc_1"), CallDouble("rtc_1"))
    await rig.takeover.look()
    assert (rig.adopted, rig.hung_up) == ([], [])


async def test_a_store_that_goes_away_meanwhile_says_nothing_of_a_call() -> None:
    """What cannot be read now is no call of which nothing is known."""
    leases = Leases("rtc_1", "rtc_2")
    leases.down = True
    rig = Rig(leases, unknown=["rtc_1"])
    await rig.takeover.look()
    assert (rig.adopted, rig.hung_up, leases.dropped) == ([], [], [])
    assert leases.expired == ["rtc_2"]


@pytest.mark.parametrize(("settled", "refusal"), [(False, None), (True, "full"), (False, "full")])
async def test_nothing_is_taken_without_a_slot_or_soon_after_an_outage(
    settled: bool, refusal: str | None
) -> None:
    leases = Leases("rtc_1")
    leases.settled = settled
    rig = Rig(leases)
    rig.refusal = refusal
    await rig.takeover.look()
    assert (rig.adopted, leases.expired) == ([], ["rtc_1"])


async def test_it_renews_and_looks_for_as_long_as_there_is_a_store() -> None:
    leases = Leases("rtc_1", looks=3)
    rig = Rig(leases, CallDouble("steered"))
    running = asyncio.create_task(rig.takeover.run())
    await asyncio.sleep(0)
    assert leases.renewed == [], "the first look comes after the first wait"
    await running
    assert (leases.renewed, rig.adopted) == ([["steered"]] * 3, ["rtc_1"])


async def test_an_error_is_logged_and_the_next_look_comes_all_the_same() -> None:
    leases = Leases("rtc_1", looks=2)
    leases.fails = True
    rig = Rig(leases)
    with capture_logs() as lines:
        await rig.takeover.run()
    assert [line["event"] for line in lines] == ["sip_takeover_failed"] * 2
    assert rig.adopted == []
