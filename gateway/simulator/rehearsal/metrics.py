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
_ENDED: Final = "gateway_calls_ended_total"
_AGENT: Final = re.compile(_ENDED + r'\{agent="([^"]*)"')


async def read(
    client: httpx2.AsyncClient, url: str, names: tuple[str, ...] = ("",)
) -> dict[str, float]:
    """Return the samples whose names begin so, by name and labels.

    There are none when `/metrics` cannot be read.
    """
    try:
        answer = await client.get(url.rstrip("/") + "/metrics")
    except httpx2.HTTPError:
        return {}
    if not answer.is_success:
        return {}
    lines = answer.text.splitlines(keepends=True)
    return parse("".join(line for line in lines if line.startswith(names)))


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
    keys = {key: normal(key) for key in wanted}
    names = tuple(key.partition("{")[0] for key in keys.values())
    for _ in range(SETTLE_TRIES if wanted else 0):
        after = await read(client, url, names)
        problems = [
            f"metric {key} grew by {grown:g}, expected {value:g}"
            for key, value in wanted.items()
            if (grown := after.get(keys[key], 0) - before.get(keys[key], 0)) != value
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
        for key, value in (await read(client, url, (_ENDED,))).items():
            if match := _AGENT.match(key):
                found[match[1]] += round(value - before.get(key, 0))
        if found.total() >= calls:
            break
        await asyncio.sleep(SETTLE_S)
    return {agent: count for agent, count in found.items() if count}
