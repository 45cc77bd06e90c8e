"""A text is sent once: tried again only where Twilio cannot have taken it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from running_gateway import ACCOUNT, NOWHERE
from twilio_rest_double import RestDesk, rest_desk

from gateway.errors import LinkError
from gateway.transports.twilio_rest import TwilioRest

TEXT = ("+15550100", "+15550199", "Größe 38: https://gw.example.com/photo/x")
FORM = {"From": [TEXT[0]], "To": [TEXT[1]], "Body": [TEXT[2]]}


@asynccontextmanager
async def rest(*answers: tuple[int, int | None]) -> AsyncIterator[tuple[TwilioRest, RestDesk]]:
    async with rest_desk(*answers) as desk:
        client = TwilioRest(desk.url, ACCOUNT, "12345")
        yield client, desk
        await client.close()


async def test_a_text_as_twilio_wants_it() -> None:
    async with rest((201, None)) as (client, desk):
        await client.send_text(*TEXT)
        assert desk.asked == [(f"POST /2010-04-01/Accounts/{ACCOUNT}/Messages.json", FORM)]
        assert desk.credentials == {f"{ACCOUNT}:12345"}


async def test_too_many_requests_are_waited_for() -> None:
    async with rest((429, 20429), (201, None)) as (client, desk):
        await client.send_text(*TEXT)
        assert len(desk.asked) == 2


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [(400, 21610, "twilio_21610"), (400, None, "http_400"), (500, None, "http_500")],
)
async def test_what_may_have_been_taken_is_not_sent_twice(
    status: int, code: int | None, reason: str
) -> None:
    async with rest((status, code)) as (client, desk):
        with pytest.raises(LinkError) as caught:
            await client.send_text(*TEXT)
        assert caught.value.reason == reason
        assert len(desk.asked) == 1


async def test_nobody_there() -> None:
    client = TwilioRest(NOWHERE, ACCOUNT, "12345")
    with pytest.raises(LinkError) as caught:
        await client.send_text(*TEXT)
    assert caught.value.retryable
    await client.close()
