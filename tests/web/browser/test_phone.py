"""Endpoints of the browser telephone over a real port: links, their tokens, and the line."""

from __future__ import annotations

import asyncio
import contextlib
import random
from base64 import b64encode
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from gateway_calls import TOKEN as TWILIO_TOKEN
from gateway_calls import Stream, new_sid
from pictures import photo
from redis.asyncio import Redis
from redis_end import running_redis
from refusals import until_refused
from running_gateway import AGENTS, PUBLIC_URL, GatewayRig, running_gateway
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from gateway import limits
from gateway.call import events
from gateway.call.endings import Ending
from gateway.ops.limits.signed_tokens import PhoneTokens
from gateway.simulator.openai.main import ModelServer
from gateway.tuning import Tuning

TOKEN = "a-token-of-the-operators"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PROTOCOL = "gateway.phone"


@pytest.fixture
async def rig(agents_file: Path, model: ModelServer, tmp_path: Path) -> AsyncIterator[GatewayRig]:
    more = {"GATEWAY_ADMIN_TOKEN": TOKEN, "GATEWAY_DATA_DIR": str(tmp_path)}
    async with running_gateway(agents_file, model, **more) as running:
        yield running


async def link(rig: GatewayRig, agent: str = "quiet") -> str:
    """The token of a link."""
    answer = await rig.client.post("/api/phone", json={"agent": agent}, headers=BEARER)
    assert answer.status_code == 201
    page, _, token = answer.json()["url"].partition("#")
    assert page == f"{PUBLIC_URL}/phone"
    return str(token)


async def card(rig: GatewayRig, token: str) -> tuple[int, dict[str, object]]:
    headers = {"Authorization": f"Bearer {token}" if token else ""}
    answer = await rig.client.get("/phone/card", headers=headers)
    return answer.status_code, answer.json()


@contextlib.asynccontextmanager
async def line(
    rig: GatewayRig,
    *protocols: str,
    call_sid: str = "",
    started: bool = True,
    origin: str | None = None,
    **start: object,
) -> AsyncIterator[Stream]:
    """What a browser opens, with marks that come back; `start` is what its `start` says besides."""
    url = rig.url.replace("http", "ws") + "/phone/line"
    async with connect(
        url,
        origin=Origin(origin) if origin else None,
        subprotocols=list(protocols),
        compression=None,
        proxy=None,
        ping_interval=None,
    ) as socket:
        stream = Stream(socket, "", call_sid)
        async with stream.listening():
            if started:
                await stream.start(None, **start)
                if "mediaFormat" not in start:
                    await stream.speak()
            yield stream


def older(agent: str, seconds: float) -> str:
    """The token of a link that was made long ago."""
    return PhoneTokens([TWILIO_TOKEN], lambda: 1_700_000_000.0).issue(agent, seconds)[0]


# --- Links ---


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"agent": "nobody"}, 404),
        ({"agent": ""}, 422),
        ({"agent": "quiet", "seconds": limits.phone.LINK_MIN_S - 1}, 422),
        ({"agent": "quiet", "seconds": limits.phone.LINK_MAX_S + 1}, 422),
        ({"agent": "quiet", "for": 1}, 422),
    ],
)
async def test_a_link_that_is_not_made(
    rig: GatewayRig, body: dict[str, object], status: int
) -> None:
    answer = await rig.client.post("/api/phone", json=body, headers=BEARER)
    assert answer.status_code == status


async def test_without_operators_there_is_no_telephone(agents_file: Path) -> None:
    async with running_gateway(agents_file) as plain:
        for path in ("/phone", "/phone/card", "/phone/line.js", "/api/phone"):
            assert (await plain.client.get(path)).status_code == 404


async def test_only_an_operator_makes_links(rig: GatewayRig) -> None:
    assert (await rig.client.post("/api/phone", json={"agent": "quiet"})).status_code == 401


async def test_the_card_tells_what_the_link_is_good_for(rig: GatewayRig) -> None:
    status, told = await card(rig, await link(rig, "arabic"))
    assert status == 200
    assert (told["agent"], told["language"], told["refusal"]) == ("arabic", "ar", None)


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("", "copy the whole of it"),
        ("abc.def", "is not one of ours"),
        ("a" * 401, "is not one of ours"),
        (older("quiet", 60), "has expired"),
    ],
)
async def test_a_link_that_opens_nothing(rig: GatewayRig, token: str, said: str) -> None:
    status, problem = await card(rig, token)
    assert status == 403
    assert said in str(problem["detail"])
    with pytest.raises(InvalidStatus) as refused:
        async with line(rig, PROTOCOL, *([token] if token else [])):
            pass
    assert refused.value.response.status_code == 403
    reason = {"": "no_token", "has expired": "expired_token"}.get(token and said, "bad_token")
    assert await rig.metric("phone_refused_total", reason=reason) == 1
    assert await rig.metric("streams_refused_total", reason=reason) == 0, "that one pages"


