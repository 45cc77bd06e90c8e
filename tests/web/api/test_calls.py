"""The operators' API over a real port: who may ask, what is told, what is done."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog
from gateway_calls import QUIET, RECEPTION, new_sid
from PIL import Image
from refusals import until_refused
from running_gateway import GatewayRig, running_gateway

from gateway import limits
from gateway.call import events
from gateway.call.endings import Ending
from gateway.simulator.openai.main import ModelServer

TOKEN = "a-token-of-the-operators"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
async def office(
    agents_file: Path, model: ModelServer, tmp_path: Path
) -> AsyncIterator[tuple[GatewayRig, httpx2.AsyncClient]]:
    """A gateway with a token, and a client that knows it."""
    more = {"GATEWAY_ADMIN_TOKEN": TOKEN, "GATEWAY_DATA_DIR": str(tmp_path)}
    async with (
        running_gateway(agents_file, model, **more) as rig,
        httpx2.AsyncClient(
            verify=False, base_url=rig.url, headers=BEARER, trust_env=False, timeout=10.0
        ) as client,
    ):
        yield rig, client


def problem(response: httpx2.Response, status: int) -> str:
    """The sentence of a problem, whose shape RFC 9457 prescribes."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert (body["type"], body["status"]) == ("about:blank", status)
    assert body["title"]
    return str(body["detail"])


@contextmanager
def logged() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as entries:
        yield entries


# --- Who may ask ---


async def test_without_a_token_there_is_no_such_thing(rig: GatewayRig) -> None:
    for path in ("/api/calls", "/api/agents", "/api/openapi.json", "/api/events", "/console"):
        assert (await rig.client.get(path, headers=BEARER)).status_code == 404


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN],
)
async def test_only_the_token_opens(office: Any, header: str | None) -> None:
    rig, _ = office
    headers = {} if header is None else {"Authorization": header}
    for method, path in (("GET", "/api/calls"), ("POST", "/api/calls/x/hangup")):
        response = await rig.client.request(method, path, headers=headers)
        problem(response, 401)
        assert response.headers["www-authenticate"].startswith("Bearer")


async def test_what_is_not_there_is_a_problem_too(office: Any) -> None:
    _, client = office
    problem(await client.get("/api/nothing"), 404)
    refused = await client.delete("/api/calls")
    problem(refused, 405)
    assert "GET" in refused.headers["allow"]
    elsewhere = await client.get("/nothing")
    assert elsewhere.headers["content-type"].startswith("text/plain")


async def test_too_much_is_refused_and_said_for_how_long(office: Any) -> None:
    _, client = office
    path = "/api/calls/none/hangup"
    *answers, refusal = await until_refused(
        lambda: client.post(path),
        lambda answer: answer.status_code == 429,
        limits.api.ACTIONS_BURST,
        limits.api.ACTIONS_PER_S,
    )
    assert {answer.status_code for answer in answers} == {404}
    assert int(refusal.headers["retry-after"]) >= 1
    assert (await client.get("/api/calls")).status_code == 200


# --- What is told ---


async def test_a_call_is_listed_and_told_in_full(office: Any) -> None:
    rig, client = office
    async with rig.carrier.call() as stream:
        await rig.note(events.FirstAudioSent)
        await rig.note(events.TranscriptLine)
        (listed,) = (await client.get("/api/calls?state=live")).json()["calls"]
        told = (await client.get(f"/api/calls/{stream.call_sid}")).json()
        assert listed["id"] == told["id"] == stream.call_sid
        assert (told["state"], told["agent"], told["caller"]) == ("talking", "reception", "...23")
        assert told["transcript"][0]["who"] == "model"
        assert told["timeline"][0]["who"] == "model"
        await stream.stop()
        await rig.note(events.CallEnded)
    assert (await client.get("/api/calls?state=live")).json()["calls"] == []
    (over,) = (await client.get("/api/calls?state=ended&limit=1")).json()["calls"]
    assert (over["ending"], over["well"]) == ("caller_hung_up", True)
    kept = (await client.get(f"/api/calls/{stream.call_sid}")).json()
    assert kept["transcript"] == []  # this agent keeps no words


