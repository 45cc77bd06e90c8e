"""Values of the shared store that are read back: what cannot be read counts as not there.

Without `GATEWAY_STORE_KEY` whoever can write to Redis can put anything under a key. Such a value
must not fail a caller's webhook, and is named in the log by its key alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import structlog

log = structlog.get_logger()
T = TypeVar("T")


def readable(key: str, text: str | None, read: Callable[[str], T]) -> T | None:
    """Return what `read` makes of a value, None where there is none or it raises ValueError."""
    if text is None:
        return None
    try:
        return read(text)
    except ValueError:
        log.warning("store_value_unreadable", key=key)
        return None
