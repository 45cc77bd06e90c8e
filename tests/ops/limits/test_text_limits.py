"""How many texts may go to a number, in a day, and to which countries."""

from __future__ import annotations

import pytest

from gateway.ops.limits.text_limits import TextLimits
from gateway.ops.store.caller_index import CallerIndex
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store

OURS, CALLER, OTHER = "+15550100", "+14155550123", "+14155550199"


class Clock:
    now = 86_400.0 * 20_000

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def hash_of(number: str) -> str:
    return f"hash-{number[-2:]}"


def text_limits(clock: Clock, countries: tuple[str, ...] = (), **bounds: int) -> TextLimits:
    store = Store(MemoryStore(clock))
    index = CallerIndex(store, hash_of)
    return TextLimits(store, index, countries, clock, **{"per_number": 2, "per_day": 4} | bounds)


async def test_a_number_gets_so_many_a_day_over_all_its_calls(clock: Clock) -> None:
    limits = text_limits(clock)
    assert [await limits.refusal(CALLER, OURS) for _ in range(3)] == [None, None, "number"]
    assert await limits.refusal(OTHER, OURS) is None
    clock.now += 86_400
    assert await limits.refusal(CALLER, OURS) is None


async def test_all_numbers_together_get_so_many_a_day(clock: Clock) -> None:
    limits = text_limits(clock, per_day=1)
    assert await limits.refusal(CALLER, OURS) is None
    assert await limits.refusal(OTHER, OURS) == "day"


@pytest.mark.parametrize(
    ("to", "countries", "reason"),
    [
        ("+15550199", (), None),
        ("+882991234567", (), "country"),
        ("+447700900123", (), "country"),
        ("+447700900123", ("+44",), None),
    ],
)
async def test_only_our_own_country_unless_others_are_named(
    clock: Clock, to: str, countries: tuple[str, ...], reason: str | None
) -> None:
    assert await text_limits(clock, countries).refusal(to, OURS) == reason


async def test_what_was_counted_for_a_number_is_found_when_its_caller_is_forgotten(
    clock: Clock,
) -> None:
    store = Store(MemoryStore(clock))
    index = CallerIndex(store, hash_of)
    await TextLimits(store, index, (), clock).refusal(CALLER, OURS)
    (key,) = await index.keys(CALLER)
    assert key.startswith(f"texts:{int(clock() // 86_400)}:")
    assert await store.get(key) == "1"
