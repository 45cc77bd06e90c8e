"""Media of messages: where redirects may lead, and that nothing of them is left."""

from __future__ import annotations

import asyncio
from base64 import b64encode

import pytest
from http_end import HttpEnd, http_end
from running_gateway import ACCOUNT

from gateway import limits
from gateway.errors import PeerError
from gateway.transports.twilio_media import TwilioMedia

PATH = f"/2010-04-01/Accounts/{ACCOUNT}/Messages/MM{'1' * 32}/Media/ME{'2' * 32}"


async def fetched(end: HttpEnd) -> bytes:
    client = TwilioMedia(end.url, ACCOUNT, "12345", first_pause_s=0.001)
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
        ours = b64encode(f"{ACCOUNT}:12345".encode()).decode()
        assert {seen.headers["authorization"] for seen in end.seen} == {f"Basic {ours}"}


async def test_redirects_in_a_circle_come_to_an_end() -> None:
    async with http_end() as end:
        end.answers[PATH] = (307, {"Location": PATH}, b"")
        with pytest.raises(PeerError) as refused:
            await fetched(end)
        assert refused.value.kind == "foreign_url"
        assert len(end.seen) == limits.messages.MEDIA_REDIRECTS_MAX + 1


@pytest.mark.parametrize(
    "location",
    [
        *("http://127.0.0.1:9/x", "ftp://127.0.0.1/x", "https:"),
        *("https://a:b@127.0.0.1:9/x", "https://a@127.0.0.1:9/x", "https://:b@127.0.0.1:9/x"),
    ],
)
async def test_no_redirect_leads_to_an_address_that_is_not_secure(location: str) -> None:
    async with http_end() as end:
        end.answers[PATH] = (307, {"Location": location}, b"")
        with pytest.raises(PeerError) as refused:
            await fetched(end)
        assert refused.value.kind == "foreign_url"
        assert len(end.seen) == 1


@pytest.mark.parametrize(
    "url",
    [
        *(f"http://127.0.0.1:9{PATH}{more}" for more in ("?a=1", "#a", "/more")),
        f"http://127.0.0.1:9{PATH.replace(ACCOUNT, 'AC' + '9' * 32)}",
        f"http://127.0.0.2:9{PATH}",
        f"http://127.0.0.1:10{PATH}",
        f"https://127.0.0.1:9{PATH}",
        f"http://a@127.0.0.1:9{PATH}",
        f"http://:b@127.0.0.1:9{PATH}",
        f"http://127.0.0.1:none{PATH}",
        PATH,
    ],
)
async def test_an_address_that_is_none_of_a_medium_is_not_asked(url: str) -> None:
    client = TwilioMedia("http://127.0.0.1:9", ACCOUNT, "12345")
    with pytest.raises(PeerError) as refused:
        await client.fetch(url, lambda _: None)
    assert refused.value.kind == "foreign_url"
    await client.close()


@pytest.mark.parametrize(
    ("base_url", "port"), [("http://127.0.0.1", 80), ("https://127.0.0.1", 443)]
)
async def test_an_address_may_name_the_port_that_is_usual(base_url: str, port: int) -> None:
    client = TwilioMedia(base_url, ACCOUNT, "12345", first_pause_s=0.001)
    with pytest.raises(PeerError) as refused:
        await client.fetch(f"{base_url}:{port}{PATH}", lambda _: None)
    assert refused.value.kind == "unreachable"
    await client.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_every_kind_of_redirect_is_followed(status: int) -> None:
    async with http_end() as end:
        end.answers[PATH] = (status, {"Location": "/a"}, b"")
        end.answers["/a"] = (200, {}, b"jpeg")
        assert await fetched(end) == b"jpeg"


@pytest.mark.parametrize(
    ("status", "tries"),
    [
        *((status, limits.messages.MEDIA_TRIES) for status in (404, 429, 500, 502, 503, 504)),
        *((status, 1) for status in (201, 204, 300, 304, 400, 401, 403, 410, 501)),
    ],
)
async def test_a_medium_may_come_later_than_its_message(status: int, tries: int) -> None:
    """It is asked for again only where another answer can be hoped for."""
    async with http_end() as end:
        end.answers[PATH] = (status, {}, b"")
        with pytest.raises(PeerError) as refused:
            await fetched(end)
        assert refused.value.kind == "unreachable"
        assert len(end.seen) == tries


async def test_a_medium_up_to_the_bound_is_fetched_and_no_larger_one() -> None:
    bound = limits.images.IMAGE_BODY_MAX_BYTES
    async with http_end() as end:
        end.answers[PATH] = (200, {}, b"x" * bound)
        assert len(await fetched(end)) == bound
        end.answers[PATH] = (200, {}, b"x" * (bound + 1))
        with pytest.raises(PeerError) as refused:
            await fetched(end)
        assert refused.value.kind == "too_large"


async def test_the_client_is_closed() -> None:
    client = TwilioMedia("http://127.0.0.1:9", ACCOUNT, "12345")
    await client.close()
    with pytest.raises(RuntimeError, match="closed"):
        await client.fetch(f"http://127.0.0.1:9{PATH}", lambda _: None)
