"""Texts and photos to our number, while somebody talks there and while nobody does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from gateway_calls import CALLER, QUIET, RECEPTION, Stream, new_sid
from media_store import MediaStore, media_store
from pictures import GPS_INFO, HEIC, ORIENTATION, PDF, bomb, opened, photo
from running_gateway import ACCOUNT, GatewayRig, running_gateway
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from gateway import limits
from gateway.agents.texts.written import written_texts
from gateway.call import events
from gateway.simulator.openai.main import ModelServer

CREDENTIALS = f"{ACCOUNT}:12345"


@pytest.fixture
async def store() -> AsyncIterator[MediaStore]:
    async with media_store(ACCOUNT) as running:
        yield running


@pytest.fixture
async def home(
    agents_file: Path, model: ModelServer, store: MediaStore
) -> AsyncIterator[GatewayRig]:
    async with running_gateway(agents_file, model, TWILIO_BASE_URL=store.url) as rig:
        yield rig


@asynccontextmanager
async def talking(rig: GatewayRig, to: str = QUIET) -> AsyncIterator[Stream]:
    """A caller who says nothing, and stays."""
    async with rig.carrier.call(to) as stream, stream.breathing():
        yield stream


def fields(*urls: str, text: str = "", sender: str = CALLER, to: str = QUIET) -> dict[str, str]:
    media = {f"MediaUrl{n}": url for n, url in enumerate(urls)}
    kinds = {f"MediaContentType{n}": "image/jpeg" for n in range(len(urls))}
    sid = new_sid("MM")
    return {
        "MessageSid": sid,
        "SmsSid": sid,
        "AccountSid": ACCOUNT,
        "From": sender,
        "To": to,
        "Body": text,
        "NumMedia": str(len(urls)),
        "NumSegments": "1",
        **media,
        **kinds,
    }


async def post(rig: GatewayRig, *urls: str, **more: str) -> str:
    response = await rig.carrier.post("/twilio/messages", fields(*urls, **more))
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/xml")
    return response.text


def shown_by(model: ModelServer) -> list[list[dict[str, Any]]]:
    """The contents of the caller's items, as the model has them."""
    (driver,) = model.drivers.values()
    items = driver.session._responder.conversation.items
    return [
        item.body["content"]
        for item in items
        if item.kind == "user" and item.body["content"][0]["type"] != "input_audio"
    ]


async def fate(rig: GatewayRig, outcome: str, count: int = 1, source: str = "message") -> None:
    async with asyncio.timeout(30):
        while await rig.metric("images_total", source=source, outcome=outcome) < count:  # noqa: ASYNC110 - a counter tells nobody
            await asyncio.sleep(0.01)


# --- In a call ---


async def test_a_photo_reaches_the_model_upright_small_and_without_its_place(
    home: GatewayRig, model: ModelServer, store: MediaStore
) -> None:
    async with talking(home) as stream:
        await home.note(events.ModelReady)
        url = store.keeps(photo(3000, 2000))
        assert "<Message" not in await post(home, url, text="The broken part")
        await home.note(events.PictureSent, of=stream.call_sid)
        said = await home.note(events.TranscriptLine, 2)
        picture, text = shown_by(model)
    assert said.who == "model"
    assert picture[0]["text"] == "The caller sent this picture by text message, during the call."
    seen = opened(picture[1]["image_url"])
    assert seen.size == (683, 1024), "turned by its EXIF, and no longer than 1,024"
    assert not seen.getexif().get(ORIENTATION)
    assert not seen.getexif().get_ifd(GPS_INFO)
    assert len(picture[1]["image_url"]) < limits.images.IMAGE_SENT_MAX_BYTES * 4 / 3 + 100
    assert '"The broken part"' in text[0]["text"]
    assert store.asked[-1][1] == CREDENTIALS
    assert await home.metric("webhooks_total", endpoint="messages", result="ok") == 1


async def test_several_photos_are_answered_once(
    home: GatewayRig, model: ModelServer, store: MediaStore
) -> None:
    async with talking(home):
        await home.note(events.ModelReady)
        kinds = ("JPEG", "PNG", "WEBP")
        await post(home, *(store.keeps(photo(kind=kind)) for kind in kinds))
        await home.note(events.PictureSent, 3)
        await home.note(events.UsageCounted)
        assert len(shown_by(model)) == 3
        assert len(model.journal.of("response")) <= 1
        usage = home.said(events.UsageCounted)[0].usage
        assert usage.input_token_details is not None
        assert usage.input_token_details.image_tokens > 0
        cost = await home.metric(
            "cost_usd_total", agent="quiet", model="gpt-realtime-2.1", kind="image_in"
        )
        assert cost > 0


