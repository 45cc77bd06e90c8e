"""Media of messages: where redirects may lead, and that nothing of them is left."""

from __future__ import annotations

import asyncio

import pytest
from http_end import HttpEnd, http_end
from running_gateway import ACCOUNT

from gateway import limits
from gateway.errors import PeerError
from gateway.transports.twilio_media import TwilioMedia

PATH = f"/2010-04-01/Accounts/{ACCOUNT}/Messages/MM{'1' * 32}/Media/ME{'2' * 32}"


async def fetched(end: HttpEnd) -> bytes:
    client = TwilioMedia(end.url, ACCOUNT, "12345")
    try:
        return await client.fetch(end.url + PATH, lambda _: None)
    finally:
        await client.close()


async def test_redirects_are_followed_and_leave_no_connection_open() -> None:
    """Or the pool would have none left after some dozens of pictures."""
    async with http_end() as end:
        end.answers[PATH] = (307, {"Location": "/a"}, b"")
        end.answers["/a"] = (302, {"Location": "/b"}, b"moved")
        end.answers["/b"] = (200, {"Content-Type": "image/jpeg"}, b"jpeg")
        client = TwilioMedia(end.url, ACCOUNT, "12345")
        sizes: list[int] = []
        assert await client.fetch(end.url + PATH, sizes.append) == b"jpeg"
        async with asyncio.timeout(10):
            while len(end.connections) > 1:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.001)
        await client.close()
        assert sizes == [4]
        assert [seen.raw_path for seen in end.seen] == [PATH, "/a", "/b"]
        assert all(seen.headers["accept-encoding"] == "identity" for seen in end.seen)


async def test_redirects_in_a_circle_come_to_an_end() -> None:
    async with http_end() as end:
        end.answers[PATH] = (307, {"Location": PATH}, b"")
        with pytest.raises(PeerError) as refused:
            await fetched(end)
        assert refused.value.kind == "foreign_url"
        assert len(end.seen) == limits.messages.MEDIA_REDIRECTS_MAX + 1


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:9/x", "ftp://127.0.0.1/x", "https://a:b@example.com/x", "https:"]
)
async def test_no_redirect_leads_to_an_address_that_is_not_secure(location: str) -> None:
    async with http_end() as end:
        end.answers[PATH] = (307, {"Location": location}, b"")
        with pytest.raises(PeerError) as refused:
            await fetched(end)
        assert refused.value.kind == "foreign_url"
        assert len(end.seen) == 1


@pytest.mark.parametrize("more", ["?a=1", "#a", "/more"])
async def test_an_address_that_is_none_of_a_medium_is_not_asked(more: str) -> None:
    client = TwilioMedia("http://127.0.0.1:9", ACCOUNT, "12345")
    with pytest.raises(PeerError) as refused:
        await client.fetch(f"http://127.0.0.1:9{PATH}{more}", lambda _: None)
    assert refused.value.kind == "foreign_url"
    await client.close()
