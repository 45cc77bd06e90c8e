"""Leases on SIP calls, as one process asks the shared store for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from typing import Any, cast

import pytest
from call_doubles import CALL_ID, SIP_CALL, CallDouble, Orders

from gateway.bridge.failover.sip_leases import SipLeases
from gateway.errors import LinkError


@dataclass
class RedisDouble:
    """What is asked of the store, and what it answers."""

    asked: list[tuple[object, ...]] = field(default_factory=list)

    async def renew_leases(self, process: str, call_ids: list[str], lease_s: float) -> list[str]:
        self.asked.append(("renew", process, call_ids, lease_s))
        return ["rtc_9"]

    async def take_expired_lease(self, process: str, lease_s: float) -> str:
        self.asked.append(("take", process, lease_s))
        return "rtc_8"

    async def release_lease(self, call_id: str) -> None:
        self.asked.append(("release", call_id))

    async def drop_lease(self, call_id: str) -> None:
        self.asked.append(("drop", call_id))


@dataclass
class RemoteDouble:
    """The shared store, or one that does not serve."""

    redis: RedisDouble = field(default_factory=RedisDouble)
    down_since: float | None = None
    back_at: float = 0.0

    async def ask(self, question: Any, otherwise: Any) -> Any:
        return otherwise if self.down_since is not None else await question(self.redis)


def leases(remote: RemoteDouble | None, saved: Orders | None = None) -> SipLeases:
    return SipLeases("me", cast("Any", remote), cast("Any", saved or Orders()), lease_s=5.0)


async def test_each_request_names_this_process_and_how_long_it_holds() -> None:
    remote = RemoteDouble()
    ours = leases(remote)
    assert await ours.renew({"rtc_1": 1}) == ["rtc_9"]
    assert await ours.take() == "rtc_8"
    await ours.hold("rtc_3")
    await ours.drop("rtc_2")
    assert remote.redis.asked == [
        ("renew", "me", ["rtc_1"], 5.0),
        ("take", "me", 5.0),
        ("renew", "me", ["rtc_3"], 5.0),
        ("drop", "rtc_2"),
    ]


async def test_a_call_is_saved_before_it_is_released() -> None:
    remote, saved = RemoteDouble(), Orders()
    call = CallDouble(SIP_CALL)
    await leases(remote, saved).release(cast("Any", call))
    assert saved.asked == [("save", call)]
    assert remote.redis.asked == [("release", CALL_ID)]


@pytest.mark.parametrize("remote", [None, RemoteDouble(down_since=1.0)])
async def test_without_a_store_nothing_is_released(remote: RemoteDouble | None) -> None:
    with pytest.raises(LinkError, match="no_store") as raised:
        await leases(remote).release(cast("Any", CallDouble(SIP_CALL)))
    assert not raised.value.retryable


async def test_alone_nobody_takes_anything_over() -> None:
    alone = leases(None)
    assert (alone.shared, alone.settled, alone.down) == (False, False, True)
    assert await alone.renew(["rtc_1"]) == []
    assert await alone.take() is None
    await alone.drop("rtc_1")


async def test_a_store_that_is_away_says_nothing_of_who_has_what() -> None:
    away = leases(RemoteDouble(down_since=1.0))
    assert (away.shared, away.settled, away.down) == (True, False, True)
    assert await away.renew(["rtc_1"]) == []
    assert await away.take() is None


def test_soon_after_an_outage_leases_have_run_out_whose_owners_live() -> None:
    just_back, long_there = RemoteDouble(back_at=monotonic()), RemoteDouble(back_at=-1000.0)
    assert not leases(just_back).settled
    assert leases(long_there).settled
    assert not leases(just_back).down