@pytest.mark.parametrize(
    "query",
    ["state=x", "limit=0", "limit=-1", "limit=1e9", "limit=99999", "sate=live", "limit=1&limit=2"],
)
async def test_a_query_that_makes_no_sense_is_refused(office: Any, query: str) -> None:
    _, client = office
    problem(await client.get(f"/api/calls?{query}"), 422)


async def test_agents_are_told_without_their_instructions(office: Any) -> None:
    _, client = office
    response = await client.get("/api/agents")
    names = [agent["name"] for agent in response.json()["agents"]]
    assert names[:3] == ["reception", "quiet", "arabic"]
    assert "Answer the telephone" not in response.text


async def test_the_feed_tells_of_a_call_from_its_announcement_to_its_end(office: Any) -> None:
    rig, client = office
    async with client.stream("GET", "/api/events") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.aiter_lines()
        assert await anext(lines) == ": watching"
        async with rig.carrier.call() as stream:
            await rig.note(events.FirstAudioSent)
            await stream.stop()
            changes = [change async for change in _changes(lines)]
    assert {change["call"] for change in changes} == {stream.call_sid}
    states = [c["value"]["state"] for c in changes if c["part"] == "summary"]
    assert states[0] == "expected"
    assert states[-1] == "ended"
    assert {"timeline", "summary"} <= {change["part"] for change in changes}


async def _changes(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, Any]]:
    """Up to the end of the call."""
    async with asyncio.timeout(30):
        async for line in lines:
            if line.startswith("data: "):
                change = json.loads(line.removeprefix("data: "))
                yield change
                if change["part"] == "summary" and change["value"]["state"] == "ended":
                    return


async def test_there_is_an_end_to_those_who_watch(office: Any) -> None:
    rig, client = office
    taken = [
        rig.gateway.event_stream.subscribe()
        for _ in range(limits.records.EVENT_STREAM_SUBSCRIBERS_MAX)
    ]
    problem(await client.get("/api/events"), 503)
    for subscription in taken:
        subscription.close()


# --- What is done ---


async def test_an_operator_hangs_up(office: Any) -> None:
    rig, client = office
    async with rig.carrier.call() as stream:
        await rig.note(events.FirstAudioSent)
        with logged() as entries:
            response = await client.post(f"/api/calls/{stream.call_sid}/hangup")
        assert response.status_code == 202
        assert response.json() == {"call": stream.call_sid, "action": "hangup"}
        assert (await rig.note(events.CallEnded)).ending is Ending.OPERATOR_HUNG_UP
    (audit,) = [one for one in entries if one["event"] == "operator_action"]
    assert (audit["action"], audit["call_sid"]) == ("hangup", stream.call_sid)
    problem(await client.post(f"/api/calls/{stream.call_sid}/hangup"), 409)
    problem(await client.post(f"/api/calls/{new_sid('CA')}/hangup"), 404)


async def test_an_operator_has_a_line_said(office: Any, model: ModelServer) -> None:
    rig, client = office
    async with rig.carrier.call(QUIET) as stream:
        await rig.note(events.ModelReady)
        with logged() as entries:
            response = await client.post(
                f"/api/calls/{stream.call_sid}/say", json={"text": "نحن مغلقون الآن"}
            )
        assert response.status_code == 202
        said = await rig.note(events.TranscriptLine)
        await stream.hears("media")
    assert said.text == "نحن مغلقون الآن"
    assert "مغلقون" not in str(entries)


