"""Links to a call's page, in the process that has the call and in another."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from redis_end import RedisEnd, running_redis

from gateway.bridge.messaging.picture_links import PictureLinks
from gateway.ops.limits.signed_tokens import PhotoTokens

pytestmark = pytest.mark.needs("redis-server")
CALL: Any = SimpleNamespace(
    facts=SimpleNamespace(key="CA1", has_carrier=True, caller="+15551", dialled="+15550100"),
    machine=SimpleNamespace(agent=SimpleNamespace(max_call_s=60.0), language="en"),
)


class Nobody:
    """A process without calls."""

    def call(self, _key: str) -> None:
        return None

    async def find(self, _caller: str, _dialled: str) -> None:
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


async def test_a_guess_is_not_ours() -> None:
    async with running_redis() as server:
        here = links(server)
        assert await here.find("x" * 22) is None
        assert await here.find("not a token") is None
        assert not here.is_ours("x" * 22)
