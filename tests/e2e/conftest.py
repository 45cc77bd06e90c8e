"""Rehearsals in processes that need not import, and in workers of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from warm_python import warm_python

_HERE: Final = Path(__file__).parent
_LONG: Final = ("test_tool_scenarios.py", "test_example_agents.py", "test_planted_secrets.py")
"""Have the longest calls, of up to 55 s. They begin first: one that began last would be waited for
when everything else is over."""


def pytest_configure(config: pytest.Config) -> None:
    """Start one server for all workers, which inherit its address."""
    warm_python()


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.whole_call)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.parent == _HERE and item.path.name not in _LONG)
