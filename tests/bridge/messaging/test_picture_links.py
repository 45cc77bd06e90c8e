"""Links to a call's page, in the process that has the call and in another."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from redis_end import RedisEnd, running_redis

from gateway.bridge.messaging.picture_links import PictureLinks

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
    return PictureLinks(server.store(), nobody, nobody, "https://gw.example.com")


async def test_a_link_of_another_process_is_known_once_it_was_found() -> None:
    """Guesses have a rate, and who has shown a link shall not wait for strangers."""
    async with running_redis() as server:
        here, there = links(server), links(server)
        token = (await there.make(CALL)).rpartition("/")[2]
        assert there.is_known(token)
        assert not here.is_known(token)
        found = await here.find(token)
        assert found is not None
        assert (found.language, found.call) == ("en", None)
        assert here.is_known(token)


async def test_a_guess_does_not_become_known() -> None:
    async with running_redis() as server:
        here = links(server)
        assert await here.find("x" * 22) is None
        assert await here.find("not a token") is None
        assert not here.is_known("x" * 22)
