"""Placeholders in texts that nobody fills in: they would be said, or sent, as they stand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from gateway.agents.config.agent import Agent
from gateway.agents.config.call_values import call_value_in
from gateway.yaml_source import Path as Key

_FILLED: Final = frozenset({("greeting",), ("instructions",), ("outbound", "message")})
_CHECKED: Final = "http"
"""Requests: what stands in them was checked already."""


def unfilled(agent: Agent) -> Iterator[tuple[Key, str]]:
    """Yield (key, problem) for each text of an agent with a placeholder that stays one."""
    for key, text in _texts((), agent.model_dump(mode="json", by_alias=True)):
        written = None if key in _FILLED or _CHECKED in key else call_value_in(text)
        if written is not None:
            yield (
                key,
                f"{written} is not filled in here: facts go into `greeting`, `instructions` and "
                "`outbound.message`, values of the call into requests of functions",
            )


def _texts(key: Key, value: Any) -> Iterator[tuple[Key, str]]:
    if isinstance(value, str):
        yield key, value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from _texts((*key, name), one)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _texts((*key, index), one)
