"""Endpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway.bridge.inbound.before_calls import BeforeCalls
from gateway.wiring.endpoints import openai_endpoint, operator_endpoints, twilio_endpoints
from gateway.wiring.operators import operators


def operators_paths(a: Any) -> list[str]:
    acting = operators(a.r, a.calls, a.kept, a.outbound)
    routes = operator_endpoints(
        a.r,
        a.bounds,
        a.calls,
        a.kept,
        a.texts,
        a.outbound,
        a.agents.reload,
        a.recorded,
        acting,
    )
    return [route.path for route in routes]


def test_operators_have_no_endpoint_without_a_token(wired: Callable[..., Any]) -> None:
    assert operators_paths(wired()) == []


def test_operators_have_console_and_api_with_a_token(wired: Callable[..., Any]) -> None:
    paths = operators_paths(wired(GATEWAY_ADMIN_TOKEN="a-token-of-operators-of-some-length"))
    assert "/console" in paths
    assert "/api/calls" in paths


def test_webhooks_that_nothing_can_verify_have_no_endpoint(wired: Callable[..., Any]) -> None:
    a = wired()
    assert openai_endpoint(a.r, a.calls, a.inbound) is not None
    r = replace(a.r, settings=a.r.settings.model_copy(update={"openai_webhook_secret": []}))
    assert openai_endpoint(r, a.calls, a.inbound) is None


def test_twilio_has_its_webhooks_and_its_socket(wired: Callable[..., Any]) -> None:
    a = wired()
    before = BeforeCalls(a.calls.registry)
    endpoints = twilio_endpoints(
        a.r, a.bounds, a.calls, a.texts, a.outbound, before, a.kept, a.recorded
    )
    paths = [route.path for route in endpoints]
    assert {"/twilio/voice", "/twilio/after", "/twilio/media"} <= set(paths)
