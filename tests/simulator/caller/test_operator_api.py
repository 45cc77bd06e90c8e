"""The operator of a rehearsal: answers what waits, and says what kept him from it."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from gateway.simulator.caller.operator_api import Operator
from gateway.simulator.scenario.schema import Decide

SID = "CA" + "7" * 32
ASKED = {"id": "mcpr_1", "tool": "reserve", "outcome": None}


class Api:
    """The operators' API as far as he uses it; the call is known by another id, as with SIP."""

    def __init__(self, approvals: list[dict[str, Any]], status: int = 202) -> None:
        self.approvals, self.status = approvals, status
        self.told: list[tuple[str, Any]] = []

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        assert request.headers["authorization"] == "Bearer t0ken"
        if request.method == "POST":
            self.told.append((request.url.path, json.loads(request.content)))
            return httpx2.Response(self.status, json={"detail": "It was answered before."})
        if request.url.path == "/api/calls":
            other = {"id": "rtc_0", "call_sid": "CA0"}
            return httpx2.Response(200, json={"calls": [other, {"id": "rtc_1", "call_sid": SID}]})
        assert request.url.path == "/api/calls/rtc_1"
        return httpx2.Response(200, json={"approvals": self.approvals})


async def decided(api: Api, token: str = "t0ken", **wanted: Any) -> str:
    asked = Decide.model_validate({"tool": "reserve", "approve": True, "timeout_s": 0.2} | wanted)
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(api.answer)) as client:
        return await Operator(client, "http://gateway", token, SID).decide(asked)


@pytest.mark.parametrize("approve", [True, False])
async def test_he_answers_what_waits(approve: bool) -> None:
    api = Api([ASKED | {"id": "mcpr_0", "outcome": "denied"}, ASKED])
    assert await decided(api, approve=approve) == ""
    assert api.told == [("/api/calls/rtc_1/approvals/mcpr_1", {"approve": approve})]


async def test_nobody_asks_him() -> None:
    api = Api([ASKED | {"tool": "another"}])
    assert await decided(api) == "nobody asked for leave to use reserve"
    assert api.told == []


async def test_his_answer_is_not_taken() -> None:
    assert "answered before" in await decided(Api([ASKED], status=409))


async def test_he_needs_a_token() -> None:
    assert "GATEWAY_ADMIN_TOKEN" in await decided(Api([]), token="")
