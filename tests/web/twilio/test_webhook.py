"""Webhooks reach their handlers verified; each request is counted by what became of it."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from prometheus_client import CollectorRegistry, Counter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from structlog.testing import capture_logs

from gateway.errors import PeerError, SignatureRefused
from gateway.web.twilio.webhook import VerifiedWebhooks

FIELDS = {"CallSid": "CA1"}


class Signature:
    """One that refuses a request, or finds the fields in it."""

    def __init__(self, refusal: Exception | None) -> None:
        self._refusal = refusal

    async def fields(self, _request: Request) -> dict[str, str]:
        if self._refusal is not None:
            raise self._refusal
        return FIELDS


async def handle(fields: dict[str, str], _request: Request) -> Response:
    assert fields == FIELDS
    return PlainTextResponse("handled")


async def not_understood(_fields: dict[str, str], _request: Request) -> Response:
    raise PeerError("malformed", "there is no CallSid")


@pytest.mark.parametrize(
    ("refusal", "handler", "status", "text", "result"),
    [
        (None, handle, 200, "handled", "ok"),
        (
            SignatureRefused("bad_signature", "https://gw/twilio/voice"),
            handle,
            403,
            "The request is not signed by Twilio.",
            "bad_signature",
        ),
        (PeerError("oversized"), handle, 413, "The request was not understood: ", "oversized"),
        (None, not_understood, 400, "The request was not understood: ", "malformed"),
    ],
)
async def test_what_becomes_of_a_request(
    refusal: Exception | None, handler: Any, status: int, text: str, result: str
) -> None:
    registry = CollectorRegistry()
    counter = Counter("requests", "", ["endpoint", "result"], registry=registry)
    signature: Any = Signature(refusal)
    endpoint = VerifiedWebhooks(signature, counter).wrap("voice", handler)
    app = httpx2.ASGITransport(Starlette(routes=[Route("/", endpoint, methods=["POST"])]))
    async with httpx2.AsyncClient(transport=app, base_url="http://gateway") as client:
        with capture_logs():
            answer = await client.post("/")
    assert (answer.status_code, answer.text[: len(text)]) == (status, text)
    counted = {
        tuple(sample.labels.values()): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "requests_total"
    }
    assert counted == {("voice", result): 1}
