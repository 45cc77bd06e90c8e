"""Errors of the model's server: few of them mean anything, and only some end a call."""

from __future__ import annotations

from gateway import limits
from gateway.call.session.model_errors import ModelErrorKind, code_of, pause_s, sort, words_of
from gateway.protocols.realtime_server import ErrorBody


def test_the_servers_words_are_no_metric() -> None:
    body = ErrorBody(type="very_new", code="user@example.com", message="secret")
    assert (sort(body), code_of(body)) == (ModelErrorKind.UNKNOWN, "other")


def test_a_kind_of_error_is_enough() -> None:
    assert sort(ErrorBody(type="authentication_error")) is ModelErrorKind.FATAL
    assert code_of(ErrorBody(type="authentication_error")) == "authentication_error"
    assert sort(ErrorBody(type="rate_limit_error", code="new")) is ModelErrorKind.RECOVERABLE
    assert sort(ErrorBody()) is ModelErrorKind.UNKNOWN


def test_the_vendors_words_are_bounded_and_have_no_key() -> None:
    long = ErrorBody(code="invalid_value", param="session.audio", message="x" * 9_999)
    assert len(words_of(long)) == limits.model.ERROR_WORDS_MAX_CHARS
    message = "Incorrect API key provided: sk-proj-ab12****wxyz. You can find it in your settings."
    words = words_of(ErrorBody(code="invalid_api_key", message=message))
    assert words.startswith("invalid_api_key: Incorrect API key provided: [key]")
    assert "wxyz" not in words
    assert words_of(ErrorBody()) == ""


def test_a_key_at_the_bound_is_hidden_before_the_words_are_cut() -> None:
    most = limits.model.ERROR_WORDS_MAX_CHARS
    words = words_of(ErrorBody(message=f"{'x' * (most - 10)} sk-proj-{'y' * most}"))
    assert words == f"{'x' * (most - 10)} [key]"


def test_a_pause_doubles_with_each_retry() -> None:
    first = limits.model.RETRY_PAUSE_FIRST_S
    assert [pause_s(ErrorBody(), retries) for retries in range(3)] == [first, 2 * first, 4 * first]
    assert pause_s(ErrorBody(message="Please try again in 1m1.5s."), 0) == 61.5
