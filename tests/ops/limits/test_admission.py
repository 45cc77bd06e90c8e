"""Places of callers and agents, in this process and over several; the model's rate limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from skipped_time import skipping

from gateway import limits
from gateway.errors import NotAdmitted
from gateway.ops.limits.admission import Admission, RateWatch, shed_reason
from gateway.ops.limits.circuit_breaker import CircuitBreaker
from gateway.ops.store.key_names import hashed
from gateway.ops.store.shared import Remote
from gateway.protocols.realtime_server import RateLimit


async def test_so_many_calls_of_one_caller() -> None:
    admission = Admission(2, None)
    await admission.admit("CA1", "+1", "desk", None)
    await admission.admit("CA2", "+1", "desk", None)
    await admission.admit("CA2", "+1", "desk", None)  # asked again: the same call
    with pytest.raises(NotAdmitted, match="caller_busy"):
        await admission.admit("CA3", "+1", "desk", None)
    await admission.admit("CA4", "+2", "desk", None)
    await admission.release("CA1")
    await admission.admit("CA5", "+1", "desk", None)


async def test_so_many_calls_of_one_agent() -> None:
    admission = Admission(None, None)
    await admission.admit("CA1", "+1", "desk", 1)
    with pytest.raises(NotAdmitted, match="agent_full"):
        await admission.admit("CA2", "+2", "desk", 1)
    await admission.admit("CA3", "+2", "other", 1)
    await admission.release("CA1")
    await admission.release("CA1")
    await admission.admit("CA2", "+2", "desk", 1)


class Remembering(Remote):
    """A store that takes its time, and notes down who has a place in it."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.asked, self.answers = asyncio.Event(), asyncio.Event()
        self.answers.set()

    async def ask(self, question: Callable[[Any], Awaitable[Any]], *, otherwise: Any) -> Any:
        return await question(self)

    async def admit(self, call_sid: str, _rooms: object, _lease_s: float) -> int:
        self.asked.set()
        await self.answers.wait()
        self.held.add(call_sid)
        return 0

    async def free(self, call_sid: str, _names: object) -> None:
        self.held.discard(call_sid)


async def test_one_who_leaves_while_others_are_renewed_keeps_no_place() -> None:
    """Otherwise the caller's next call would be refused as a second one."""
    store = Remembering()
    admission = Admission(1, store)
    await admission.admit("CA1", "+1", "desk", None)
    await admission.admit("CA2", "+2", "desk", None)
    store.answers.clear()
    store.asked.clear()
    renewing = asyncio.create_task(admission.renew())
    await store.asked.wait()
    await admission.release("CA2")
    store.answers.set()
    await renewing
    assert store.held == {"CA1"}


async def test_a_request_that_is_cancelled_takes_no_slot() -> None:
    store = Remembering()
    admission = Admission(1, store)
    store.answers.clear()
    asking = asyncio.create_task(admission.admit("CA1", "+1", "desk", None))
    await store.asked.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    store.answers.set()
    await admission.admit("CA2", "+1", "desk", None)


def test_new_calls_are_shed_before_live_ones_starve() -> None:
    now = [0.0]
    rates = RateWatch(lambda: now[0])
    rates.update((RateLimit("tokens", 40_000, 1_000, 12.0),))
    assert rates.short
    now[0] = 12.1
    assert not rates.short
    rates.update((RateLimit("tokens", 40_000, 1_000, 12.0),))
    rates.update((RateLimit("tokens", 40_000, 30_000, 0.1),))
    assert not rates.short
    rates.update((RateLimit("brand_new", 10, 0, 60.0), RateLimit("requests", None, None)))
    assert not rates.short


