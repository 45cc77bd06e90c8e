"""What is asked of Twilio's REST, how often, and what each answer means."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from far_end import FarEnd, far_end
from running_gateway import ACCOUNT, NOWHERE
from twilio_rest_double import rest_desk

from gateway.errors import LinkError
from gateway.transports.twilio_rest import TwilioRest

SID = "QU" + "a" * 32


@pytest.mark.parametrize("status", [204, 404])
async def test_it_is_gone(status: int) -> None:
    async with rest_desk((status, None)) as desk:
        client = TwilioRest(desk.url, ACCOUNT, "12345")
        await client.delete_queue(SID)
        assert desk.asked == [(f"DELETE /2010-04-01/Accounts/{ACCOUNT}/Queues/{SID}.json", {})]
        await client.close()


@pytest.mark.parametrize(
    ("answer", "reason"), [((400, 20001), "twilio_20001"), ((500, None), "http_500")]
)
async def test_it_is_not(answer: tuple[int, int | None], reason: str) -> None:
    async with rest_desk(answer) as desk:
        client = TwilioRest(desk.url, ACCOUNT, "12345")
        with pytest.raises(LinkError, match=reason) as caught:
            await client.delete_queue(SID)
        assert not caught.value.retryable
        assert len(desk.asked) == 1
        await client.close()


async def test_twilio_is_not_there() -> None:
    client = TwilioRest(NOWHERE, ACCOUNT, "12345")
    with pytest.raises(LinkError) as caught:
        await client.delete_queue(SID)
    assert caught.value.retryable
    await client.close()


# --- Orders to a call, and texts ---

CALL, SMS = "CA" + "b" * 32, ("+15550100", "+15550199", "Hello.")
ROOT = f"/2010-04-01/Accounts/{ACCOUNT}"
ORDERS: dict[str, tuple[Callable[[TwilioRest], Awaitable[object]], str, dict[str, list[str]]]] = {
    "hang up": (
        lambda r: r.hang_up(CALL),
        f"POST {ROOT}/Calls/{CALL}.json",
        {"Status": ["completed"]},
    ),
    "redirect": (
        lambda r: r.redirect(CALL, "<Response/>"),
        f"POST {ROOT}/Calls/{CALL}.json",
        {"Twiml": ["<Response/>"]},
    ),
    "redirect to": (
        lambda r: r.redirect_to(CALL, "https://gw/after"),
        f"POST {ROOT}/Calls/{CALL}.json",
        {"Url": ["https://gw/after"], "Method": ["POST"]},
    ),
    "cancel": (
        lambda r: r.cancel(CALL),
        f"POST {ROOT}/Calls/{CALL}.json",
        {"Status": ["canceled"]},
    ),
    "send a text": (
        lambda r: r.send_text(*SMS),
        f"POST {ROOT}/Messages.json",
        {"From": ["+15550100"], "To": ["+15550199"], "Body": ["Hello."]},
    ),
    "dial": (
        lambda r: r.dial({"To": "+15550199"}),
        f"POST {ROOT}/Calls.json",
        {"To": ["+15550199"]},
    ),
}


@contextlib.asynccontextmanager
async def client_of(url: str) -> AsyncIterator[TwilioRest]:
    client = TwilioRest(url, ACCOUNT, "12345")
    try:
        yield client
    finally:
        await client.close()


@pytest.mark.parametrize(("order", "path", "form"), ORDERS.values(), ids=ORDERS)
async def test_what_is_asked(
    order: Callable[[TwilioRest], Awaitable[object]], path: str, form: dict[str, list[str]]
) -> None:
    async with rest_desk((201, None)) as desk, client_of(desk.url) as client:
        await order(client)
        assert desk.asked == [(path, form)]
        assert desk.credentials == {f"{ACCOUNT}:12345"}


@pytest.mark.parametrize(("order", "path", "form"), ORDERS.values(), ids=ORDERS)
async def test_what_was_too_fast_is_asked_again(
    order: Callable[[TwilioRest], Awaitable[object]], path: str, form: dict[str, list[str]]
) -> None:
    async with rest_desk((429, None), (201, None)) as desk, client_of(desk.url) as client:
        await order(client)
        assert desk.asked == [(path, form)] * 2


ONCE = {
    # order, Twilio's answer, and the reason
    "hang up": ("hang up", (400, 20001), "http_400"),
    "redirect": ("redirect", (400, 21220), "http_400"),
    "redirect of one that is gone": ("redirect", (404, 20404), "http_404"),
    "redirect to": ("redirect to", (404, 20404), "http_404"),
    "text to one who opted out": ("send a text", (400, 21610), "twilio_21610"),
    "text that Twilio may have taken": ("send a text", (500, None), "http_500"),
    "dial a number that is none": ("dial", (400, 21211), "twilio_21211"),
    "dial that Twilio may have placed": ("dial", (500, 20500), "unknown"),
}


@pytest.mark.parametrize(("name", "answer", "reason"), ONCE.values(), ids=ONCE)
async def test_what_is_not_asked_again(
    name: str, answer: tuple[int, int | None], reason: str
) -> None:
    async with rest_desk(answer) as desk, client_of(desk.url) as client:
        with pytest.raises(LinkError, match=f"^{reason}$") as caught:
            await ORDERS[name][0](client)
        assert not caught.value.retryable
        assert len(desk.asked) == 1


@pytest.mark.parametrize("answer", [(404, None), (404, 20404), (400, 21220)])
async def test_a_call_that_has_ended_needs_no_hang_up(answer: tuple[int, int | None]) -> None:
    async with rest_desk(answer) as desk, client_of(desk.url) as client:
        await client.hang_up(CALL)
        assert len(desk.asked) == 1


async def test_an_update_that_failed_at_twilio_is_asked_again() -> None:
    async with rest_desk((500, None), (200, None)) as desk, client_of(desk.url) as client:
        await client.hang_up(CALL)
        assert len(desk.asked) == 2


async def test_a_call_that_was_answered_meanwhile_is_hung_up() -> None:
    async with rest_desk((400, 21220), (200, None)) as desk, client_of(desk.url) as client:
        await client.cancel(CALL)
        assert [form["Status"] for _, form in desk.asked] == [["canceled"], ["completed"]]


UNSURE = {
    "no JSON": b"<html>",
    "a list": b"[]",
    "no sid": b"{}",
    "a short sid": b'{"sid": "CA12"}',
    "another sid": b'{"sid": "QU' + b"a" * 32 + b'"}',
}


@contextlib.asynccontextmanager
async def answering(status: int, body: bytes) -> AsyncIterator[tuple[TwilioRest, list[str]]]:
    """Twilio with one answer to everything."""
    asked: list[str] = []

    async def behave(end: FarEnd) -> None:
        await end.request()
        await end.body()
        asked.append(end.request_line)
        end.respond(status, body)
        await end.gone()

    async with far_end(behave) as url, client_of(url.replace("ws:", "http:")) as client:
        yield client, asked


@pytest.mark.parametrize("body", UNSURE.values(), ids=UNSURE)
async def test_a_call_whose_sid_cannot_be_read_may_have_been_placed(body: bytes) -> None:
    async with answering(201, body) as (client, asked):
        with pytest.raises(LinkError, match=r"^unknown$") as caught:
            await client.dial({"To": "+15550199"})
        assert (caught.value.retryable, len(asked)) == (False, 1)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"code": null}'])
async def test_a_refusal_that_cannot_be_read_has_its_status(body: bytes) -> None:
    async with answering(400, body) as (client, _):
        with pytest.raises(LinkError, match=r"^http_400$"):
            await client.send_text(*SMS)
        with pytest.raises(LinkError, match=r"^http_400$"):
            await client.hang_up(CALL)


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        (200, b'{"status": "busy"}', "busy"),
        (200, b"{}", ""),
        (200, b"[]", ""),
        (200, b"<html>", ""),
        (404, b'{"status": "busy"}', ""),
    ],
)
async def test_the_status_of_a_call(status: int, body: bytes, found: str) -> None:
    async with answering(status, body) as (client, asked):
        assert await client.status(CALL) == found
        assert asked == [f"GET {ROOT}/Calls/{CALL}.json HTTP/1.1"]


async def test_a_twilio_that_hangs_up_may_have_taken_it() -> None:
    asked: list[str] = []

    async def behave(end: FarEnd) -> None:
        await end.request()
        asked.append(end.request_line)

    async with far_end(behave) as url, client_of(url.replace("ws:", "http:")) as client:
        for order, reason in (
            ("send a text", "(ReadError|RemoteProtocolError)"),
            ("dial", "unknown"),
        ):
            with pytest.raises(LinkError, match=f"^{reason}$") as caught:
                await ORDERS[order][0](client)
            assert not caught.value.retryable
        assert len(asked) == 2
        assert await client.status(CALL) == ""


async def test_what_never_reached_twilio_may_be_asked_for_again() -> None:
    async def asked(name: str) -> bool:
        with pytest.raises(LinkError) as caught:
            await ORDERS[name][0](client)
        return caught.value.retryable

    async with client_of(NOWHERE) as client:
        assert await asyncio.gather(*map(asked, ORDERS)) == [True] * len(ORDERS)


async def test_no_redirect_is_followed_with_our_credentials() -> None:
    asked: list[str] = []

    async def behave(end: FarEnd) -> None:
        await end.request()
        await end.body()
        asked.append(end.request_line)
        end.send(b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
        await end.gone()

    async with far_end(behave) as url, client_of(url.replace("ws:", "http:")) as client:
        with pytest.raises(LinkError, match="http_307"):
            await client.hang_up(CALL)
    assert asked == [f"POST {ROOT}/Calls/{CALL}.json HTTP/1.1"]


async def test_the_client_is_closed() -> None:
    client = TwilioRest(NOWHERE, ACCOUNT, "12345")
    await client.close()
    with pytest.raises(RuntimeError, match="closed"):
        await client.delete_queue(SID)