async def test_one_token_and_the_protocol(rig: GatewayRig) -> None:
    token = await link(rig)
    for offered in ((PROTOCOL, token, token + "x"), (token,), (PROTOCOL,)):
        with pytest.raises(InvalidStatus):
            async with line(rig, *offered):
                pass


async def test_a_head_that_is_too_long_is_let_go(rig: GatewayRig) -> None:
    url = rig.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(url[0], int(url[1]))
    writer.write(
        b"GET /phone/line HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        b"Sec-WebSocket-Protocol: gateway.phone, " + b"a" * 40_000 + b"\r\n\r\n"
    )
    async with asyncio.timeout(5):
        assert b"101" not in await reader.read()
    writer.close()


# --- The line ---


async def test_a_call(rig: GatewayRig) -> None:
    async with line(rig, PROTOCOL, await link(rig, "reception")) as browser:
        assert browser.socket.subprotocol == PROTOCOL
        await browser.sound(2000)
        (call,) = rig.gateway.registry.calls
        await browser.stop()
    ended = await rig.note(events.CallEnded)
    assert ended.ending is Ending.CALLER_HUNG_UP
    labels = {"agent": "reception", "path": "browser", "ending": ended.ending}
    assert await rig.metric("calls_ended_total", **labels) == 1
    record = (await rig.client.get(f"/api/calls/{call.facts.key}", headers=BEARER)).json()
    assert record["path"] == "browser"


async def test_it_cannot_take_a_call_of_the_carriers(rig: GatewayRig) -> None:
    """What it says of itself names nothing."""
    token = await link(rig)
    waiting = new_sid("CA")
    await rig.carrier.ring(waiting)
    async with line(rig, PROTOCOL, token, call_sid=waiting):
        await rig.note(events.CallerConnected)
        theirs = rig.gateway.registry.media_call(waiting)
        assert theirs is not None
        assert not theirs.machine.arrived


async def test_a_link_is_good_for_several_calls_and_not_for_all_places(rig: GatewayRig) -> None:
    token = await link(rig)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(limits.phone.CALLS_MAX):
            await stack.enter_async_context(line(rig, PROTOCOL, token))
        await rig.note(events.CallerConnected, limits.phone.CALLS_MAX)
        assert (await card(rig, token))[1]["refusal"] == "full"
        async with line(rig, PROTOCOL, token) as another:
            assert await another.closed() == 1008
            assert another.socket.close_reason == "full"
        assert await rig.metric("phone_refused_total", reason="full") == 1
    await rig.note(events.CallEnded, limits.phone.CALLS_MAX)
    assert (await card(rig, token))[1]["refusal"] is None


async def test_not_too_many_in_a_short_time(rig: GatewayRig) -> None:
    """Each call leaves a record, and records are kept in a bounded number."""
    token, numbers = await link(rig), count(1)

    async def begin() -> str:
        async with line(rig, PROTOCOL, token) as browser:
            connected = asyncio.create_task(rig.note(events.CallerConnected, next(numbers)))
            closed = asyncio.create_task(browser.closed())
            await asyncio.wait((connected, closed), return_when=asyncio.FIRST_COMPLETED)
            connected.cancel()
            if closed.done():
                return str(browser.socket.close_reason)
            closed.cancel()
            await browser.stop()
        return ""

    *_, refused = await until_refused(
        begin, bool, limits.phone.BEGINS_BURST, limits.phone.BEGINS_PER_S
    )
    assert refused == "too_often"


async def test_sockets_without_a_start_are_bounded(rig: GatewayRig) -> None:
    token = await link(rig)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(limits.phone.SOCKETS_MAX):
            await stack.enter_async_context(line(rig, PROTOCOL, token, started=False))
        with pytest.raises(InvalidStatus):
            async with line(rig, PROTOCOL, token):
                pass
        assert await rig.metric("phone_refused_total", reason="sockets") == 1