@pytest.mark.parametrize(
    ("limit", "short_s"),
    [
        (RateLimit("tokens", 100, 4, 12.0), 12.0),
        (RateLimit("requests", 100, 4, 12.0), 12.0),
        (RateLimit("tokens", 100, 5, 12.0), 0.0),
        (RateLimit("tokens", 100, 0, 600.0), limits.model.SHED_MAX_S),
        (RateLimit("tokens", 100, 4, None), 0.0),
        (RateLimit("tokens", 0, 0, 12.0), 0.0),
        (RateLimit("tokens", 100, None, 12.0), 0.0),
        (RateLimit("seconds", 100, 0, 12.0), 0.0),
    ],
)
def test_what_is_left_of_a_limit_sheds_calls_for_so_long(limit: RateLimit, short_s: float) -> None:
    now = [1_000.0]
    rates = RateWatch(lambda: now[0])
    assert not rates.short
    rates.update((limit,))
    assert rates.short == (short_s > 0)
    now[0] += max(0.0, short_s - 0.001)
    assert rates.short == (short_s > 0)
    now[0] += 0.001
    assert not rates.short


def test_why_new_calls_do_not_get_the_model() -> None:
    now = [0.0]
    rates = RateWatch(lambda: now[0])
    breaker = CircuitBreaker(lambda: now[0], failures_max=1)
    assert shed_reason(breaker, rates) is None
    rates.update((RateLimit("tokens", 100, 0, 12.0),))
    assert shed_reason(breaker, rates) == "rate_limited"
    breaker.failed()
    assert shed_reason(breaker, rates) == "model_down"


class Answering(Remembering):
    """A store that says which set of slots is full, and notes down what it is asked."""

    def __init__(self, full: int = 0) -> None:
        super().__init__()
        self.full, self.told = full, list[tuple[str, object, object]]()

    async def admit(self, call_sid: str, rooms: object, lease_s: float) -> int:
        self.told.append((call_sid, rooms, lease_s))
        return self.full

    async def free(self, call_sid: str, names: object) -> None:
        self.told.append((call_sid, names, None))


CALLER = f"caller:{hashed('+1')}"


@pytest.mark.parametrize(("full", "reason"), [(1, "caller_busy"), (2, "agent_full")])
async def test_what_other_processes_have_counts_too(full: int, reason: str) -> None:
    store = Answering(full)
    admission = Admission(1, store)
    with pytest.raises(NotAdmitted, match=reason):
        await admission.admit("CA1", "+1", "desk", 1)
    assert store.told == [("CA1", [(CALLER, 1), ("agent:desk", 1)], limits.store.LEASE_S)]
    store.full = 0
    await admission.admit("CA2", "+1", "desk", 1)  # nothing is left of the first


@pytest.mark.parametrize(("ended", "freed"), [(True, 1), (False, 0)])
async def test_a_call_that_left_for_another_process_keeps_its_lease(
    ended: bool, freed: int
) -> None:
    store = Answering()
    admission = Admission(1, store)
    await admission.admit("CA1", "+1", "desk", None)
    await admission.release("CA1", ended=ended)
    await admission.release("CA1", ended=ended)
    assert store.told[1:] == [("CA1", [CALLER], None)] * freed


async def test_a_call_that_was_admitted_elsewhere_counts_once() -> None:
    admission = Admission(2, None)
    for _ in range(2):
        admission.restore("CA1", "+1", "desk", None)
    await admission.admit("CA2", "+1", "desk", None)
    with pytest.raises(NotAdmitted, match="caller_busy"):
        await admission.admit("CA3", "+1", "desk", None)
    await admission.admit("CA4", "", "desk", None)  # withheld: nobody knows whose it is
    await admission.admit("CA5", "", "desk", None)
    await admission.admit("CA6", "", "desk", None)


def test_leases_are_renewed_every_few_seconds() -> None:
    store = Answering()

    async def run() -> None:
        admission = Admission(1, store)
        await admission.admit("CA1", "+1", "desk", None)
        store.told.clear()
        renewing = asyncio.create_task(admission.run())
        for _ in range(2):
            await asyncio.sleep(limits.store.LEASE_RENEW_S + 0.001)
        renewing.cancel()

    skipping(run())
    assert [call for call, _, _ in store.told] == ["CA1", "CA1"]
