"""Operator API client of a rehearsal: approvals, and what it says when one cannot be given."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from gateway.simulator.caller.operator_api import OperatorApi
from gateway.simulator.scenario.steps import Decide

SID = "CA" + "7" * 32
PENDING = {"id": "mcpr_1", "tool": "reserve", "outcome": None}


class FakeApi:
    """The part of the operator API that approvals need; as with SIP, the call has another id."""

    def __init__(self, approvals: list[dict[str, Any]], status: int = 202) -> None:
        self.approvals, self.status = approvals, status
        self.posted: list[tuple[str, Any]] = []

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        assert request.headers["authorization"] == "Bearer t0ken"
        if request.method == "POST":
            self.posted.append((request.url.path, json.loads(request.content)))
            return httpx2.Response(self.status, json={"detail": "It was answered before."})
        if request.url.path == "/api/calls":
            other = {"id": "rtc_0", "call_sid": "CA0"}
            return httpx2.Response(200, json={"calls": [other, {"id": "rtc_1", "call_sid": SID}]})
        assert request.url.path == "/api/calls/rtc_1"
        return httpx2.Response(200, json={"approvals": self.approvals})


async def decided(api: FakeApi, token: str = "t0ken", **wanted: Any) -> str:
    step = Decide.model_validate({"tool": "reserve", "approve": True, "timeout_s": 0.2} | wanted)
    async with httpx2.AsyncClient(transport=httpx2.MockTransport(api.answer)) as client:
        return await OperatorApi(client, "http://gateway", token).decide(SID, step)


@pytest.mark.parametrize("approve", [True, False])
async def test_a_pending_approval_is_answered(approve: bool) -> None:
    api = FakeApi([PENDING | {"id": "mcpr_0", "outcome": "denied"}, PENDING])
    assert await decided(api, approve=approve) == ""
    assert api.posted == [("/api/calls/rtc_1/approvals/mcpr_1", {"approve": approve})]


async def test_no_approval_is_requested() -> None:
    api = FakeApi([PENDING | {"tool": "another"}])
    assert await decided(api) == "no approval was requested for reserve"
    assert api.posted == []


async def test_an_approval_that_is_not_accepted() -> None:
    assert "answered before" in await decided(FakeApi([PENDING], status=409))


async def test_an_operator_needs_a_token() -> None:
    assert "GATEWAY_ADMIN_TOKEN" in await decided(FakeApi([]), token="")


async def test_an_api_that_cannot_be_reached() -> None:
    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused", request=request)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(refuse)) as client:
        step = Decide(tool="reserve", approve=True)
        assert "cannot be reached" in await OperatorApi(client, "http://g", "t").decide(SID, step)
