"""TLS towards everything that the gateway connects to."""

from __future__ import annotations

from functools import cache
from ssl import SSLContext, TLSVersion

import httpx2


@cache
def tls_context() -> SSLContext:
    """Return the context of all clients, made once.

    Reading the system's certificates takes tens of milliseconds, which callers would hear, and more
    than a megabyte.
    """
    context = httpx2.create_ssl_context()
    context.minimum_version = TLSVersion.TLSv1_2
    return context
