"""Rehearsals in processes that need not import, and in workers of their own."""

from __future__ import annotations

import pytest
from warm_python import warm_python


def pytest_configure(config: pytest.Config) -> None:
    """Start one server for all workers, which inherit its address."""
    warm_python()


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.whole_call)
