"""Expectations."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.simulator.scenario.expect import Expect, Range


def test_nothing_is_expected_but_silence_about_the_protocol() -> None:
    expect = Expect()
    assert expect.no_protocol_warnings
    assert not expect.tools
    assert expect.ending is None


def test_a_range_is_open_at_the_top() -> None:
    assert Range(min=900).max == float("inf")


def test_an_expression_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="is no regular expression"):
        Expect(said=["("])