async def test_nobody_is_spoken_to_before_they_are_there(office: Any) -> None:
    rig, client = office
    call_sid = new_sid("CA")
    await rig.carrier.ring(call_sid)
    path = f"/api/calls/{call_sid}"
    problem(await client.post(f"{path}/say", json={"text": "Hello?"}), 409)
    problem(await client.post(f"{path}/transfer", json={"to": "+15550123"}), 409)
    assert (await client.post(f"{path}/hangup")).status_code == 202


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{}", "application/json", 422),
        (b'{"text":""}', "application/json", 422),
        (b'{"text":"  "}', "application/json", 422),
        (b'{"text":"x","more":1}', "application/json", 422),
        (b'{"text":1}', "application/json", 422),
        (json.dumps({"text": "x" * 1001}).encode(), "application/json", 422),
        (b"text", "application/json", 400),
        (b'{"text":"\xff"}', "application/json", 400),
        (b'{"text":"x"}', "text/plain", 415),
        (b" " * (limits.api.BODY_MAX_BYTES + 1), "application/json", 413),
    ],
)
async def test_a_line_that_is_none_is_refused(
    office: Any, content: bytes, kind: str, status: int
) -> None:
    rig, client = office
    async with rig.carrier.call(QUIET) as stream:
        await rig.note(events.ModelReady)
        path = f"/api/calls/{stream.call_sid}/say"
        problem(await client.post(path, content=content, headers={"Content-Type": kind}), status)
        assert rig.said(events.TranscriptLine) == []


@pytest.mark.parametrize("to", ["sales", "5550123", "+1", "+155501", "sip:x@y", "+15550123 "])
async def test_nobody_is_transferred_to_nowhere(office: Any, to: str) -> None:
    rig, client = office
    async with rig.carrier.call(RECEPTION) as stream:
        await rig.note(events.FirstAudioSent)
        response = await client.post(f"/api/calls/{stream.call_sid}/transfer", json={"to": to})
    if to.strip() == "+15550123":
        assert response.status_code == 202  # blanks around a number are nobody's fault
    else:
        assert "none" in problem(response, 422)


def picture(kind: str, size: tuple[int, int] = (1600, 1200), mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise(size, 80).convert(mode).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
async def test_the_model_is_shown_a_picture(office: Any, model: ModelServer, kind: str) -> None:
    rig, client = office
    async with rig.carrier.call(QUIET) as stream, stream.breathing():
        await rig.note(events.ModelReady)
        response = await client.post(
            f"/api/calls/{stream.call_sid}/image?about=The+broken+part",
            content=picture(kind),
            headers={"Content-Type": f"image/{kind.lower()}"},
        )
        assert response.status_code == 202, response.text
        await rig.note(events.TranscriptLine)  # and it says something
        (driver,) = model.drivers.values()
        shown = [
            item.body["content"]
            for item in driver.session._responder.conversation.items
            if item.body.get("content") and item.body["content"][-1]["type"] == "input_image"
        ]
    ((about, image),) = shown
    assert about == {"type": "input_text", "text": "The broken part"}
    head, _, data = image["image_url"].partition(",")
    assert head == "data:image/jpeg;base64"
    seen = Image.open(io.BytesIO(base64.b64decode(data)))
    assert max(seen.size) == 1024


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"GIF89a...", "image/png", 422),
        (b"", "image/jpeg", 422),
        (picture("PNG", (40, 30))[:200], "image/png", 422),
        (picture("GIF", (4, 3), "L"), "image/png", 422),
        (picture("PNG", (4, 3)), "image/gif", 415),
        (b"\0" * (limits.images.IMAGE_BODY_MAX_BYTES + 1), "image/png", 413),
    ],
    ids=["words", "empty", "torn", "another format", "another type", "too large"],
)
async def test_what_is_no_picture_is_not_shown(
    office: Any, content: bytes, kind: str, status: int
) -> None:
    rig, client = office
    async with rig.carrier.call(QUIET) as stream:
        await rig.note(events.ModelReady)
        path = f"/api/calls/{stream.call_sid}/image"
        before = await refused_pictures(rig)
        problem(await client.post(path, content=content, headers={"Content-Type": kind}), status)
        assert await refused_pictures(rig) - before == (status == 422)


