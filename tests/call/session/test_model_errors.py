"""Errors of the model's server: few of them mean anything, and only some end a call."""

from __future__ import annotations

from gateway.call.session.model_errors import ModelErrorKind, code_of, sort
from gateway.protocols.realtime_server import ErrorBody


def test_the_servers_words_are_no_metric() -> None:
    body = ErrorBody(type="very_new", code="user@example.com", message="secret")
    assert (sort(body), code_of(body)) == (ModelErrorKind.UNKNOWN, "other")


def test_a_kind_of_error_is_enough() -> None:
    assert sort(ErrorBody(type="authentication_error")) is ModelErrorKind.FATAL
    assert code_of(ErrorBody(type="authentication_error")) == "authentication_error"
    assert sort(ErrorBody(type="rate_limit_error", code="new")) is ModelErrorKind.RECOVERABLE
    assert sort(ErrorBody()) is ModelErrorKind.UNKNOWN
