"""Media of text messages, from Twilio's Media resource (2010-04-01).

The address stands in a webhook. The account's credentials go to Twilio's own host and to no
other: a redirect to where the bytes lie is followed here, and without them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpx2

from gateway import limits
from gateway.errors import LinkError, PeerError
from gateway.transports.retry import retried
from gateway.transports.tls import tls_context

_VENDOR: Final = "https://api.twilio.com"
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_NOT_YET: Final = frozenset({404, 429, 500, 502, 503, 504})
"""Statuses for which another attempt may succeed: the webhook can precede its media."""


class TwilioMedia:
    """Client for media of messages, one for the process; `close` it at the end."""

    def __init__(
        self,
        base_url: str,
        account_sid: str,
        auth_token: str,
        *,
        first_pause_s: float = limits.messages.MEDIA_FIRST_PAUSE_S,
    ) -> None:
        self._first_pause_s = first_pause_s
        self._own = {_origin(base_url), _origin(_VENDOR)}
        self._path = re.compile(
            rf"/2010-04-01/Accounts/{re.escape(account_sid)}"
            r"/Messages/[SM]M[0-9a-fA-F]{32}/Media/ME[0-9a-fA-F]{32}"
        )
        self._auth = httpx2.BasicAuth(account_sid, auth_token)
        self._client = httpx2.AsyncClient(
            verify=tls_context(), timeout=limits.web.REST_TIMEOUT_S, follow_redirects=False
        )
        self._slots = asyncio.Semaphore(limits.messages.MEDIA_AT_ONCE_MAX)

    async def fetch(self, url: str, arrived: Callable[[int], None]) -> bytes:
        """Return the bytes of one medium.

        `arrived` is called with the size of each piece before it is held, and may raise PeerError.
        Raises PeerError: `foreign_url`, `too_large`, `too_slow`, `unreachable`.
        """
        if not self._is_ours(url):
            raise PeerError("foreign_url")
        try:
            async with self._slots, asyncio.timeout(limits.messages.MEDIA_FETCH_MAX_S):
                return await self._fetch(url, arrived)
        except TimeoutError:
            raise PeerError("too_slow") from None
        except ValueError as error:
            raise PeerError("foreign_url") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise PeerError("unreachable", type(error).__name__) from error

    def _is_ours(self, url: str) -> bool:
        try:
            parts = urlsplit(url)
            origin = _origin(url)
        except ValueError:
            return False
        plain = not (parts.query or parts.fragment or parts.username or parts.password)
        return plain and origin in self._own and self._path.fullmatch(parts.path) is not None

    async def _fetch(self, url: str, arrived: Callable[[int], None]) -> bytes:
        async def attempt() -> bytes:
            found = await self._follow(url, arrived)
            if found is None:
                raise LinkError("not_there_yet", retryable=True)
            return found

        try:
            return await retried(attempt, limits.messages.MEDIA_TRIES, self._first_pause_s)
        except LinkError:
            raise PeerError("unreachable", "it is not there") from None

    async def _follow(self, url: str, arrived: Callable[[int], None]) -> bytes | None:
        """Follow redirects to the bytes; None when another attempt may find them."""
        for _ in range(limits.messages.MEDIA_REDIRECTS_MAX + 1):
            own = _origin(url) in self._own
            # Uncompressed: a small compressed body may expand without bound.
            request = self._client.build_request(
                "GET", url, headers={"Accept-Encoding": "identity"}
            )
            response = await self._client.send(
                request, stream=True, auth=self._auth if own else None
            )
            try:
                if response.status_code not in _REDIRECTS:
                    return await _content(response, arrived)
            finally:
                await response.aclose()
            url = self._next(url, response.headers.get("location", ""))
        raise PeerError("foreign_url", "redirected in a circle")

    def _next(self, url: str, location: str) -> str:
        """Return where a redirect leads: a secure address, or one of the origins of the start."""
        there = urljoin(url, location)
        parts = urlsplit(there)
        if parts.username or parts.password or not parts.hostname:
            raise PeerError("foreign_url", "redirected to an address with a password")
        if parts.scheme != "https" and _origin(there) not in self._own:
            raise PeerError("foreign_url", "redirected to an address that is not secure")
        return there

    async def close(self) -> None:
        await self._client.aclose()


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), port


async def _content(response: httpx2.Response, arrived: Callable[[int], None]) -> bytes | None:
    if response.status_code in _NOT_YET:
        return None
    if response.status_code != 200:
        raise PeerError("unreachable", f"http_{response.status_code}")
    if int(response.headers.get("content-length", "0")) > limits.images.IMAGE_BODY_MAX_BYTES:
        raise PeerError("too_large")
    body = bytearray()
    async for chunk in response.aiter_raw():
        if len(body) + len(chunk) > limits.images.IMAGE_BODY_MAX_BYTES:
            raise PeerError("too_large")
        arrived(len(chunk))
        body += chunk
    return bytes(body)
