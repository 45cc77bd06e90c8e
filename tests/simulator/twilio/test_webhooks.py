"""Twilio asks again as the connection overrides of an address say, and else hardly ever."""

from __future__ import annotations

import asyncio

import httpx2
import pytest
from http_end import http_end

from gateway.simulator.twilio.webhooks import (
    Account,
    GatewayAddress,
    Retries,
    WebhookFailed,
    Webhooks,
)

ACCOUNT = Account("AC" + "1" * 32, "token")
SAVING = "#rc=2&rp=all"


@pytest.mark.parametrize(
    ("fragment", "most", "after"),
    [
        ("", 1, {"ct"}),
        ("#rc=3", 3, {"ct"}),
        ("#rp=rt", 1, {"rt"}),
        ("#ct=2000&rc=2&rp=ct,5xx", 2, {"ct", "5xx"}),
        (SAVING, 2, {"ct", "rt", "4xx", "5xx"}),
        ("#rc=99", 5, {"ct"}),
        ("#rc=0", 0, {"ct"}),
    ],
)
def test_what_an_address_says_of_retries(fragment: str, most: int, after: set[str]) -> None:
    retries = Retries.of(f"https://gw.example.com/twilio/after?leg=stream{fragment}")
    assert (retries.most, retries.after) == (most, after)


class Dying:
    """Server that closes so many connections without an answer."""

    def __init__(self, deaths: int) -> None:
        self.deaths, self.tokens = deaths, list[bytes]()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line = next(one for one in head.lower().split(b"\r\n") if b"idempotency" in one)
        self.tokens.append(line)
        assert b"#" not in head.split(b"\r\n")[0]
        if len(self.tokens) > self.deaths:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()
        writer.close()


async def asked(deaths: int, fragment: str) -> tuple[Dying, str]:
    """Return the server, and what came of the request."""
    dying = Dying(deaths)
    server = await asyncio.start_server(dying.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, httpx2.AsyncClient(trust_env=False, verify=False) as client:
        webhooks = Webhooks(ACCOUNT, GatewayAddress(url, url), client)
        try:
            answer = (await webhooks.request(f"{url}/twilio/after{fragment}", {"A": "b"})).text
        except WebhookFailed as failure:
            answer = failure.problem
    return dying, answer


async def test_who_dies_with_the_question_is_not_asked_again_by_default() -> None:
    dying, answer = await asked(1, "")
    assert (len(dying.tokens), "RemoteProtocolError" in answer) == (1, True)


async def test_but_where_the_address_asks_for_it() -> None:
    dying, answer = await asked(2, SAVING)
    assert answer == "ok"
    assert len(dying.tokens) == 3
    assert len(set(dying.tokens)) == 1, "each retry has the same token"


async def test_and_not_for_ever() -> None:
    dying, answer = await asked(9, SAVING)
    assert (len(dying.tokens), "RemoteProtocolError" in answer) == (3, True)


@pytest.mark.parametrize(
    ("status", "fragment", "times"),
    [(503, "", 1), (503, SAVING, 3), (503, "#rc=1&rp=5xx", 2), (404, "#rc=1&rp=5xx", 1)],
)
async def test_answers_that_are_no_success(status: int, fragment: str, times: int) -> None:
    async with http_end() as end, httpx2.AsyncClient(trust_env=False, verify=False) as client:
        end.answers["/twilio/after"] = (status, {}, b"")
        webhooks = Webhooks(ACCOUNT, GatewayAddress(end.url, end.url), client)
        with pytest.raises(WebhookFailed, match=f"answered {status}"):
            await webhooks.request(f"{end.url}/twilio/after{fragment}", {})
        assert len(end.seen) == times
