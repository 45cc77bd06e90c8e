"""A briefing as data."""

from __future__ import annotations

import msgspec

from gateway.call.briefing import NO_BRIEFING, Briefing


def test_it_travels_and_an_older_process_may_have_written_less_of_it() -> None:
    briefing = Briefing("about an invoice", {"name": "Amel"})
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(briefing), type=Briefing) == briefing
    assert msgspec.msgpack.decode(msgspec.msgpack.encode([]), type=Briefing) == NO_BRIEFING


def test_only_one_that_says_nothing_is_empty() -> None:
    assert NO_BRIEFING.empty
    assert not Briefing("about an invoice").empty
    assert not Briefing(facts={"name": "Amel"}).empty
