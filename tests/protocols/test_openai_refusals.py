"""What the body of a refusal says, and which refusals pass."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.protocols.openai_refusals import FINAL_CODES, error_of, is_final


def body(**error: Any) -> bytes:
    return json.dumps({"error": error}).encode()


@pytest.mark.parametrize("code", sorted(FINAL_CODES))
def test_what_will_be_refused_again_is_final(code: str) -> None:
    assert is_final(body(code=code, message="No."))
    assert is_final(body(type=code, code=None))


@pytest.mark.parametrize(
    "other",
    [
        body(code="rate_limit_exceeded", type="requests"),
        body(),
        b"",
        b"{}",
        b"[]",
        b'{"error": null}',
        b'{"error": {"code": 7}}',
        b"<html>insufficient_quota</html>",
        b"\xff\xfe",
        b'{"error":' * 3000,
    ],
)
def test_anything_else_may_pass(other: bytes) -> None:
    assert not is_final(other)


def test_an_error_is_read() -> None:
    error = error_of(body(code="invalid_value", message="No such voice.", param="session.voice"))
    assert (error.code, error.message, error.param) == (
        "invalid_value",
        "No such voice.",
        "session.voice",
    )
    assert error_of(b"no").code is None
