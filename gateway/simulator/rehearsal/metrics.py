"""Metrics of the gateway, read before and after a rehearsal."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

import httpx2
from prometheus_client.parser import text_string_to_metric_families

SETTLE_TRIES: Final = 20
SETTLE_S: Final = 0.1
"""The last counters of a call are written after its socket has closed."""
_AGENT: Final = re.compile(r'gateway_calls_ended_total\{agent="([^"]*)"')


async def read(client: httpx2.AsyncClient, url: str) -> dict[str, float]:
    """Return every sample by name and labels; none when `/metrics` cannot be read."""
    try:
        answer = await client.get(url.rstrip("/") + "/metrics")
    except httpx2.HTTPError:
        return {}
    return parse(answer.text) if answer.is_success else {}


def parse(text: str) -> dict[str, float]:
    """Return the samples of an exposition by name and sorted labels."""
    return {
        _key(sample.name, sample.labels): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _key(name: str, labels: Mapping[str, str]) -> str:
    inside = ",".join(f'{label}="{labels[label]}"' for label in sorted(labels))
    return f"{name}{{{inside}}}" if inside else name


def normal(key: str) -> str:
    """Return a sample's name as an operator writes it, with its labels sorted."""
    return next(iter(parse(f"{key} 0\n")), key)


async def failures(
    client: httpx2.AsyncClient, url: str, before: dict[str, float], wanted: Mapping[str, float]
) -> list[str]:
    """Return a sentence for each metric that has not grown as expected."""
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


async def answered_by(
    client: httpx2.AsyncClient, url: str, before: dict[str, float], calls: int
) -> dict[str, int]:
    """Return how many calls each agent has answered since `before`; nothing without metrics."""
    found: Counter[str] = Counter()
    for _ in range(SETTLE_TRIES if before else 0):
        found = Counter()
        for key, value in (await read(client, url)).items():
            if match := _AGENT.match(key):
                found[match[1]] += round(value - before.get(key, 0))
        if found.total() >= calls:
            break
        await asyncio.sleep(SETTLE_S)
    return {agent: count for agent, count in found.items() if count}
