"""Refusals of the API as a command tells them: one sentence, and whether to try again."""

from __future__ import annotations

import httpx2
import pytest

from gateway.cli.operator_client import OperatorClient, refused
from gateway.errors import GatewayError, ServiceUnreachable, SettingsError


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, SettingsError),
        (422, SettingsError),
        (409, ServiceUnreachable),
        (429, ServiceUnreachable),
        (503, ServiceUnreachable),
    ],
)
def test_a_refusal_is_the_gateways_own_sentence(status: int, kind: type[GatewayError]) -> None:
    error = refused(httpx2.Response(status, json={"detail": "Not so."}))
    assert type(error) is kind
    assert str(error) == "Not so."


def test_an_answer_of_something_else_is_told_by_its_status() -> None:
    assert "answers 502" in str(refused(httpx2.Response(502, text="<html>")))


def test_without_a_token_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATEWAY_ADMIN_TOKEN", raising=False)
    with pytest.raises(SettingsError, match="GATEWAY_ADMIN_TOKEN is not set"):
        OperatorClient("http://127.0.0.1:9")