async def test_callers_keep_their_share(
    agents_file: Path, model: ModelServer, tmp_path: Path
) -> None:
    """Of places and of the budget."""
    more = {
        "GATEWAY_ADMIN_TOKEN": TOKEN,
        "GATEWAY_DATA_DIR": str(tmp_path),
        "GATEWAY_MAX_CALLS": "2",
        "GATEWAY_BUDGET_USD": "0.01",
    }
    async with running_gateway(agents_file, model, **more) as small:
        token = await link(small)
        async with line(small, PROTOCOL, token):
            await small.note(events.CallerConnected)
            assert (await card(small, token))[1]["refusal"] == "full"
            async with small.carrier.call():
                await small.note(events.CallerConnected, 2)
        await small.note(events.CallEnded, 2)
        assert (await card(small, token))[1]["refusal"] == "budget"


@pytest.mark.needs("redis-server")
async def test_a_line_that_breaks_gives_its_place_back(model: ModelServer, tmp_path: Path) -> None:
    """Whoever comes back asks for one again."""
    more = {"GATEWAY_ADMIN_TOKEN": TOKEN, "GATEWAY_DATA_DIR": str(tmp_path)}
    file = tmp_path / "agents.yaml"
    file.write_text(AGENTS.replace("  quiet:\n", "  quiet:\n    max_calls: 1\n"))
    async with (
        running_redis() as redis,
        running_gateway(file, model, GATEWAY_STORE=redis.url, **more) as rig,
    ):
        token = await link(rig)
        for nth in range(2):
            async with line(rig, PROTOCOL, token) as browser:
                await rig.note(events.CallerConnected, nth + 1)
                async with line(rig, PROTOCOL, token) as another:
                    assert await another.closed() == 1008
                    assert another.socket.close_reason == "agent_full"
                browser.socket.transport.abort()
            assert (await rig.note(events.CallEnded, nth + 1)).ending is Ending.MEDIA_BROKEN
            await settled(rig)
        async with Redis.from_url(redis.url, decode_responses=True) as client:
            found = [key async for key in client.scan_iter("*WB*")]
            kept = [key for key in found if "photos:" not in key]  # as long as the link itself
            assert all([0 < await client.ttl(key) <= limits.store.ENDINGS_KEPT_S for key in kept])


async def settled(rig: GatewayRig) -> None:
    """What was begun when a call ended has been done."""
    async with asyncio.timeout(10):
        while any("WB" in task.get_name() for task in asyncio.all_tasks()):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def test_nobody_pays_a_carrier(rig: GatewayRig) -> None:
    async with line(rig, PROTOCOL, await link(rig)) as browser:
        await rig.note(events.CallerConnected)
        (call,) = rig.gateway.registry.calls
        await browser.stop()
    await rig.note(events.CallEnded)
    assert not call.bill.usd


async def test_a_process_that_stops_has_nobody_to_hand_it_to(rig: GatewayRig) -> None:
    async with line(rig, PROTOCOL, await link(rig)) as browser, browser.breathing():
        await rig.note(events.CallerConnected)
        rig.gateway.registry.hand_over_all(now=True)
        assert await browser.closed() == 1000
        assert browser.socket.close_reason == "drained"
    assert (await rig.note(events.CallEnded)).ending is Ending.DRAINED


@pytest.fixture
async def impatient(agents_file: Path, tmp_path: Path) -> AsyncIterator[GatewayRig]:
    more = {"GATEWAY_ADMIN_TOKEN": TOKEN, "GATEWAY_DATA_DIR": str(tmp_path)}
    async with running_gateway(agents_file, tuning=Tuning(start_wait_s=0.05), **more) as running:
        yield running


async def test_one_that_says_nothing_is_closed(impatient: GatewayRig) -> None:
    async with line(impatient, PROTOCOL, await link(impatient), started=False) as browser:
        assert await browser.closed() == 1008
    assert await impatient.metric("phone_refused_total", reason="no_start") == 1


async def test_cards_are_not_for_guessing(rig: GatewayRig) -> None:
    answers = await asyncio.gather(
        *(card(rig, "abc") for _ in range(limits.phone.GUESSES_BURST + 10))
    )
    assert {status for status, _ in answers} == {403, 429}
    assert (await card(rig, await link(rig)))[0] == 200


# --- Sound as the model has it ---

PCM = {"encoding": "audio/pcm", "sampleRate": 24_000, "channels": 1}


