"""Links to a call's page, in the process that has the call and in another."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from redis_end import RedisEnd, running_redis

from gateway.bridge.failover.snapshot_traces import SnapshotTraces
from gateway.bridge.messaging.picture_links import PictureLinks
from gateway.ops.limits.signed_tokens import PhotoTokens
from gateway.ops.records.history import CallNames

pytestmark = pytest.mark.needs("redis-server")
CALL: Any = SimpleNamespace(
    facts=SimpleNamespace(key="CA1", has_carrier=True, caller="+15551", dialled="+15550100"),
    machine=SimpleNamespace(agent=SimpleNamespace(max_call_s=60.0), language="en"),
)


class Nobody:
    """A process without calls."""

    def call(self, _key: str) -> None:
        return None

    async def on_line(self, _line: str) -> None:
        return None


def links(server: RedisEnd) -> PictureLinks:
    nobody: Any = Nobody()
    tokens = PhotoTokens(["secret"])
    return PictureLinks(server.store(), nobody, nobody, tokens, "https://gw.example.com")


async def test_a_link_of_another_process_is_ours_before_it_is_looked_up() -> None:
    """Guesses have a rate, and who has shown a link shall not wait for strangers."""
    async with running_redis() as server:
        here, there = links(server), links(server)
        token = (await there.make(CALL)).rpartition("/")[2]
        assert there.is_ours(token)
        assert here.is_ours(token)
        found = await here.find(token)
        assert found is not None
        assert (found.language, found.call) == ("en", None)


async def test_what_is_kept_of_a_link_is_found_by_its_call_and_has_no_number() -> None:
    async with running_redis() as server:
        here, store = links(server), server.store()
        tokens = [(await here.make(CALL)).rpartition("/")[2] for _ in range(2)]
        keys = (await store.get("photos:CA1") or "").split()
        assert len(keys) == 2
        for key in keys:
            text = await store.get(key)
            assert text is not None
            assert CALL.facts.caller not in text
        await SnapshotTraces([store]).forget([CallNames("CA1", "CA1")])
        there = links(server)
        assert [await there.find(token) for token in tokens] == [None, None]


async def test_a_guess_is_not_ours() -> None:
    async with running_redis() as server:
        here = links(server)
        assert await here.find("x" * 22) is None
        assert await here.find("not a token") is None
        assert not here.is_ours("x" * 22)
