"""Errors of the model's server, sorted by what they mean for the call.

An `error` event seldom ends anything ("most are recoverable, session stays open"). Bridges that
hang up on any of them lose calls to harmless races.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from gateway import limits
from gateway.protocols.openai_refusals import FINAL_CODES
from gateway.protocols.realtime_server import ErrorBody


class ModelErrorKind(StrEnum):
    """Meaning of an error for the call."""

    BENIGN = "benign"
    """A race that both sides survive."""
    RECOVERABLE = "recoverable"
    """Something did not happen that can be asked for again."""
    FATAL = "fatal"
    """This session, or the next like it, will not work."""
    EXPIRED = "expired"
    """The session's hour is up; another one would work."""
    UNKNOWN = "unknown"
    """Never seen: counted, and the call goes on."""


_BY_CODE: Final = {
    "response_cancel_not_active": ModelErrorKind.BENIGN,
    "conversation_already_has_active_response": ModelErrorKind.BENIGN,
    "input_audio_buffer_commit_empty": ModelErrorKind.BENIGN,
    "item_truncate_invalid_item_id": ModelErrorKind.BENIGN,
    "item_delete_invalid_item_id": ModelErrorKind.BENIGN,
    "item_not_found": ModelErrorKind.BENIGN,
    "server_error": ModelErrorKind.RECOVERABLE,
    "rate_limit_exceeded": ModelErrorKind.RECOVERABLE,
    "session_expired": ModelErrorKind.EXPIRED,
    **dict.fromkeys(FINAL_CODES, ModelErrorKind.FATAL),
}
_BY_TYPE: Final = {
    "server_error": ModelErrorKind.RECOVERABLE,
    "rate_limit_error": ModelErrorKind.RECOVERABLE,
    "authentication_error": ModelErrorKind.FATAL,
    **dict.fromkeys(FINAL_CODES, ModelErrorKind.FATAL),
}
_OVERSHOT: Final = "is already shorter than"
"""'Audio content of 3700ms is already shorter than 3760ms': a truncation that came to nothing."""


def sort(error: ErrorBody) -> ModelErrorKind:
    """Return what an error means, by its code, its message or its type."""
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    if error.message is not None and _OVERSHOT in error.message:
        return ModelErrorKind.BENIGN
    return _BY_TYPE.get(error.type or "", ModelErrorKind.UNKNOWN)


def code_of(error: ErrorBody) -> str:
    """Return a name for metrics: the server's own words only where they are known ones."""
    for name in (error.code, error.type):
        if name is not None and (name in _BY_CODE or name in _BY_TYPE):
            return name
    return "truncation_overshot" if sort(error) is ModelErrorKind.BENIGN else "other"


_KEY: Final = re.compile(r"\b(?:sk|ek)[-_][\w*.-]+")
"""'Incorrect API key provided: sk-...': the vendor repeats most of it."""


def words_of(error: ErrorBody) -> str:
    """Return what the vendor says of an error, for the log: bounded, and without a key."""
    parts = (error.code, error.param, error.message)
    words = ": ".join(part for part in parts if part)[: 2 * limits.model.ERROR_WORDS_MAX_CHARS]
    return _KEY.sub("[key]", words)[: limits.model.ERROR_WORDS_MAX_CHARS]


_WAIT: Final = re.compile(r"try again in ((?:\d{1,6}(?:\.\d{1,6})?(?:ms|[hms]))+)", re.IGNORECASE)
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|[hms])", re.IGNORECASE)
_UNIT_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def pause_s(error: ErrorBody, retries: int) -> float:
    """Return how long to wait before a failed response is asked for again.

    As the server's message says ("Please try again in 3.2s", also ms and m); otherwise a pause
    that doubles with each of the `retries` so far.
    """
    found = _WAIT.search(error.message or "")
    if found is not None:
        spans = _SPAN.findall(found.group(1))
        return sum(float(number) * _UNIT_S[unit.lower()] for number, unit in spans)
    return float(limits.model.RETRY_PAUSE_FIRST_S * 2**retries)
