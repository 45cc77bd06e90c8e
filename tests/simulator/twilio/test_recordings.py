"""The Recordings resource of the simulated carrier."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from gateway.simulator.twilio import recordings
from gateway.simulator.twilio.api_error import TwilioApiError
from gateway.simulator.twilio.dial_recording import DialRecording
from gateway.simulator.twilio.line import TelephoneLine

ACCOUNT = "/2010-04-01/Accounts/AC1"


async def refuse(_request: Request, error: Exception) -> object:
    assert isinstance(error, TwilioApiError)
    return error.response()


@pytest.fixture
def recording() -> DialRecording:
    line = TelephoneLine(lambda: 1.0)
    line.answer()
    return DialRecording(line, True, "", frozenset())


@pytest.fixture
async def client(recording: DialRecording) -> AsyncIterator[httpx2.AsyncClient]:
    routes = recordings.routes(lambda _: None, lambda: [("CA1", recording)])
    app = Starlette(routes=routes, exception_handlers={TwilioApiError: refuse})
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://twilio") as client:
        yield client


async def test_a_recording_that_runs_is_paused_and_cannot_be_fetched(
    client: httpx2.AsyncClient, recording: DialRecording
) -> None:
    running = f"{ACCOUNT}/Calls/CA1/Recordings/Twilio.CURRENT.json"
    paused = {"Status": "paused", "PauseBehavior": "silence"}
    assert (await client.post(running, data=paused)).status_code == 404  # nobody has answered
    recording.begin()
    assert (await client.get(f"{ACCOUNT}/Recordings/{recording.sid}.wav")).status_code == 404
    assert (await client.post(running, data=paused)).json()["status"] == "paused"
    assert (await client.post(running, data={"Status": "stop"})).status_code == 400
    assert (await client.post(running, data={"Status": "in-progress"})).status_code == 200


async def test_one_that_has_ended_is_fetched_and_deleted_once(
    client: httpx2.AsyncClient, recording: DialRecording
) -> None:
    recording.begin()
    recording.end()
    path = f"{ACCOUNT}/Recordings/{recording.sid}"
    sound = await client.get(f"{path}.wav", params={"RequestedChannels": "2"})
    assert sound.content.startswith(b"RIFF")
    assert (await client.get(f"{path}.wav", params={"RequestedChannels": "3"})).status_code == 400
    assert [(await client.delete(f"{path}.json")).status_code for _ in range(2)] == [204, 404]
