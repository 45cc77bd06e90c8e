"""Tests that draw their input at random: how many draws `make test` takes, and `make test-long`."""

from __future__ import annotations

import os
from typing import Final

import pytest

_TIMES: Final = int(os.environ.get("SEARCH_TIMES", "1"))

search = pytest.mark.search
"""A search that `make test-long` takes further."""


def draws(count: int) -> int:
    """Return how many draws a search takes now: `count` in `make test`."""
    return count * _TIMES
