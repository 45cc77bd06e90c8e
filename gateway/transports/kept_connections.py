"""How long connections to an operator's own servers are kept between two requests."""

from __future__ import annotations

import httpx2

from gateway import limits


def kept_connections(
    max_connections: int = limits.web.CONNECTIONS_OF_CLIENT_MAX,
    idle_max_s: float = limits.web.KEPT_CONNECTION_MAX_S,
) -> httpx2.Limits:
    """Return the limits of a client of servers that may close an idle connection at any time."""
    return httpx2.Limits(
        max_connections=max_connections,
        max_keepalive_connections=limits.web.KEPT_CONNECTIONS_MAX,
        keepalive_expiry=idle_max_s,
    )
