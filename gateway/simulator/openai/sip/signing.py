"""Signatures of OpenAI's webhooks (Standard Webhooks), independent of the vendor's package."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final

PREFIX: Final = "whsec_"


def signature(secret: str, webhook_id: str, timestamp: int, body: bytes) -> str:
    """Return `v1,` and the base64 HMAC-SHA256 of id, time and raw body, joined by dots."""
    key = b64decode(secret[len(PREFIX) :]) if secret.startswith(PREFIX) else secret.encode()
    message = f"{webhook_id}.{timestamp}.".encode() + body
    return "v1," + b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


def signed_headers(
    secrets: Sequence[str], webhook_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """Return the headers of one delivery; during rotation there is a signature for each secret."""
    signatures = [signature(secret, webhook_id, timestamp, body) for secret in secrets]
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }
