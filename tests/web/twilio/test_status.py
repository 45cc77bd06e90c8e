"""Status callbacks: who learns of the end of a call, and what is counted of streams."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from call_doubles import CALL_SID
from starlette.requests import Request
from structlog.testing import capture_logs

from gateway.web.twilio.status import StatusEndpoints

FIELDS = {"CallSid": CALL_SID, "From": "+15550199", "To": "+15550100"}


class Status:
    """Endpoints, and what they report to whom."""

    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []
        counter = SimpleNamespace(
            labels=lambda event: SimpleNamespace(inc=lambda: self.told.append(("count", event)))
        )
        parts: list[Any] = [
            SimpleNamespace(leg_is_over=lambda sid: self.told.append(("leg", sid))),
            SimpleNamespace(on_status=self._to("outbound"), detected=self._to("detected")),
            SimpleNamespace(call_is_over=self._to("warm")),
            SimpleNamespace(hung_up=self._to("input")),
            SimpleNamespace(reported=lambda sid: self.told.append(("carrier", sid))),
            SimpleNamespace(stream_events=counter),
        ]
        self.endpoints = StatusEndpoints(*parts)

    def _to(self, name: str) -> Any:
        async def told(*more: str) -> None:
            self.told.append((name, *more))

        return told

    async def post(self, endpoint: str, **fields: str) -> int:
        answer = getattr(self.endpoints, endpoint)
        response = await answer(FIELDS | fields, Request({"type": "http"}))
        return int(response.status_code)


@pytest.mark.parametrize("status", ["completed", "busy", "failed", "no-answer", "canceled"])
async def test_everybody_learns_that_a_call_is_over(status: str) -> None:
    desk = Status()
    assert await desk.post("status", CallStatus=status) == 204
    assert desk.told == [(name, CALL_SID) for name in ("leg", "warm", "input", "carrier")]


@pytest.mark.parametrize("status", ["queued", "ringing", "in-progress", ""])
async def test_a_call_that_goes_on_concerns_nobody(status: str) -> None:
    desk = Status()
    assert await desk.post("status", CallStatus=status) == 204
    assert desk.told == []


async def test_each_step_of_a_call_that_we_placed_is_reported() -> None:
    desk = Status()
    await desk.post("status", CallStatus="ringing", Direction="outbound-api")
    assert desk.told == [("outbound", CALL_SID, "ringing")]
    await desk.post("status", CallStatus="busy", Direction="outbound-api")
    assert desk.told[1][0] == "leg"
    assert desk.told[-1] == ("outbound", CALL_SID, "busy")


@pytest.mark.parametrize("direction", ["inbound", "outbound-dial"])
async def test_a_call_that_we_did_not_place_has_no_steps(direction: str) -> None:
    desk = Status()
    await desk.post("status", CallStatus="ringing", Direction=direction)
    assert desk.told == []


async def test_what_machine_detection_found_is_passed_on() -> None:
    desk = Status()
    assert await desk.post("amd", AnsweredBy="human") == 204
    assert desk.told == [("detected", CALL_SID, "human")]


async def test_a_failed_stream_is_counted_and_logged_in_few_words() -> None:
    desk = Status()
    with capture_logs() as logs:
        for event in ("stream-started", "stream-stopped", "stream-error", "invented"):
            fields = {"CallSid": "C" * 99, "StreamError": "e" * 999}
            assert await desk.post("stream_status", StreamEvent=event, **fields) == 204
    known = ("stream-started", "stream-stopped", "stream-error", "other")
    assert desk.told == [("count", event) for event in known]
    told = [(one["event"], len(one["call_sid"]), len(one["error"])) for one in logs]
    assert told == [("carrier_stream_error", 34, 200)], "one line, of the failed one"
