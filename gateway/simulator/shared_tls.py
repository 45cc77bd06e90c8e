"""The TLS context of the simulator's HTTP clients."""

from __future__ import annotations

from functools import cache
from ssl import SSLContext

import httpx2


@cache
def shared_context() -> SSLContext:
    """Return the context of all clients, made once.

    Reading the system's certificates takes as long as two frames of every simulated call.
    """
    return httpx2.create_ssl_context(trust_env=False)
