"""Bounds on connections of the process: how many of plain HTTP, and a reserve of descriptors."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from time import monotonic
from typing import Final

import structlog

from gateway.limits.web import (
    CONNECTIONS_MAX,
    DESCRIPTORS_LAST,
    DESCRIPTORS_LOGGED_EVERY_S,
    DESCRIPTORS_RESERVE,
    DESCRIPTORS_WANTED,
)
from gateway.transports.paced_reads import PacedReads

try:
    import resource
except ImportError:  # not on Windows, which has no such limit
    resource = None  # type: ignore[assignment]

log = structlog.get_logger()
_NO_LIMIT: Final = sys.maxsize


def descriptors_max() -> int:
    """Return how many descriptors the process may have."""
    if resource is None:
        return _NO_LIMIT
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _NO_LIMIT if most == resource.RLIM_INFINITY else most


def raise_descriptors_max() -> None:
    """Take as many descriptors as the system allows the process, within DESCRIPTORS_WANTED."""
    if resource is None:
        return
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = DESCRIPTORS_WANTED if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_WANTED)
    if descriptors_max() < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def descriptors_left() -> int:
    """Return how many more the process may have; it looks at each one, so not for each request."""
    try:
        return descriptors_max() - len(os.listdir("/proc/self/fd"))
    except FileNotFoundError:  # no Linux
        return descriptors_max()
    except OSError:  # none is left to look with
        return 0


class ConnectionLimits:
    """Decides which new connections may stay.

    The system gives each connection the lowest free descriptor, so its number says how many are
    in use: numbers above a bound are kept for media sockets, and for what the process opens.
    """

    def __init__(
        self,
        refused: Callable[[str], None] = lambda _reason: None,
        *,
        connections_max: int = CONNECTIONS_MAX,
        descriptors_reserve: int | None = None,
        descriptors_last: int | None = None,
    ) -> None:
        """`refused` counts refused requests and connections by reason.

        `descriptors_reserve` are kept from plain HTTP, `descriptors_last` of them from all that
        comes in.
        """
        self.count = refused
        self.reads = PacedReads()
        self._connections_max = connections_max
        most = descriptors_max()
        reserve, last = descriptors_reserve, descriptors_last
        if reserve is None:
            reserve = min(DESCRIPTORS_RESERVE, most // 4)
        if last is None:
            last = min(DESCRIPTORS_LAST, reserve // 4)
        self._first_reserved, self._first_of_last = most - reserve, most - last
        self._logged_at = -DESCRIPTORS_LOGGED_EVERY_S
        self._open = 0

    def opened(self) -> None:
        self._open += 1

    def closed(self) -> None:
        self._open -= 1

    def reason_against(self, descriptor: int) -> str | None:
        """Return why a connection gets no answer but 503, None if it may stay."""
        if descriptor >= self._first_reserved:
            self._log()
            return "descriptors"
        return "connections" if self._open > self._connections_max else None

    def is_last(self, descriptor: int) -> bool:
        """Return whether the process itself needs this descriptor, for the model's sockets."""
        return descriptor >= self._first_of_last

    def _log(self) -> None:
        now = monotonic()
        if now - self._logged_at >= DESCRIPTORS_LOGGED_EVERY_S:
            self._logged_at = now
            log.error("descriptors_exhausted", left=descriptors_left(), limit=descriptors_max())