async def test_words_alone_reach_the_model_too(home: GatewayRig, model: ModelServer) -> None:
    async with talking(home):
        await home.note(events.ModelReady)
        await post(
            home,
            text="B as in Bravo, 4711 " + "x" * 5000,
            sender=f"whatsapp:{CALLER}",
            to=f"whatsapp:{QUIET}",
        )
        line = await home.note(events.TranscriptLine)
        assert (line.who, line.text[:20]) == ("caller", "B as in Bravo, 4711 ")
        await home.note(events.UsageCounted)
        ((words,),) = shown_by(model)
        assert words["text"].startswith("The caller wrote this in a text message")
        assert len(words["text"]) < 1700


async def test_the_webhook_is_answered_before_the_photo_is_here(
    home: GatewayRig, store: MediaStore
) -> None:
    let_go = asyncio.Event()

    async def slow(_request: Request) -> Response:
        await let_go.wait()
        return Response(photo())

    async with talking(home):
        await home.note(events.ModelReady)
        began = perf_counter()
        await post(home, store.keeps(slow))
        assert perf_counter() - began < 1
        assert home.said(events.PictureSent) == []
        let_go.set()
        await home.note(events.PictureSent)


async def test_a_retry_does_nothing_twice(home: GatewayRig, store: MediaStore) -> None:
    async with talking(home):
        await home.note(events.ModelReady)
        message = fields(store.keeps(photo()))
        for _ in range(3):
            again = {"I-Twilio-Idempotency-Token": "the same"}
            assert (await home.carrier.post("/twilio/messages", message, again)).is_success
        await home.note(events.PictureSent)
        await post(home, store.keeps(photo()))
        await home.note(events.PictureSent, 2)
        assert len(store.asked) == 2


async def test_another_pair_of_numbers_is_another_call(home: GatewayRig, store: MediaStore) -> None:
    async with talking(home), talking(home, RECEPTION) as reception:
        await home.note(events.ModelReady, 2)
        await post(home, store.keeps(photo()), to=RECEPTION)
        await home.note(events.PictureSent)
        assert len(home.said(events.PictureSent, reception.call_sid)) == 1
        assert "<Message>" in await post(home, store.keeps(photo()), sender="+14155550999")


@pytest.mark.parametrize(
    ("content", "outcome", "told"),
    [
        (PDF, "pdf", "a PDF document"),
        (HEIC, "heic", "HEIC format"),
        (bomb(), "too_many_pixels", "too many pixels"),
        (b"BEGIN:VCARD", "not_an_image", "not a JPEG, PNG or WebP"),
        (photo()[:300], "not_an_image", "not a JPEG, PNG or WebP"),
    ],
    ids=["pdf", "heic", "bomb", "vcard", "torn"],
)
async def test_what_cannot_be_seen_is_told_to_the_model(
    home: GatewayRig, model: ModelServer, store: MediaStore, content: bytes, outcome: str, told: str
) -> None:
    async with talking(home):
        await home.note(events.ModelReady)
        await post(home, store.keeps(content), store.keeps(photo()))
        await home.note(events.PictureSent)
        await home.note(events.UsageCounted)
        (driver,) = model.drivers.values()
        items = driver.session._responder.conversation.items
        (_, system) = [item.words()[0] for item in items if item.kind == "system"]
        assert told in system
    await fate(home, outcome)


async def test_fifty_megabytes_are_not_read(home: GatewayRig, store: MediaStore) -> None:
    sent = 0

    async def endless(_request: Request) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            nonlocal sent
            for _ in range(50 * 16):
                sent += 1 << 16
                await asyncio.sleep(0)
                yield b"\xff" * (1 << 16)

        return StreamingResponse(chunks())

    async with talking(home):
        await home.note(events.ModelReady)
        await post(home, store.keeps(endless))
        await fate(home, "too_large")
        # What the system takes for us beyond that is its own affair, and grows with its load.
        assert sent < limits.images.IMAGE_BODY_MAX_BYTES + (16 << 20)
        await post(home, store.keeps(b"\0" * (50 << 20)))
        await fate(home, "too_large", 2)


