"""Signatures of Twilio (docs, "Webhooks security"), independent of the vendor's package."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Literal

Fields = Mapping[str, str | Sequence[str]]
Algorithm = Literal["HMAC_SHA1", "HMAC_SHA256"]

SIGNATURE = "X-Twilio-Signature"
SETTINGS = "X-Twilio-Webhooks-Signature-Settings"


def signature(
    secret: str, url: str, fields: Fields | None = None, algorithm: Algorithm = "HMAC_SHA1"
) -> str:
    """Return the base64 HMAC over the URL without fragment and each sorted name and value."""
    message = url.partition("#")[0]
    for name in sorted(fields or {}):
        value = (fields or {})[name]
        for one in sorted({value} if isinstance(value, str) else set(value)):
            message += name + one
    hash_ = hashlib.sha256 if algorithm == "HMAC_SHA256" else hashlib.sha1
    return b64encode(hmac.new(secret.encode(), message.encode(), hash_).digest()).decode()
