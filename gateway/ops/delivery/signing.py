"""Signatures of events. Source: Standard Webhooks, symmetric signatures (`v1`)."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import SettingsError
from gateway.protocols.standard_webhooks import signed_headers, signing_keys


class EventSigner:
    """Signs with every secret: while they are rotated, the receiver may have either one."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Raises SettingsError."""
        try:
            self._keys = signing_keys(",".join(secrets))
        except ValueError:
            raise SettingsError(
                "GATEWAY_EVENTS_SECRET must be whsec_ and base64: "
                'echo "whsec_$(openssl rand -base64 32)" makes one.'
            ) from None

    def headers(self, event_id: str, sent_at_s: int, body: bytes) -> dict[str, str]:
        """Return the headers of one attempt; `sent_at_s` is Unix time."""
        return signed_headers(self._keys, event_id, sent_at_s, body)
