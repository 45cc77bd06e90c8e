"""The link that a caller is texted, and its page: for that call only, until it ends."""

from __future__ import annotations

import asyncio
import contextlib
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import httpx2
import pytest
from gateway_calls import CALLER, RECEPTION, TOKEN, Stream, new_sid
from media_store import MediaStore, media_store
from pictures import GPS_INFO, PDF, opened, photo
from refusals import until_refused
from running_gateway import ACCOUNT, GatewayRig, running_gateway
from structlog.testing import capture_logs

from gateway import limits
from gateway.agents.texts.written import written_texts
from gateway.call import events, inputs
from gateway.call.call_info import CallInfo
from gateway.ops.limits.signed_tokens import PhotoTokens
from gateway.simulator.openai.main import ModelServer, running_model
from gateway.simulator.openai.realtime.script import Script
from gateway.tools.python import ToolContext
from gateway.tuning import Tuning

AGENTS = """
agents:
  desk:
    instructions: Ask for a photo.
    tools: [request_photo, send_text]
  accueil:
    language: fr-CA
    instructions: Demande une photo.
    tools: [request_photo]
  arabic:
    language: ar
    instructions: Ask for a photo.
    tools: [request_photo]
routes:
  - {to: "+15550100", agent: desk}
  - {to: "+15550101", agent: accueil}
  - {to: "+15550102", agent: arabic}
"""

TOO_LONG = limits.messages.TEXT_OUT_MAX_CHARS + 1


def encoded(data: bytes) -> str:
    return b64encode(data).decode()


JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture
async def store() -> AsyncIterator[MediaStore]:
    async with media_store(ACCOUNT) as running:
        yield running


NO_REFILL = Tuning(photo_clock=lambda: 0.0)


@pytest.fixture
async def home(tmp_path: Path, model: ModelServer, store: MediaStore) -> AsyncIterator[GatewayRig]:
    agents = tmp_path / "agents.yaml"
    agents.write_text(AGENTS)
    async with running_gateway(agents, model, NO_REFILL, TWILIO_BASE_URL=store.url) as rig:
        yield rig


def facts_of(rig: GatewayRig) -> CallInfo:
    return rig.gateway.registry.calls[-1].facts


async def tool(rig: GatewayRig, name: str, arguments: str = "{}") -> tuple[str, str]:
    """What the model gets when it calls this in the newest call: outcome, output."""
    call = rig.gateway.registry.calls[-1]
    facts = call.facts
    context = ToolContext(facts.call_sid, facts.caller, facts.dialled, facts.agent, facts.key)
    result = await call.agents.toolbox.run(name, arguments, context)
    return result.outcome, result.output


@asynccontextmanager
async def linked(
    rig: GatewayRig, store: MediaStore, to: str = RECEPTION
) -> AsyncIterator[tuple[Stream, str]]:
    """A call, and the path of the page that the caller was texted."""
    async with rig.carrier.call(to) as stream, stream.breathing():
        await rig.note(events.ModelReady)
        assert (await tool(rig, "request_photo"))[0] == "ok"
        found = re.search(r"https://gw\.example\.com(/photo/\S+)$", store.texts[-1]["Body"])
        assert found
        yield stream, found[1]


async def fate(rig: GatewayRig, source: str, outcome: str) -> float:
    return await rig.metric("images_total", source=source, outcome=outcome)


# --- The link ---


async def test_the_model_asks_and_the_caller_is_texted(store: MediaStore, tmp_path: Path) -> None:
    """From the model's function call to the text, and not a word of the link to the model."""
    agents = tmp_path / "agents.yaml"
    agents.write_text(AGENTS)
    plan = [{"call": {"name": "request_photo"}}]
    script = Script.model_validate({"speed": 500, "think_ms": 0, "after_image": plan})
    with capture_logs() as logs:
        async with (
            running_model(script) as model,
            running_gateway(agents, model, TWILIO_BASE_URL=store.url) as rig,
            rig.carrier.call() as stream,
        ):
            await rig.note(events.ModelReady)
            seen = inputs.CallerMessageReceived(
                "message", (f"data:image/jpeg;base64,{encoded(photo())}",)
            )
            assert rig.gateway.registry.calls[0].show(seen)
            await rig.note(events.ToolCompleted)
            text = await store.text()
            await rig.note(events.UsageCounted, 2)
            (told,) = model.journal.of("tool_output")
            await stream.stop()
    assert (text["From"], text["To"]) == (RECEPTION, CALLER)
    assert text["Body"].splitlines()[0] == written_texts("en").link
    assert len(text["Body"]) <= 160, "one text, not two"
    token = text["Body"].rpartition("/")[2]
    assert len(token) >= 22
    assert token not in told["output"]
    assert token not in str(logs)


