"""The vendor's own client for what is set up once: numbers and trunks. Blocking; not for calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.rest import Client

_VENDOR: Final = "https://api.twilio.com"
TIMEOUT_S: Final = 10.0


class _FixedHostClient(TwilioHttpClient):  # type: ignore[misc] # the package is not typed
    """Asks one address whatever host the package would ask: `api`, `trunking` and the rest."""

    def __init__(self, base_url: str) -> None:
        super().__init__(timeout=TIMEOUT_S)
        self._base_url = base_url.rstrip("/")
        self.session.trust_env = False

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        parts = urlsplit(url)
        query = f"?{parts.query}" if parts.query else ""
        return super().request(method, f"{self._base_url}{parts.path}{query}", *args, **kwargs)


@contextmanager
def opened(base_url: str, account_sid: str, auth_token: str) -> Iterator[Client]:
    """At the vendor's, or wherever TWILIO_BASE_URL says."""
    at_vendor = base_url.rstrip("/") == _VENDOR
    http = TwilioHttpClient(timeout=TIMEOUT_S) if at_vendor else _FixedHostClient(base_url)
    try:
        yield Client(account_sid, auth_token, http_client=http)
    finally:
        http.session.close()
