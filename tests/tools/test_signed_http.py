"""Signed requests: what is sent, and which answers are none."""

from __future__ import annotations

import json
from typing import Any

import pytest
from http_end import HttpEnd, http_end
from standardwebhooks import Webhook

from gateway.agents.config.signed_request import SignedRequest
from gateway.errors import SettingsError, ToolError
from gateway.tools.python import ToolContext
from gateway.tools.signed_http import SignedHttp

OLD, NEW = "whsec_b2xkIHNlY3JldA==", "whsec_bmV3IHNlY3JldA=="
CALL = ToolContext("CA1", "+21671000001", "+15550100", "bank", "CA1")
FIELDS = {"said": "مرحبا"}


def http(url: str, most_bytes: int = 100, **fields: Any) -> SignedHttp:
    request = SignedRequest(url=url, secret="${KEY}", allow_private=True, **fields)
    environ = {"KEY": f"{NEW},{OLD}", "TOKEN": "t0ken"}
    return SignedHttp("agents.bank.before.http", request, environ, most_bytes)


async def answered(end: HttpEnd, status: int, body: bytes, most_bytes: int = 100) -> str:
    end.answers["/ask"] = (status, {"location": "/other"} if status == 302 else {}, body)
    one = http(f"{end.url}/ask", most_bytes)
    try:
        return await one.ask(FIELDS, CALL)
    finally:
        await one.close()


async def test_a_receiver_with_either_secret_verifies_the_request() -> None:
    async with http_end() as end:
        end.answers["/ask"] = (200, {}, b"well")
        one = http(f"{end.url}/ask", headers={"Authorization": "Bearer ${TOKEN}"})
        assert await one.ask(FIELDS, CALL) == "well"
        await one.ask(FIELDS, CALL)
        await one.close()
        first, second = end.seen
    assert json.loads(first.body) == FIELDS
    assert first.headers["authorization"] == "Bearer t0ken"
    assert first.headers["x-gateway-call-sid"] == "CA1"
    for secret in (OLD, NEW):
        assert Webhook(secret).verify(first.body, dict(first.headers)) == FIELDS
    assert first.headers["webhook-id"] != second.headers["webhook-id"]


async def test_values_of_the_call_are_filled_in_here_too() -> None:
    async with http_end() as end:
        end.answers["/ask"] = (200, {}, b"")
        one = http(f"{end.url}/ask", headers={"X-From": " {call.caller}", "X-Sid": "{call.sid}"})
        await one.ask(FIELDS, CALL)
        await one.close()
        (seen,) = end.seen
    assert (seen.headers["x-from"], seen.headers["x-sid"]) == ("+21671000001", "CA1")


async def test_no_header_of_the_operator_s_replaces_the_signature() -> None:
    async with http_end() as end:
        end.answers["/ask"] = (200, {}, b"")
        one = http(f"{end.url}/ask", headers={"Webhook-Id": "mine", "X-Gateway-Agent": "mine"})
        await one.ask(FIELDS, CALL)
        await one.close()
        (seen,) = end.seen
    assert seen.headers["webhook-id"].startswith("msg_")
    assert seen.headers["x-gateway-agent"] == "mine"


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [(302, b"", "redirect"), (500, b"", "status_500"), (200, b"x" * 101, "too_long")],
)
async def test_answers_that_are_none(status: int, body: bytes, reason: str) -> None:
    async with http_end() as end:
        with pytest.raises(ToolError) as refused:
            await answered(end, status, body)
        assert refused.value.reason == reason
        assert len(end.seen) == 1, "no redirect is followed"


async def test_the_longest_answer_is_read() -> None:
    async with http_end() as end:
        assert await answered(end, 200, b"x" * 100) == "x" * 100


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({"TOKEN": "t"}, "agents.bank.before.http needs KEY"),
        ({"KEY": "plain", "TOKEN": "t"}, "signs with KEY, which must be whsec_ and base64"),
        ({"KEY": NEW}, "agents.bank.before.http needs TOKEN"),
        ({"KEY": NEW, "TOKEN": "a\nb"}, "sends TOKEN in a header"),
    ],
)
def test_secrets_that_cannot_be_used_are_named_and_not_shown(
    environ: dict[str, str], problem: str
) -> None:
    headers = {"Authorization": "Bearer ${TOKEN}"}
    request = SignedRequest(url="https://a.example/", secret="${KEY}", headers=headers)
    with pytest.raises(SettingsError, match=problem) as refused:
        SignedHttp("agents.bank.before.http", request, environ, 100)
    assert "plain" not in str(refused.value)
