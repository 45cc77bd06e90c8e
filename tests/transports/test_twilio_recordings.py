"""Recordings at Twilio: fetched to a file, deleted, paused; from our account's address only."""

from __future__ import annotations

from pathlib import Path

import pytest
from far_end import FarEnd, far_end
from running_gateway import ACCOUNT, NOWHERE
from twilio_rest_double import rest_desk

from gateway.errors import LinkError
from gateway.transports.twilio_recordings import TwilioRecordings

SID = "RE" + "a" * 32
CALL = "CA" + "b" * 32
BASE = f"/2010-04-01/Accounts/{ACCOUNT}"


async def test_a_recording_is_fetched_with_a_channel_for_each_leg(tmp_path: Path) -> None:
    asked: list[str] = []

    async def answer(end: FarEnd) -> None:
        await end.request()
        asked.append(end.request_line)
        end.respond(200, b"RIFF-WAVE", "audio/x-wav")

    async with far_end(answer) as url:
        client = TwilioRecordings(url, ACCOUNT, "12345")
        await client.fetch(SID, tmp_path / "file")
        await client.close()
    assert (tmp_path / "file").read_bytes() == b"RIFF-WAVE"
    assert asked[0].startswith(f"GET {BASE}/Recordings/{SID}.wav?RequestedChannels=2 ")


async def test_one_that_is_not_there_yet_is_asked_for_again_later(tmp_path: Path) -> None:
    async def answer(end: FarEnd) -> None:
        await end.request()
        end.respond(404)

    async with far_end(answer) as url:
        client = TwilioRecordings(url, ACCOUNT, "12345")
        with pytest.raises(LinkError, match="http_404") as failed:
            await client.fetch(SID, tmp_path / "file")
        assert failed.value.retryable
        await client.close()


async def test_a_recording_up_to_the_bound_is_fetched_and_no_larger_one(tmp_path: Path) -> None:
    """It would be fetched again and again otherwise, and fill the disk each time."""

    async def answer(end: FarEnd) -> None:
        await end.request()
        end.respond(200, b"x" * 100, "audio/x-wav")

    async with far_end(answer) as url:
        client = TwilioRecordings(url, ACCOUNT, "12345", file_max_bytes=100)
        await client.fetch(SID, tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == b"x" * 100
        await client.close()
        client = TwilioRecordings(url, ACCOUNT, "12345", file_max_bytes=99)
        with pytest.raises(LinkError, match="too_large") as failed:
            await client.fetch(SID, tmp_path / "file")
        assert not failed.value.retryable
        await client.close()


async def test_no_redirect_is_followed_with_our_credentials(tmp_path: Path) -> None:
    asked: list[str] = []

    async def answer(end: FarEnd) -> None:
        await end.request()
        asked.append(end.request_line)
        end.send(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
        await end.gone()

    async with far_end(answer) as url:
        client = TwilioRecordings(url, ACCOUNT, "12345")
        with pytest.raises(LinkError, match="http_302"):
            await client.fetch(SID, tmp_path / "file")
        await client.close()
    assert len(asked) == 1


@pytest.mark.parametrize(("status", "retryable"), [(404, False), (499, False), (500, True)])
async def test_a_pause_that_was_refused_is_a_fault_of_the_one_or_the_other(
    status: int, retryable: bool
) -> None:
    async with rest_desk((status, None)) as desk:
        client = TwilioRecordings(desk.url, ACCOUNT, "12345")
        with pytest.raises(LinkError, match=f"http_{status}") as failed:
            await client.pause(CALL, paused=True)
        assert failed.value.retryable == retryable
        await client.close()


@pytest.mark.parametrize("status", [204, 404])
async def test_it_is_deleted_or_was(status: int) -> None:
    async with rest_desk((status, None)) as desk:
        client = TwilioRecordings(desk.url, ACCOUNT, "12345")
        await client.delete(SID)
        assert desk.asked == [(f"DELETE {BASE}/Recordings/{SID}.json", {})]
        await client.close()


async def test_the_recording_that_runs_is_paused_with_silence() -> None:
    async with rest_desk((200, None)) as desk:
        client = TwilioRecordings(desk.url, ACCOUNT, "12345")
        await client.pause(CALL, paused=True)
        await client.pause(CALL, paused=False)
        path = f"POST {BASE}/Calls/{CALL}/Recordings/Twilio.CURRENT.json"
        assert desk.asked == [
            (path, {"Status": ["paused"], "PauseBehavior": ["silence"]}),
            (path, {"Status": ["in-progress"]}),
        ]
        await client.close()


async def test_refusals_and_a_far_end_that_is_away(tmp_path: Path) -> None:
    async with rest_desk((500, None)) as desk:
        client = TwilioRecordings(desk.url, ACCOUNT, "12345")
        with pytest.raises(LinkError, match="http_500") as refused:
            await client.delete(SID)
        assert refused.value.retryable
        with pytest.raises(LinkError, match="http_500"):
            await client.pause(CALL, paused=True)
        await client.close()
    client = TwilioRecordings(NOWHERE, ACCOUNT, "12345")
    for work in (
        client.delete(SID),
        client.pause(CALL, paused=True),
        client.fetch(SID, tmp_path / "f"),
    ):
        with pytest.raises(LinkError) as failed:
            await work
        assert failed.value.retryable
    await client.close()


async def test_the_client_is_closed() -> None:
    client = TwilioRecordings(NOWHERE, ACCOUNT, "12345")
    await client.close()
    with pytest.raises(RuntimeError, match="closed"):
        await client.delete(SID)
