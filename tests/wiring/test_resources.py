"""Clients and stores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def test_memory_is_not_a_shared_store(wired: Callable[..., Any]) -> None:
    assert wired().r.remote is None


async def test_calls_are_shared_over_redis_and_its_client_closes(
    wired: Callable[..., Any],
) -> None:
    r = wired(GATEWAY_STORE="redis://127.0.0.1:9/0").r
    assert r.store.shared
    async with r:
        assert r.remote is not None
