"""Refusals of OpenAI's REST API and of a WebSocket's handshake: their JSON body."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from gateway.protocols.realtime_server import ErrorBody

FINAL_CODES: Final = frozenset(
    {"invalid_api_key", "insufficient_quota", "model_not_found", "beta_api_shape_disabled"}
)
"""Codes of errors that another try with the same key and model gets again.

`insufficient_quota` comes with the status 429, as a rate limit does that passes within seconds.
"""


class _Refusal(Struct):
    error: ErrorBody


_decoder: Final = msgspec.json.Decoder(_Refusal)


def error_of(body: bytes) -> ErrorBody:
    """Return the error that a body names; one without fields if it names none."""
    try:
        return _decoder.decode(body).error
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ErrorBody()


def is_final(body: bytes) -> bool:
    """Return whether another try would be refused for the same reason."""
    error = error_of(body)
    return error.code in FINAL_CODES or error.type in FINAL_CODES
