"""Signatures of events. Source: Standard Webhooks, symmetric signatures (`v1`)."""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from gateway.errors import SettingsError

PREFIX: Final = "whsec_"


class EventSigner:
    """Signs with every secret: while they are rotated, the receiver may have either one."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Raises SettingsError."""
        self._keys = [_key(secret) for secret in secrets]

    def headers(self, event_id: str, sent_at_s: int, body: bytes) -> dict[str, str]:
        """Return the headers of one attempt; `sent_at_s` is Unix time."""
        signed = b".".join((event_id.encode(), str(sent_at_s).encode(), body))
        signatures = [b64encode(hmac.digest(key, signed, sha256)).decode() for key in self._keys]
        return {
            "webhook-id": event_id,
            "webhook-timestamp": str(sent_at_s),
            "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
        }


def _key(secret: str) -> bytes:
    try:
        key = b64decode(secret.removeprefix(PREFIX), validate=True)
    except NotBase64:
        key = b""
    if not key:
        raise SettingsError(
            "GATEWAY_EVENTS_SECRET must be whsec_ and base64: "
            'echo "whsec_$(openssl rand -base64 32)" makes one.'
        )
    return key
