"""`before:` in the agents file."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.agents.config.before import Before


def test_an_address_is_signed_with_the_secret_of_events_unless_it_names_another() -> None:
    plain = Before.model_validate({"http": {"url": "https://crm.example.com/call?v=1"}})
    assert plain.http is not None
    assert plain.http.secret_name == "GATEWAY_EVENTS_SECRET"
    assert (plain.timeout_ms, plain.cache_s) == (1200, 60.0)
    fields = {"url": "https://a.example", "secret": "${CRM}", "headers": {"X-Key": "${CRM_KEY}"}}
    other = Before.model_validate({"http": fields})
    assert other.http is not None
    assert other.http.secret_name == "CRM"
    assert other.http.header_secrets == {"CRM_KEY"}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "give either"),
        ({"python": "a:b", "http": {"url": "https://a.example"}}, "give either"),
        ({"python": "a.b"}, "should match pattern"),
        ({"http": {"url": "ftp://a.example"}}, "should match pattern"),
        ({"http": {"url": "https://a.example/{call.sid}"}}, "should match pattern"),
        ({"http": {"url": "https://a.example", "secret": "whsec_x"}}, "should match pattern"),
        ({"python": "a:b", "timeout_ms": 10}, "greater than or equal to 50"),
        ({"python": "a:b", "timeout_ms": 9000}, "less than or equal to 3000"),
        ({"python": "a:b", "cache_s": 9000}, "less than or equal to 600"),
    ],
)
def test_what_is_refused(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Before.model_validate(fields)
