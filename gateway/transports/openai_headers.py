"""Headers of requests to OpenAI."""

from __future__ import annotations

import hmac
from typing import Protocol


class _HasCaller(Protocol):
    @property
    def caller(self) -> str: ...


def bearer(api_key: str) -> dict[str, str]:
    """Return the header that authorizes a request."""
    return {"Authorization": f"Bearer {api_key}"}


def model_headers(api_key: str, call: _HasCaller) -> dict[str, str]:
    """Return the headers of a call's session, with a safety identifier of the caller.

    The identifier is a keyed hash of the caller's number: the same for each of their calls, and
    not readable.
    """
    headers = bearer(api_key)
    if call.caller:
        caller = call.caller.encode("utf-8", "replace")
        digest = hmac.digest(api_key.encode(), caller, "sha256").hex()
        headers["OpenAI-Safety-Identifier"] = digest[:32]
    return headers