async def test_no_more_than_so_many_in_one_call(home: GatewayRig, store: MediaStore) -> None:
    async with talking(home):
        await home.note(events.ModelReady)
        url = store.keeps(photo(8, 8))
        for _ in range(limits.images.PICTURES_MAX // 10):
            await post(home, *[url] * 10)
        await fate(home, "shown", limits.images.PICTURES_MAX)
        await post(home, url)
        await fate(home, "too_many")


# --- Whose address it is ---


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/2010-04-01/Accounts/{ac}/Messages/MM{h}/Media/ME{h}",
        "http://api.twilio.com/2010-04-01/Accounts/{ac}/Messages/MM{h}/Media/ME{h}",
        "https://api.twilio.com.evil.example/2010-04-01/Accounts/{ac}/Messages/MM{h}/Media/ME{h}",
        "https://api.twilio.com@evil.example/2010-04-01/Accounts/{ac}/Messages/MM{h}/Media/ME{h}",
        "https://api.twilio.com:8443/2010-04-01/Accounts/{ac}/Messages/MM{h}/Media/ME{h}",
        "{base}/2010-04-01/Accounts/AC{h}/Messages/MM{h}/Media/ME{h}",
        "{base}/2010-04-01/Accounts/{ac}/Messages/MM{h}/Media/ME{h}/../../Calls.json",
        "{base}/2010-04-01/Accounts/{ac}/Messages/MM{h}/Media/ME{h}?x=y",
        "file:///etc/passwd",
        "http://[::1",
        "",
    ],
)
async def test_only_the_account_s_own_media_are_fetched(
    home: GatewayRig, store: MediaStore, url: str
) -> None:
    async with talking(home):
        await home.note(events.ModelReady)
        await post(home, url.format(ac=ACCOUNT, h="a" * 32, base=store.url))
        await fate(home, "foreign_url")
    assert store.asked == []


async def test_credentials_follow_a_redirect_at_home_only(
    home: GatewayRig, store: MediaStore
) -> None:
    bytes_at = store.has("/bytes", photo())

    async def home_again(_request: Request) -> Response:
        return RedirectResponse(bytes_at)

    async def to_plain_http(_request: Request) -> Response:
        return RedirectResponse("http://cdn.example/bytes")

    async with talking(home), media_store(ACCOUNT) as elsewhere:
        await home.note(events.ModelReady)
        await post(home, store.keeps(home_again))
        await home.note(events.PictureSent)
        assert store.asked[-1] == ("/bytes", CREDENTIALS)
        await post(home, store.keeps(to_plain_http))
        await fate(home, "foreign_url")
        there = elsewhere.has("/bytes", photo())

        async def to_another_port(_request: Request) -> Response:
            return RedirectResponse(there)

        await post(home, store.keeps(to_another_port))
        await fate(home, "foreign_url", 2)
        assert elsewhere.asked == []

        async def round_and_round(request: Request) -> Response:
            return RedirectResponse(str(request.url))

        await post(home, store.keeps(round_and_round))
        await fate(home, "foreign_url", 3)


async def test_media_that_are_not_there_yet_are_asked_for_again(
    home: GatewayRig, store: MediaStore
) -> None:
    tries = 0

    async def at_last(_request: Request) -> Response:
        nonlocal tries
        tries += 1
        return Response(photo()) if tries == 2 else Response(status_code=404)

    async with talking(home):
        await home.note(events.ModelReady)
        await post(home, store.keeps(at_last))
        await home.note(events.PictureSent)
        await post(home, store.keeps(b"", 403))
        await fate(home, "unreachable")


# --- In no call ---


async def test_who_is_not_on_the_telephone_gets_a_friendly_text_once(
    home: GatewayRig, store: MediaStore
) -> None:
    message = fields(store.keeps(photo()), to="+201112345678")
    first = (await home.carrier.post("/twilio/messages", message)).text
    assert written_texts("ar").no_call in first
    assert (await home.carrier.post("/twilio/messages", message)).text == first, "a retry"
    assert "<Message>" not in await post(home, text="Hello?", to="+201112345678")
    assert written_texts("en").no_call.split(".")[0] in await post(home, text="Hello?")
    assert store.asked == []
    assert await home.metric("images_total", source="message", outcome="no_call") == 1


async def test_a_call_that_ended_meanwhile(home: GatewayRig, store: MediaStore) -> None:
    let_go = asyncio.Event()

    async def slow(_request: Request) -> Response:
        await let_go.wait()
        return Response(photo())

    async with talking(home) as stream:
        await home.note(events.ModelReady)
        await post(home, store.keeps(slow))
        await stream.stop()
        await home.note(events.CallEnded)
    let_go.set()
    await fate(home, "too_late")


@pytest.mark.parametrize(
    "wrong",
    [
        {"MessageSid": "MM1"},
        {"From": ""},
        {"To": "x" * 300},
        {"NumMedia": "many"},
        {"NumMedia": "-1"},
    ],
)
async def test_what_is_no_message_is_refused(home: GatewayRig, wrong: dict[str, str]) -> None:
    response = await home.carrier.post("/twilio/messages", fields() | wrong)
    assert response.status_code == 400


async def test_only_twilio_can_send_a_message(home: GatewayRig) -> None:
    response = await home.client.post("/twilio/messages", data=fields())
    assert response.status_code == 403