def frame(pcm: bytes, nth: int) -> dict[str, str]:
    payload = b64encode(pcm).decode()
    return {"track": "inbound", "chunk": str(nth), "timestamp": str(20 * nth), "payload": payload}


def heard_by(model: ModelServer) -> bytes:
    """The sound that waits in the newest session of the model."""
    (*_, driver) = model.drivers.values()
    return bytes(driver.session._listener._buffer._audio)


@pytest.mark.parametrize("agent", ["reception", "raw"])
async def test_pcm_reaches_the_model_as_it_is(
    rig: GatewayRig, model: ModelServer, agent: str
) -> None:
    """Also for an agent whose callers on the telephone have mu-law."""
    noise = random.Random(4).randbytes(960 * 50)
    async with line(rig, PROTOCOL, await link(rig, agent), mediaFormat=PCM) as browser:
        for nth in range(50):
            await browser.send("media", frame(noise[960 * nth : 960 * (nth + 1)], nth))
        await rig.note(events.ModelReady)
        async with asyncio.timeout(30):
            while len(heard_by(model)) < len(noise):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        assert heard_by(model) == noise


async def test_pcm_of_the_model_reaches_the_browser(rig: GatewayRig) -> None:
    async with line(rig, PROTOCOL, await link(rig, "reception"), mediaFormat=PCM) as browser:
        for nth in range(5):
            await browser.send("media", frame(bytes(960), nth))
        sound = await browser.sound(4_800)
        assert len(sound) % 960 == 0
        # Read as mu-law, or with its bytes in another order, it would be noise.
        samples = np.frombuffer(sound, np.int16).astype(float)
        assert np.abs(np.diff(samples)).mean() < 0.5 * np.abs(samples).mean()


async def test_a_format_that_nobody_knows_is_refused(rig: GatewayRig) -> None:
    other = PCM | {"sampleRate": 48_000}
    async with line(rig, PROTOCOL, await link(rig), mediaFormat=other) as browser:
        assert await browser.closed() == 1008
        assert browser.socket.close_reason == "media_format"


# --- A connection that breaks ---


def back(ticket: str) -> dict[str, object]:
    return {"customParameters": {"resume": ticket}}


async def ticket_of(browser: Stream) -> str:
    return str((await browser.hears("answered"))["answered"]["resume"])


async def test_a_browser_comes_back_to_its_conversation(rig: GatewayRig) -> None:
    token = await link(rig, "reception")
    async with line(rig, PROTOCOL, token) as browser:
        ticket = await ticket_of(browser)
        said = await browser.hears("transcript")
        browser.socket.transport.abort()
    first = (await rig.note(events.CallEnded)).ending
    assert first is Ending.MEDIA_BROKEN
    async with line(rig, PROTOCOL, token, **back(ticket)) as again:
        assert await ticket_of(again)
        told = await again.hears("transcript")
        assert told["transcript"]["number"] == said["transcript"]["number"]
        (call,) = rig.gateway.registry.calls
        assert call.machine.resumed
        assert call.machine.streams == 2
        assert await rig.metric("resumes_total", how="browser") == 1


async def test_it_comes_back_before_its_loss_was_noticed(rig: GatewayRig) -> None:
    token = await link(rig, "reception")
    async with line(rig, PROTOCOL, token) as browser:
        ticket = await ticket_of(browser)
        await browser.hears("transcript")
        async with line(rig, PROTOCOL, token, **back(ticket)) as again:
            await ticket_of(again)
            assert await browser.closed() == 1000
            assert len(rig.gateway.registry.calls) == 1


@pytest.mark.needs("redis-server")
async def test_another_process_goes_on_with_it(
    agents_file: Path, model: ModelServer, tmp_path: Path
) -> None:
    more = {"GATEWAY_ADMIN_TOKEN": TOKEN, "GATEWAY_DATA_DIR": str(tmp_path)}
    async with (
        running_redis() as redis,
        running_gateway(agents_file, model, GATEWAY_STORE=redis.url, **more) as here,
        running_gateway(agents_file, model, GATEWAY_STORE=redis.url, **more) as there,
    ):
        token = await link(here, "reception")
        async with line(here, PROTOCOL, token) as browser, browser.breathing():
            ticket = await ticket_of(browser)
            await browser.hears("transcript")
            here.gateway.registry.draining = True
            here.gateway.registry.hand_over_all(now=True)
            assert await browser.closed() == 1000
            assert browser.socket.close_reason == "drained"
        await settled(here)
        async with line(there, PROTOCOL, token, **back(ticket)) as again:
            assert (await again.hears("transcript"))["transcript"]["who"] == "agent"


