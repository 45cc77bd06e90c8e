"""Control of SIP calls: what its client tells in a log is nobody's number, and no instruction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest
import structlog
from far_end import FarEnd, far_end
from vendor import running_vendor

from gateway.errors import LinkError
from gateway.ops.telemetry import logs
from gateway.transports.openai_calls import OpenAICalls, refer_target

SESSION = {"type": "realtime", "model": "gpt-realtime-2.1", "instructions": "The safe is open."}


@pytest.fixture
def at_debug(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    logs.set_up("json", "debug")
    yield
    root.handlers[:], level = before
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.usefixtures("at_debug")
async def test_not_even_at_debug(capsys: pytest.CaptureFixture[str]) -> None:
    async with running_vendor() as vendor:
        calls = OpenAICalls(vendor.base_url, "sk-secret")
        line, _ = vendor.rings()
        await calls.accept(line.call_id, SESSION, 5.0)
        await calls.refer(line.call_id, refer_target("+15550199"))
        vendor.answers["hangup"].append(500)
        await calls.hang_up(line.call_id)
        await calls.close()
    logging.getLogger("gateway").debug("this is heard")
    told = capsys.readouterr().err
    assert "this is heard" in told
    for secret in ("The safe is open", "5550199", "sk-secret"):
        assert secret not in told


@pytest.mark.parametrize(
    ("to", "target"),
    [
        ("+15550199", "tel:+15550199"),
        ("sip:desk@example.com", "sip:desk@example.com"),
        ("sips:desk@example.com;transport=tls", "sips:desk@example.com;transport=tls"),
    ],
)
def test_refer_target(to: str, target: str) -> None:
    assert refer_target(to) == target


async def test_who_is_at_fault_is_told_apart() -> None:
    async with running_vendor() as vendor:
        calls = OpenAICalls(vendor.base_url, "sk-secret")
        for status, retryable in (
            (400, False),
            (404, False),
            (409, False),
            (429, True),
            (500, True),
        ):
            vendor.answers["reject"].append(status)
            with pytest.raises(LinkError) as failed:
                await calls.reject("rtc_1", 603, 5.0)
            assert (failed.value.reason, failed.value.retryable) == (f"http_{status}", retryable)
        assert len(vendor.of("reject")) == 5, "decided once"
        await calls.hang_up("rtc_1")  # 404: as good
        await calls.close()
    dead = OpenAICalls(vendor.base_url, "sk-secret")
    with pytest.raises(LinkError) as failed:
        await dead.accept("rtc_1", SESSION, 5.0)
    assert failed.value.retryable
    await dead.close()


async def test_what_was_not_answered_in_time_may_be_asked_for_again() -> None:
    async with running_vendor() as vendor:
        calls = OpenAICalls(vendor.base_url, "sk-secret")
        never = asyncio.Event()
        for verb in ("accept", "reject"):
            vendor.answers[verb].append(never)
        accept, reject = calls.accept("rtc_1", SESSION, 0.05), calls.reject("rtc_1", 603, 0.05)
        for asked in (accept, reject):
            with pytest.raises(LinkError) as failed:
                await asked
            assert (failed.value.reason, failed.value.retryable) == ("timeout", True)
        never.set()
        await calls.close()


@pytest.mark.parametrize("status", [408, 409, 429, 500])
async def test_a_transfer_is_asked_for_again_where_that_may_help(status: int) -> None:
    async with running_vendor() as vendor:
        calls = OpenAICalls(f"{vendor.base_url}/", "sk-secret")
        line, _ = vendor.rings()
        await calls.accept(line.call_id, SESSION, 5.0)
        vendor.answers["refer"].append(status)
        await calls.refer(line.call_id, "tel:+15550199")
        assert len(vendor.of("refer")) == 2
        await calls.close()


async def test_a_transfer_that_is_refused_is_not_asked_for_again() -> None:
    async with running_vendor() as vendor:
        calls = OpenAICalls(vendor.base_url, "sk-secret")
        vendor.answers["refer"].append(400)
        with pytest.raises(LinkError) as failed:
            await calls.refer("rtc_1", "tel:+15550199")
        assert (failed.value.reason, failed.value.retryable) == ("http_400", False)
        assert len(vendor.of("refer")) == 1
        await calls.close()


async def test_no_redirect_is_followed_with_our_key() -> None:
    asked: list[str] = []

    async def behave(end: FarEnd) -> None:
        await end.request()
        await end.body()
        asked.append(end.request_line)
        end.send(b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
        await end.gone()

    async with far_end(behave) as url:
        calls = OpenAICalls(url.replace("ws:", "http:"), "sk-secret")
        with pytest.raises(LinkError, match="http_307"):
            await calls.hang_up("rtc_1")
        await calls.close()
    assert asked == ["POST /realtime/calls/rtc_1/hangup HTTP/1.1"]


async def test_the_client_is_closed() -> None:
    calls = OpenAICalls("http://127.0.0.1:9", "sk-secret")
    await calls.close()
    with pytest.raises(RuntimeError, match="closed"):
        await calls.hang_up("rtc_1")
