"""Rehearsals in processes that need not import."""

from __future__ import annotations

import pytest
from warm_python import warm_python


def pytest_configure(config: pytest.Config) -> None:
    """Start one server for all workers, which inherit its address."""
    warm_python()