async def test_a_call_that_ended_well_is_over(rig: GatewayRig) -> None:
    token = await link(rig, "reception")
    async with line(rig, PROTOCOL, token) as browser:
        ticket = await ticket_of(browser)
        await browser.stop()
    await rig.note(events.CallEnded)
    async with line(rig, PROTOCOL, token, **back(ticket)) as again:
        assert await again.closed() == 1008
        assert again.socket.close_reason == "over"


async def test_nobody_else_comes_back_to_it(rig: GatewayRig) -> None:
    """Not with a link to another agent, in another format, or with a ticket that is made up."""
    async with line(rig, PROTOCOL, await link(rig, "reception")) as browser:
        ticket = await ticket_of(browser)
        other, same = await link(rig, "arabic"), await link(rig, "reception")
        for token, start in (
            (other, back(ticket)),
            (same, back(ticket) | {"mediaFormat": PCM}),
            (same, back("abc.def")),
        ):
            async with line(rig, PROTOCOL, token, **start) as thief:
                assert await thief.closed() == 1008
                assert thief.socket.close_reason == "bad_token"
        assert not rig.said(events.CallEnded)


async def test_not_for_ever(rig: GatewayRig) -> None:
    token = await link(rig, "reception")
    async with contextlib.AsyncExitStack() as stack:
        browser = await stack.enter_async_context(line(rig, PROTOCOL, token))
        ticket = await ticket_of(browser)
        await browser.hears("transcript")
        for _ in range(limits.phone.RESUMES_MAX):
            browser = await stack.enter_async_context(line(rig, PROTOCOL, token, **back(ticket)))
            await ticket_of(browser)
        async with line(rig, PROTOCOL, token, **back(ticket)) as again:
            assert await again.closed() == 1008
            assert again.socket.close_reason == "too_often"


# --- What the browser is shown ---


async def test_pictures_have_an_address_of_their_own(rig: GatewayRig) -> None:
    async with line(rig, PROTOCOL, await link(rig, "reception")) as browser, browser.breathing():
        address = (await browser.hears("answered"))["answered"]["pictures"]
        await browser.hears("transcript")
        sent = await rig.client.post(
            address, content=photo(), headers={"Content-Type": "image/jpeg"}
        )
        assert sent.status_code == 202
        await rig.note(events.PictureSent)
    await rig.note(events.CallEnded)
    gone = await rig.client.post(address, content=photo(), headers={"Content-Type": "image/jpeg"})
    assert gone.status_code == 410


# --- Pages of other sites ---


@pytest.mark.parametrize("origin", ["https://evil.example.com", "http://gw.example.com", "null"])
async def test_a_page_of_another_site_opens_no_line(rig: GatewayRig, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with line(rig, PROTOCOL, await link(rig), origin=origin):
            pass
    assert refused.value.response.status_code == 403
    assert await rig.metric("phone_refused_total", reason="origin") == 1


async def test_our_own_page_does(rig: GatewayRig) -> None:
    for nth, origin in enumerate((PUBLIC_URL, rig.url)):
        async with line(rig, PROTOCOL, await link(rig), origin=origin) as browser:
            await rig.note(events.CallerConnected, nth + 1)
            await browser.stop()


async def policy(rig: GatewayRig) -> dict[str, str]:
    text = (await rig.client.get("/phone")).headers["content-security-policy"]
    return dict(part.strip().split(" ", 1) for part in text.split(";"))


async def test_no_site_shows_the_page_unless_it_is_named(
    rig: GatewayRig, agents_file: Path, tmp_path: Path
) -> None:
    assert (await policy(rig))["frame-ancestors"] == "'none'"
    more = {"GATEWAY_ADMIN_TOKEN": TOKEN, "GATEWAY_DATA_DIR": str(tmp_path)}
    sites = "https://www.example.com, https://shop.example.com:8443"
    async with running_gateway(agents_file, GATEWAY_PHONE_ORIGINS=sites, **more) as open_rig:
        found = await policy(open_rig)
        assert found["frame-ancestors"] == (
            "'self' https://www.example.com https://shop.example.com:8443"
        )
        assert found["connect-src"] == "'self' wss://gw.example.com"
        snippet = await open_rig.client.get("/phone/embed.js")
        assert snippet.headers["cross-origin-resource-policy"] == "cross-origin"
        assert "gateway-phone" in snippet.text
