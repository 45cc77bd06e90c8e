"""The gateway's own numbers, read from its `/metrics` before and after a rehearsal."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import httpx2
from prometheus_client.parser import text_string_to_metric_families

SETTLE_TRIES: Final = 20
SETTLE_S: Final = 0.1
"""The last counters of a call are written after its socket has closed."""


async def read(client: httpx2.AsyncClient, url: str) -> dict[str, float]:
    """Every sample by name and labels; nothing when the gateway shows none."""
    try:
        answer = await client.get(url.rstrip("/") + "/metrics")
    except httpx2.HTTPError:
        return {}
    return parse(answer.text) if answer.is_success else {}


def parse(text: str) -> dict[str, float]:
    return {
        _key(sample.name, sample.labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _key(name: str, labels: Mapping[str, str]) -> str:
    inside = ",".join(f'{label}="{labels[label]}"' for label in sorted(labels))
    return f"{name}{{{inside}}}" if inside else name


def normal(key: str) -> str:
    """A sample's name as an operator writes it, in the order that `read` has."""
    return next(iter(parse(f"{key} 0\n")), key)


async def failures(
    client: httpx2.AsyncClient, url: str, before: dict[str, float], wanted: Mapping[str, float]
) -> list[str]:
    """What has not grown by as much as was expected."""
    problems: list[str] = []
    for _ in range(SETTLE_TRIES if wanted else 0):
        after = await read(client, url)
        problems = [
            f"metric {key} grew by {grown:g}, expected {value:g}"
            for key, value in wanted.items()
            if (grown := after.get(normal(key), 0) - before.get(normal(key), 0)) != value
        ]
        if not problems:
            return []
        await asyncio.sleep(SETTLE_S)
    return problems
