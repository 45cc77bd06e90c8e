"""A queue is deleted once: it is tidying, and nobody waits for it."""

from __future__ import annotations

import pytest
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
        with pytest.raises(LinkError, match=reason):
            await client.delete_queue(SID)
        assert len(desk.asked) == 1
        await client.close()


async def test_twilio_is_not_there() -> None:
    client = TwilioRest(NOWHERE, ACCOUNT, "12345")
    with pytest.raises(LinkError):
        await client.delete_queue(SID)
    await client.close()