async def test_a_link_is_for_one_call(home: GatewayRig, store: MediaStore) -> None:
    async with linked(home, store) as (stream, path):
        for method in ("HEAD", "GET", "GET"):
            assert (await home.client.request(method, path)).status_code == 200
        await stream.stop()
        await home.note(events.CallEnded)
        page = await home.client.get(path)
        assert page.status_code == 410
        assert written_texts("en").over_title in page.text
        assert (await home.client.post(path, content=photo(), headers=JPEG)).status_code == 410
    async with home.carrier.call(RECEPTION) as stream, stream.breathing():
        await home.note(events.ModelReady, 2)
        assert (await home.client.get(path)).status_code == 410, "the next call is another one"


@pytest.mark.parametrize("token", ["x" * 22, "x", "x" * 500, "%2e%2e", "é" * 22])
async def test_a_link_that_never_was(home: GatewayRig, token: str) -> None:
    response = await home.client.get(f"/photo/{token}", headers={"Accept-Language": "fr-FR"})
    assert response.status_code == 404
    assert written_texts("fr").over_title.replace("'", "&#x27;") in response.text
    assert (await home.client.post(f"/photo/{token}", content=b"x")).status_code == 404


@pytest.mark.parametrize(("to", "language"), [("+15550101", "fr"), ("+15550102", "ar")])
async def test_the_page_speaks_the_agent_s_language(
    home: GatewayRig, store: MediaStore, to: str, language: str
) -> None:
    async with linked(home, store, to) as (_, path):
        page = await home.client.get(path)
        words = written_texts(language)
        assert f'<html lang="{language}" dir="{words.direction}">' in page.text
        assert words.take in page.text
        assert (await store.text())["Body"].startswith(words.link)


async def test_the_page_may_do_nothing_but_what_it_does(
    home: GatewayRig, store: MediaStore
) -> None:
    async with linked(home, store) as (_, path):
        page = await home.client.get(path)
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in page.text.replace("http-equiv", ""), "an address of somebody else's"
    assert "@{" not in page.text
    assert path.rpartition("/")[2] not in page.text


# --- What is sent ---


async def test_a_photo_from_the_page_is_seen(
    home: GatewayRig, store: MediaStore, model: ModelServer
) -> None:
    async with linked(home, store) as (_, path):
        sent = await home.client.post(path, content=photo(2400, 1200), headers=JPEG)
        assert (sent.status_code, sent.json()) == (202, {"outcome": "taken"})
        await home.note(events.UsageCounted)
        (driver,) = model.drivers.values()
        ((about, image),) = [
            item.body["content"]
            for item in driver.session._responder.conversation.items
            if item.kind == "user"
        ]
    assert about["text"].startswith("The caller took or chose this picture")
    seen = opened(image["image_url"])
    assert seen.size == (512, 1024)
    assert not seen.getexif().get_ifd(GPS_INFO)
    assert await fate(home, "page", "shown") == 1


async def test_the_model_has_one_frame_at_a_time(
    home: GatewayRig, store: MediaStore, model: ModelServer
) -> None:
    async with linked(home, store) as (_, path):
        numbers = count(1)

        async def frame() -> httpx2.Response:
            answer = await home.client.post(f"{path}?camera=1", content=photo(), headers=JPEG)
            if answer.status_code == 202:
                await home.note(events.PictureSent, next(numbers))
            return answer

        *sent, late = await until_refused(
            frame,
            lambda answer: answer.status_code == 429,
            limits.images.CAMERA_BURST,
            limits.images.CAMERA_PER_S,
        )
        assert {answer.status_code for answer in sent} == {202}
        assert int(late.headers["retry-after"]) >= 1
        await home.note(events.UsageCounted)
        (driver,) = model.drivers.values()
        items = driver.session._responder.conversation.items
        assert sum(item.kind == "user" for item in items) == 1
        assert model.journal.of("violation") == []
        assert await fate(home, "camera", "shown") == len(sent)
        assert await fate(home, "camera", "too_often") == 1
        photos = await home.client.post(path, content=photo(), headers=JPEG)
        assert photos.status_code == 202, "a photo has an allowance of its own"


@pytest.mark.parametrize(
    ("content", "kind", "status", "outcome"),
    [
        (PDF, "image/jpeg", 422, "pdf"),
        (b"<html>", "image/png", 422, "not_an_image"),
        (photo(), "text/html", 415, "not_an_image"),
        (b"\0" * (limits.images.IMAGE_BODY_MAX_BYTES + 1), "image/jpeg", 413, "too_large"),
    ],
    ids=["pdf", "html", "type", "large"],
)
async def test_what_is_no_picture(
    home: GatewayRig, store: MediaStore, content: bytes, kind: str, status: int, outcome: str
) -> None:
    async with linked(home, store) as (_, path):
        sent = await home.client.post(path, content=content, headers={"Content-Type": kind})
        assert (sent.status_code, sent.json()["outcome"]) == (status, outcome)
        assert await fate(home, "page", outcome) == 1
        assert home.said(events.PictureSent) == []


async def test_a_frame_is_a_small_one(home: GatewayRig, store: MediaStore) -> None:
    async with linked(home, store) as (_, path):
        large = b"\0" * (limits.images.CAMERA_FRAME_MAX_BYTES + 1)
        sent = await home.client.post(f"{path}?camera=1", content=large, headers=JPEG)
        assert sent.status_code == 413


