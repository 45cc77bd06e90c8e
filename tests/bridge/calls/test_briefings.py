"""Briefings in the store, found by whichever process has the leg."""

from __future__ import annotations

from time import monotonic

import pytest

from gateway.bridge.calls.briefings import Briefings
from gateway.call.briefing import NO_BRIEFING, Briefing
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store

PARCEL = Briefing("A parcel.", {"name": "Amel"})


@pytest.fixture
def store() -> Store:
    return Store(MemoryStore(monotonic))


async def test_it_is_found_by_the_call(store: Store) -> None:
    await Briefings(store).put("CA1", PARCEL)
    assert await Briefings(store).find("CA1") == PARCEL
    assert await Briefings(store).find("CA2") == NO_BRIEFING
    assert await Briefings(store).find("") == NO_BRIEFING


async def test_an_order_is_found_by_its_call_when_the_carrier_has_named_it(store: Store) -> None:
    await Briefings(store).order("secret-token", PARCEL)
    await Briefings(store).placed("secret-token", "CA1")
    await Briefings(store).placed("other-token", "CA2")
    assert await Briefings(store).find("CA1") == PARCEL
    assert await Briefings(store).find("CA2") == NO_BRIEFING


async def test_what_cannot_be_read_is_no_briefing(store: Store) -> None:
    await store.put("briefing:CA1", "{", 60.0)
    assert await Briefings(store).find("CA1") == NO_BRIEFING


async def test_who_leads_a_call_is_found_by_the_call(store: Store) -> None:
    await Briefings(store).led_by("CA1", "billing")
    assert await Briefings(store).leader("CA1") == "billing"
    assert await Briefings(store).leader("CA2") is None
