"""Expiry of the public address's certificate: with an expired one no call arrives."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

import structlog

from gateway import limits

log = structlog.get_logger()
_HTTPS_PORT: Final = 443


async def expiry(url: str, context: ssl.SSLContext | None = None) -> float | None:
    """Unix seconds; 0 when nobody would accept the certificate; None when nobody answers."""
    host, port = address_of(url)
    context = context or ssl.create_default_context()
    try:
        async with asyncio.timeout(limits.sockets.CONNECT_MAX_S):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except ssl.SSLCertVerificationError as error:
        log.warning("certificate_refused", reason=error.verify_message)
        return 0.0
    except (OSError, TimeoutError) as error:
        log.debug("certificate_unreachable", reason=str(error))
        return None
    certificate = writer.get_extra_info("peercert")
    writer.transport.abort()
    return float(ssl.cert_time_to_seconds(certificate["notAfter"]))


def address_of(url: str) -> tuple[str, int]:
    """Return host and port of an `https:` address."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or _HTTPS_PORT


async def watch_certificate(
    public_url: str,
    report: Callable[[float], None],
    look: Callable[[str], Awaitable[float | None]] = expiry,
) -> None:
    """Runs until cancelled; reports the Unix time at which the certificate ends, 0 for a bad one.

    Nothing is reported as long as the address cannot be reached from here. `look` returns
    what `expiry` does.
    """
    if not public_url.startswith("https:"):
        return
    await asyncio.sleep(limits.process.CERTIFICATE_FIRST_S)
    while True:
        expires_at = await look(public_url)
        if expires_at is not None:
            report(expires_at)
        await asyncio.sleep(limits.process.CERTIFICATE_CHECK_S)
