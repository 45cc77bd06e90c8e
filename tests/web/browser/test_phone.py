"""Endpoints of the browser telephone over a real port: links, their tokens, and the line."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from gateway_calls import TOKEN as TWILIO_TOKEN
from gateway_calls import Stream, new_sid
from redis.asyncio import Redis
from redis_end import running_redis
from running_gateway import AGENTS, PUBLIC_URL, GatewayRig, running_gateway
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

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
    rig: GatewayRig, *protocols: str, call_sid: str = "", started: bool = True
) -> AsyncIterator[Stream]:
    """What a browser opens, with marks that come back."""
    url = rig.url.replace("http", "ws") + "/phone/line"
    async with connect(
        url, subprotocols=list(protocols), compression=None, proxy=None, ping_interval=None
    ) as socket:
        stream = Stream(socket, "", call_sid)
        async with stream.listening():
            if started:
                await stream.start(None)
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
    token = await link(rig)
    for nth in range(limits.phone.BEGINS_BURST):
        async with line(rig, PROTOCOL, token) as browser:
            await rig.note(events.CallerConnected, nth + 1)
            await browser.stop()
        await rig.note(events.CallEnded, nth + 1)
    async with line(rig, PROTOCOL, token) as browser:
        assert await browser.closed() == 1008
        assert browser.socket.close_reason == "too_often"


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
        "GATEWAY_ADMIN_TOKEN": TOKEN, "GATEWAY_DATA_DIR": str(tmp_path), "GATEWAY_MAX_CALLS": "2",
        "GATEWAY_BUDGET_USD": "0.01",
    }  # fmt: skip
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
async def test_a_line_that_breaks_gives_its_place_back_and_nothing_is_kept(
    model: ModelServer, tmp_path: Path
) -> None:
    """No carrier would connect this caller to another process."""
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
            kept = [key async for key in client.scan_iter("*WB*")]
        assert [key for key in kept if "ending" not in key] == []


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
