"""Signatures of Standard Webhooks, as a sender makes them.

Source: standard-webhooks.com, specification 1.0.0: `v1` is HMAC-SHA256 over `id.timestamp.body`.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Final

_PREFIX: Final = "whsec_"


def signing_keys(secrets: str) -> list[bytes]:
    """Return the keys of comma-separated secrets like `whsec_...`. Raises ValueError."""
    keys = []
    for secret in filter(None, map(str.strip, secrets.split(","))):
        key = b64decode(secret.removeprefix(_PREFIX), validate=True)
        if not secret.startswith(_PREFIX) or not key:
            raise ValueError(f"a secret is {_PREFIX} and base64")
        keys.append(key)
    if not keys:
        raise ValueError("there is no secret")
    return keys


def signed_headers(
    keys: Sequence[bytes], message_id: str, unix_s: int, body: bytes
) -> dict[str, str]:
    """Return the three headers of one message; during a rotation it has a signature by each key."""
    signed = f"{message_id}.{unix_s}.".encode() + body
    signatures = [b64encode(hmac.digest(key, signed, "sha256")).decode() for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(unix_s),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