async def test_one_at_a_time_and_not_too_often(home: GatewayRig, store: MediaStore) -> None:
    async with linked(home, store) as (_, path):
        begun, let_go = asyncio.Event(), asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            begun.set()
            yield b"\xff"
            await let_go.wait()

        first = asyncio.create_task(home.client.post(path, content=slow(), headers=JPEG))
        await begun.wait()
        async with asyncio.timeout(30):
            while (busy := await home.client.post(path, headers=JPEG)).status_code != 429:
                pass
        assert busy.headers["retry-after"] == "1"
        let_go.set()
        assert (await first).status_code == 422
        answers = {
            (await home.client.post(path, content=photo(8, 8), headers=JPEG)).status_code
            for _ in range(limits.images.PHOTOS_BURST + 1)
        }
        assert 429 in answers


# --- Texts ---


async def test_a_text_goes_to_the_caller_and_to_nobody_else(
    home: GatewayRig, store: MediaStore
) -> None:
    async with home.carrier.call(RECEPTION) as stream, stream.breathing():
        await home.note(events.ModelReady)
        outcome, _ = await tool(home, "send_text", '{"text": "Open until six."}')
        assert outcome == "ok"
        assert store.texts == [{"From": RECEPTION, "To": CALLER, "Body": "Open until six."}]
        for wrong in (
            '{"text": "x", "to": "+15550666"}',
            '{"text": ""}',
            "{}",
            '{"text": "' + "x" * TOO_LONG + '"}',
        ):
            assert (await tool(home, "send_text", wrong))[0] == "invalid"
        for _ in range(limits.messages.TEXTS_MAX - 1):
            await tool(home, "send_text", '{"text": "Again."}')
        outcome, told = await tool(home, "send_text", '{"text": "Again."}')
        assert (outcome, told) == ("error", "No further text can be sent in this call.")
        assert len(store.texts) == limits.messages.TEXTS_MAX


@pytest.mark.parametrize("caller", ["anonymous", "+266696687", "sip:ann@example.com", ""])
async def test_who_has_no_number_cannot_be_texted(
    home: GatewayRig, store: MediaStore, caller: str
) -> None:
    fields = home.carrier.call_fields(new_sid("CA"), RECEPTION) | {"From": caller}
    await home.carrier.post("/twilio/voice", fields)
    outcome, told = await tool(home, "request_photo")
    assert told == "The caller's number is withheld or not known: no text can be sent."
    assert store.texts == []
    assert outcome == "error"


async def test_what_twilio_refuses_is_told_in_words(home: GatewayRig, store: MediaStore) -> None:
    async with home.carrier.call(RECEPTION) as stream, stream.breathing():
        await home.note(events.ModelReady)
        store.refuses_texts = 21610
        outcome, told = await tool(home, "send_text", '{"text": "Hello."}')
        assert (outcome, told.split(".")[0]) == (
            "error",
            "The caller once asked us not to text them",
        )
        store.refuses_texts = 99999
        assert (await tool(home, "send_text", '{"text": "x"}'))[1] == "The text could not be sent."


async def test_guessing_is_slow_and_harms_nobody_with_a_link(
    home: GatewayRig, store: MediaStore
) -> None:
    answers: list[httpx2.Response] = []
    while len(answers) < 500 and (not answers or answers[-1].status_code != 429):
        answers += await asyncio.gather(*(home.client.get(f"/photo/{'x' * 22}") for _ in range(50)))
    assert answers[-1].status_code == 429
    async with linked(home, store) as (_, path):
        assert (await home.client.get(path)).status_code == 200
    # Another process of the account made this one; it is looked up, and not taken for a guess.
    theirs = f"/photo/{PhotoTokens([TOKEN]).issue()}"
    assert (await home.client.get(theirs)).status_code == 404
    forged = f"/photo/{PhotoTokens(['a guess']).issue()}"
    assert (await home.client.get(forged)).status_code == 429
    assert (await home.client.post(forged, content=photo(), headers=JPEG)).status_code == 429


async def test_a_body_that_drips_costs_its_own_page_alone(
    home: GatewayRig, store: MediaStore
) -> None:
    """Many pages that are held open keep nobody else from sending."""
    let_go, begun = asyncio.Event(), asyncio.Semaphore(0)

    async def drips() -> AsyncIterator[bytes]:
        begun.release()
        yield photo()[:100]
        await let_go.wait()
        yield photo()[100:]

    async with contextlib.AsyncExitStack() as stack:
        paths = [(await stack.enter_async_context(linked(home, store)))[1] for _ in range(4)]
        slow = [
            asyncio.create_task(home.client.post(path, content=drips(), headers=JPEG))
            for path in paths[:3]
        ]
        for _ in slow:
            await begun.acquire()
        quick = await home.client.post(paths[3], content=photo(), headers=JPEG)
        assert (quick.status_code, quick.json()["outcome"]) == (202, "taken")
        let_go.set()
        assert {answer.status_code for answer in await asyncio.gather(*slow)} == {202}
