"""Bounds of settings."""

from __future__ import annotations

MAX_CALLS_DEFAULT = 100
MAX_CALLS_MAX = 10_000
DRAIN_DEFAULT_S = 3600.0
DRAIN_MAX_S = 86_400.0
SECRET_MIN_CHARS = 16
"""Shortest secret of the operator's own making that `doctor` accepts without a warning."""
PRICE_FILE_MAX_BYTES = 1 << 20
BUDGET_MAX_USD = 1_000_000.0