async def refused_pictures(rig: GatewayRig) -> float:
    """How many pictures of operators were read and could not be shown."""
    counted = (await rig.metrics()).items()
    return sum(
        value
        for (name, labels), value in counted
        if name == "gateway_images_total" and ("source", "operator") in labels
    )


# --- Leave to use a tool ---

ASKED_OF_OPERATORS = """
agents:
  desk:
    instructions: Answer the telephone.
    greeting: Hello.
    tools: [end_call]
    mcp:
      crm: {via: openai, url: "http://127.0.0.1:9/mcp", approval: operator}
routes:
  - {to: "*", agent: desk}
"""


@pytest.fixture
async def asked(
    model: ModelServer, tmp_path: Path
) -> AsyncIterator[tuple[GatewayRig, httpx2.AsyncClient, str]]:
    """A call whose model asks for leave; its CallSid."""
    agents = tmp_path / "asks.yaml"
    agents.write_text(ASKED_OF_OPERATORS)
    more = {"GATEWAY_ADMIN_TOKEN": TOKEN, "GATEWAY_DATA_DIR": str(tmp_path)}
    async with (
        running_gateway(agents, model, **more) as rig,
        httpx2.AsyncClient(
            verify=False, base_url=rig.url, headers=BEARER, trust_env=False, timeout=10.0
        ) as client,
        rig.carrier.call() as stream,
    ):
        await rig.note(events.FirstAudioSent)
        (driver,) = model.drivers.values()
        item = {"id": "mcpr_1", "type": "mcp_approval_request", "server_label": "crm"}
        item |= {"name": "find", "arguments": '{"name": "Smith"}'}
        driver.do(lambda: driver.session.emit("conversation.item.done", item=item))
        await rig.note(events.ApprovalRequested)
        yield rig, client, stream.call_sid


def leave(call_sid: str, approval_id: str = "mcpr_1") -> str:
    return f"/api/calls/{call_sid}/approvals/{approval_id}"


async def test_an_operator_allows_a_tool_and_may_say_so_twice(asked: Any) -> None:
    rig, client, call_sid = asked
    (waiting,) = (await client.get(f"/api/calls/{call_sid}")).json()["approvals"]
    assert (waiting["id"], waiting["tool"], waiting["outcome"]) == ("mcpr_1", "find", None)
    assert "Smith" in waiting["arguments"]
    with logged() as entries:
        for _ in range(2):
            response = await client.post(leave(call_sid), json={"approve": True})
            assert response.status_code == 202
            assert response.json() == {"call": call_sid, "action": "approved"}
    assert "Smith" not in str(entries)
    assert [entry["action"] for entry in entries if entry["event"] == "operator_action"] == [
        "approved"
    ] * 2
    assert (await rig.note(events.ApprovalResolved)).outcome == "approved"
    assert await rig.metric("approvals_total", server="crm", outcome="approved") == 1
    told = (await client.get(f"/api/calls/{call_sid}")).json()["approvals"]
    assert [(one["outcome"], one["arguments"]) for one in told] == [("approved", "")]
    assert "approved" in problem(await client.post(leave(call_sid), json={"approve": False}), 409)


@pytest.mark.parametrize(
    ("body", "status"), [({}, 422), ({"approve": "yes"}, 422), ({"approve": True, "x": 1}, 422)]
)
async def test_a_word_that_is_none_is_refused(asked: Any, body: Any, status: int) -> None:
    _, client, call_sid = asked
    problem(await client.post(leave(call_sid), json=body), status)


async def test_what_is_not_asked_cannot_be_allowed(asked: Any) -> None:
    rig, client, call_sid = asked
    problem(await client.post(leave(call_sid, "mcpr_9"), json={"approve": True}), 404)
    problem(await client.post(leave(new_sid("CA")), json={"approve": True}), 404)
    await client.post(f"/api/calls/{call_sid}/hangup")
    await rig.note(events.CallEnded)
    problem(await client.post(leave(call_sid), json={"approve": True}), 409)
    (over,) = (await client.get(f"/api/calls/{call_sid}")).json()["approvals"]
    assert over["outcome"] == "withdrawn"
