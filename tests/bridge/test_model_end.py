"""A call whose model's end misbehaves, or cannot be had: the model here is no more than bytes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from carrier import CALLER, QUIET, Stream, new_sid, signature
from far_end import FarEnd, close_of, far_end, text_of
from house import API_KEY, PUBLIC_URL, House, running_house
from structlog.testing import capture_logs
from websockets.frames import Opcode

from gateway import limits
from gateway.bridge import live_call
from gateway.call import notes, renewal
from gateway.call.endings import Ending
from gateway.simulator.model import running_model
from gateway.simulator.script import OnConnect, Script
from gateway.transports import realtime_socket

RAW = "+15550102"  # its agent hears and speaks mu-law, as it is
Behave = Callable[[FarEnd], Awaitable[None]]
EXPIRES = 1_900_000_000


def event(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, "event_id": "event_1", **fields})


async def next_event(end: FarEnd) -> dict[str, Any]:
    frame = await end.frame()
    assert frame.opcode is Opcode.TEXT
    heard: dict[str, Any] = json.loads(frame.data)
    return heard


async def events(end: FarEnd) -> AsyncIterator[dict[str, Any]]:
    """What the gateway says, up to its close."""
    while (frame := await end.frame()).opcode is Opcode.TEXT:
        yield json.loads(frame.data)
    assert frame.opcode is Opcode.CLOSE


async def configured(end: FarEnd) -> dict[str, Any]:
    """The opening of a session, as the vendor's server does it; what was asked for."""
    await end.accept(text_of(event("session.created", session={"id": "sess_1"})))
    update = await next_event(end)
    assert update["type"] == "session.update"
    echo = update["session"] | {"id": "sess_1", "expires_at": EXPIRES}
    end.say(event("session.updated", session=echo))
    session: dict[str, Any] = update["session"]
    return session


@contextlib.asynccontextmanager
async def house_with(agents_file: Path, behave: Behave) -> AsyncIterator[House]:
    async with (
        far_end(behave) as url,
        running_house(agents_file, f"{url.replace('ws:', 'http:')}/v1") as house,
    ):
        yield house


# --- The handshake ---


async def test_what_the_vendor_is_told_of_a_call(agents_file: Path) -> None:
    """The key, the model, and who calls: as a hash that is the same next time."""
    seen: list[FarEnd] = []

    async def behave(end: FarEnd) -> None:
        await configured(end)
        seen.append(end)
        await end.gone()

    async with house_with(agents_file, behave) as house:
        for _ in range(2):
            await house.carrier.ring(new_sid("CA"), QUIET)
        await house.note(notes.ModelReady, 2)
    first, second = seen
    assert first.request_line == "GET /v1/realtime?model=gpt-realtime-2.1 HTTP/1.1"
    assert first.headers["authorization"] == f"Bearer {API_KEY}"
    assert "openai-beta" not in first.headers
    assert "sec-websocket-extensions" not in first.headers
    identifier = first.headers["openai-safety-identifier"]
    assert identifier == second.headers["openai-safety-identifier"]
    assert len(identifier) == 32
    assert int(identifier, 16)
    assert CALLER[1:] not in str(first.headers)


async def test_a_model_of_any_name_stays_one_parameter(tmp_path: Path) -> None:
    seen: asyncio.Queue[str] = asyncio.Queue()

    async def behave(end: FarEnd) -> None:
        await end.accept()
        seen.put_nowait(end.request_line)
        await end.gone()

    agents = tmp_path / "agents.yaml"
    agents.write_text(
        'agents: {one: {model: "a b&c=d", instructions: x}}\nroutes: [{to: "*", agent: one}]\n'
    )
    async with house_with(agents, behave) as house:
        await house.carrier.ring(new_sid("CA"))
        (call,) = house.gateway.switchboard.calls
        async with asyncio.timeout(5):
            line = await seen.get()
        call.hang_up(Ending.OPERATOR_HUNG_UP)
    assert line == "GET /v1/realtime?model=a%20b%26c%3Dd HTTP/1.1"


@pytest.fixture(autouse=True)
def _one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows a loss is told in tests/call/test_renewal.py and tests/faults."""
    monkeypatch.setattr(renewal, "MODEL_PAUSES_S", ())


@pytest.mark.parametrize(
    ("script", "tries", "ending"),
    [
        (OnConnect(refuse=401), 1, Ending.MODEL_REFUSED),
        (OnConnect(refuse=403), 1, Ending.MODEL_REFUSED),
        (OnConnect(refuse=503), 1, Ending.MODEL_LOST),
        (OnConnect(refuse=429), 1, Ending.MODEL_LOST),
    ],
)
async def test_a_model_that_refuses(
    agents_file: Path, script: OnConnect, tries: int, ending: Ending
) -> None:
    async with (
        running_model(Script(on_connect=script)) as model,
        running_house(agents_file, model) as house,
    ):
        await house.carrier.ring(new_sid("CA"))
        ended = await house.note(notes.Ended)
        assert (ended.ending, ended.reason) == (ending, f"http_{script.refuse}")
        assert len(model.journal.of("refused")) == tries
        assert await house.metric("sessions_prepared_total", outcome="failed") == 1
        assert not house.gateway.switchboard.calls


async def test_a_model_that_refuses_once_is_asked_twice(
    agents_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renewal, "MODEL_PAUSES_S", (0.0,))
    script = Script(on_connect=OnConnect(refuse=503, times=1))
    async with running_model(script) as model, running_house(agents_file, model) as house:
        async with house.carrier.call(QUIET) as stream:
            await house.note(notes.ModelReady)
            await stream.stop()
        assert (await house.note(notes.Ended)).ending is Ending.CALLER_HUNG_UP


async def test_nobody_at_the_model_s_address(agents_file: Path) -> None:
    """The caller is not left in silence: his stream is closed, and Twilio asks what is next."""
    async with running_house(agents_file) as house:
        async with house.carrier.call() as stream:
            assert await stream.closed() == 1000
            ended = await house.note(notes.Ended)
            assert (ended.ending, ended.reason) == (Ending.MODEL_LOST, "unreachable")
        fields = house.carrier.call_fields(stream.call_sid, status="in-progress")
        after = await house.carrier.post("/twilio/after?leg=stream", fields)
        assert "<Say" in after.text


async def test_a_model_that_hangs_in_the_handshake(
    agents_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_call, "MODEL_TRY_MAX_S", 0.05)
    script = Script(on_connect=OnConnect(hang=True))
    async with running_model(script) as model, running_house(agents_file, model) as house:
        await house.carrier.ring(new_sid("CA"))
        ended = await house.note(notes.Ended)
        assert (ended.ending, ended.reason) == (Ending.MODEL_LOST, "timeout")
        assert len(model.journal.of("hanging")) == 1


async def test_a_model_that_never_confirms_the_session(
    agents_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MODEL_TRY_MAX_S", 0.1)

    async def behave(end: FarEnd) -> None:
        await end.accept(text_of(event("session.created", session={})))
        await end.gone()

    async with house_with(agents_file, behave) as house, house.carrier.call() as stream:
        assert (await house.note(notes.Ended)).ending is Ending.MODEL_SILENT
        assert await stream.closed() == 1000


async def test_a_format_that_was_not_asked_for_is_noise(agents_file: Path) -> None:
    async def behave(end: FarEnd) -> None:
        await end.accept(text_of(event("session.created", session={})))
        update = await next_event(end)
        update["session"]["audio"]["input"]["format"] = {"type": "audio/pcmu"}
        end.say(event("session.updated", session=update["session"]))
        assert (await end.frame()).opcode is Opcode.CLOSE, "and not a sample before"
        await end.gone()

    async with house_with(agents_file, behave) as house:
        await house.carrier.ring(new_sid("CA"))
        ended = await house.note(notes.Ended)
        assert (ended.ending, ended.reason) == (Ending.MODEL_REFUSED, "audio_format")


# --- Sound, up and down ---


async def test_no_sound_goes_up_before_the_session_is_confirmed(agents_file: Path) -> None:
    """And none of the caller's first words is lost: they come first, in order."""
    go_on = asyncio.Event()
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def behave(end: FarEnd) -> None:
        await end.accept(text_of(event("session.created", session={})))
        update = await next_event(end)
        assert update["type"] == "session.update"
        await go_on.wait()
        end.say(event("session.updated", session=update["session"]))
        async for append in events(end):
            assert append["type"] == "input_audio_buffer.append"
            heard.put_nowait(b64decode(append["audio"]))

    async with (
        house_with(agents_file, behave) as house,
        house.carrier.call(RAW, frames=False) as stream,
    ):
        words = [bytes([n]) * 160 for n in range(100)]
        for word in words[:50]:
            await stream.speak(word)
        await stream.press()
        await house.note(notes.KeyPressed)
        assert heard.empty()
        go_on.set()
        await house.note(notes.ModelReady)
        for word in words[50:]:
            await stream.speak(word)
        up = b""
        async with asyncio.timeout(5):
            while len(up) < 16_000:
                up += await heard.get()
        assert up == b"".join(words)
        await stream.stop()
        await house.note(notes.Ended)


async def test_two_megabytes_of_sound_in_one_event(agents_file: Path) -> None:
    """Three minutes of it: the caller has its beginning, and no more than the lead."""
    mulaw = bytes(range(256)) * 6000
    ids = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}

    async def behave(end: FarEnd) -> None:
        await configured(end)
        while (await next_event(end))["type"] != "input_audio_buffer.append":
            pass
        end.say(event("response.created", response={"id": "resp_1"}))
        end.say(event("response.output_audio.delta", **ids, delta=b64encode(mulaw).decode()))
        end.say(event("response.output_audio.done", **ids))
        await end.gone()

    async with (
        house_with(agents_file, behave) as house,
        house.carrier.call(RAW) as stream,
    ):
        stream.echo_marks = False
        sent = await stream.sound(6400)
        assert mulaw.startswith(sent)
        assert len(sent) <= 8000 + 1600
        await stream.stop()
        await house.note(notes.Ended)


# --- In mid-call ---


@contextlib.asynccontextmanager
async def talking(agents_file: Path, then: Behave) -> AsyncIterator[tuple[House, Stream]]:
    """A call with a model that, once it hears the caller, does this."""

    async def behave(end: FarEnd) -> None:
        await configured(end)
        assert (await next_event(end))["type"] == "input_audio_buffer.append"
        await then(end)

    async with house_with(agents_file, behave) as house, house.carrier.call(QUIET) as stream:
        yield house, stream


async def test_an_event_that_nobody_knows_never_ends_a_call(agents_file: Path) -> None:
    async def then(end: FarEnd) -> None:
        for n in range(3 * limits.FAULTS_MAX):
            end.say(event("response.feelings.delta", delta=n))
        await end.gone()

    async with talking(agents_file, then) as (house, stream):
        await house.note(notes.PeerFaulted, 3 * limits.FAULTS_MAX)
        await stream.press()
        await house.note(notes.KeyPressed)
        counted = await house.metric("peer_faults_total", peer="model", kind="unknown_event")
        assert counted == 3 * limits.FAULTS_MAX
        await stream.stop()
        await house.note(notes.Ended)


JUNK = {
    "junk": text_of("{"),
    "binary": b"\x82\x02\xff\x00",
    "not UTF-8": text_of(b'{"type":"\xff"}'),
    "a known event without its fields": text_of(event("response.done")),
    "too deep": text_of('{"type":"error","error":' + "[" * 50_000),
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
async def test_what_cannot_be_read_is_counted_and_the_call_goes_on(
    agents_file: Path, junk: bytes
) -> None:
    async def then(end: FarEnd) -> None:
        end.send(junk)
        await end.gone()

    async with talking(agents_file, then) as (house, stream):
        assert (await house.note(notes.PeerFaulted)).peer == "model"
        await stream.press()
        await house.note(notes.KeyPressed)
        assert not house.said(notes.Ended)
        await stream.stop()
        await house.note(notes.Ended)


async def test_a_model_that_says_nothing_else_is_lost(agents_file: Path) -> None:
    """Under the name of whose fault it is."""

    async def then(end: FarEnd) -> None:
        end.send(text_of("junk") * (limits.FAULTS_MAX + 5))
        await end.gone()

    async with talking(agents_file, then) as (house, stream):
        ended = await house.note(notes.Ended)
        assert (ended.ending, ended.reason) == (Ending.MODEL_LOST, "noise")
        assert await stream.closed() == 1000
        assert isinstance(house.notes[-1][1], notes.Ended), "nothing is told after the end"


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 4000])
async def test_a_model_that_closes(agents_file: Path, code: int) -> None:
    async def then(end: FarEnd) -> None:
        if code == 1006:
            end.reset()
        else:
            end.send(close_of(code))
            await end.gone()

    async with talking(agents_file, then) as (house, stream):
        ended = await house.note(notes.Ended)
        ending = Ending.MODEL_REFUSED if code == 4000 else Ending.MODEL_LOST
        assert (ended.ending, ended.reason) == (ending, f"closed_{code}")
        assert await stream.closed() == 1000


async def test_a_model_that_does_not_read(
    agents_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A megabyte waits for it: it is given up, and the last note is that the call has ended."""
    monkeypatch.setattr(realtime_socket, "MODEL_BACKLOG_MAX_BYTES", 1000)

    async def then(end: FarEnd) -> None:
        end.stop_reading()
        await end.gone()

    async with talking(agents_file, then) as (house, stream):
        with contextlib.suppress(Exception):
            while not house.said(notes.Ended):
                await stream.speak(b"\xff" * 60_000)
        ended = await house.note(notes.Ended)
        assert (ended.ending, ended.reason) == (Ending.MODEL_LOST, "backlog")
        assert isinstance(house.notes[-1][1], notes.Ended)


async def test_a_session_that_is_not_used_is_closed_in_order(agents_file: Path) -> None:
    closed = asyncio.get_running_loop().create_future()

    async def behave(end: FarEnd) -> None:
        await configured(end)
        assert (await end.frame()).opcode is Opcode.CLOSE
        end.send(close_of(1000))
        closed.set_result(await end.gone())

    async with house_with(agents_file, behave) as house:
        await house.carrier.ring(call_sid := new_sid("CA"))
        await house.note(notes.ModelReady)
        fields = house.carrier.call_fields(call_sid, status="no-answer")
        await house.carrier.post("/twilio/status", fields)
        assert await asyncio.wait_for(closed, 5) == b""


async def test_a_caller_who_is_gone_before_the_model_is_there(agents_file: Path) -> None:
    """The connection that was being made is not kept, and no task is left behind."""
    let_in = asyncio.Event()
    gone = asyncio.Event()

    async def behave(end: FarEnd) -> None:
        await end.request()
        await let_in.wait()
        end.send(end.acceptance())
        assert (await end.frame()).opcode is Opcode.CLOSE
        end.send(close_of(1000))
        await end.gone()
        gone.set()

    async with house_with(agents_file, behave) as house:
        await house.carrier.ring(call_sid := new_sid("CA"))
        fields = house.carrier.call_fields(call_sid, status="canceled")
        await house.carrier.post("/twilio/status", fields)
        assert (await house.note(notes.Ended)).ending is Ending.NEVER_ARRIVED
        let_in.set()
        await asyncio.wait_for(gone.wait(), 5)
        assert not [task for task in asyncio.all_tasks() if call_sid in task.get_name()]


async def test_a_caller_of_any_name(agents_file: Path) -> None:
    """A JSON webhook can carry text that no encoding has: it is no reason to answer nobody."""

    async def behave(end: FarEnd) -> None:
        await configured(end)
        await end.gone()

    async with house_with(agents_file, behave) as house:
        fields = house.carrier.call_fields(new_sid("CA"), QUIET) | {"From": "sip:\ud800@evil"}
        body = json.dumps(fields).encode()
        path = f"/twilio/voice?bodySHA256={sha256(body).hexdigest()}"
        headers = {
            "Content-Type": "application/json",
            "X-Twilio-Signature": signature(PUBLIC_URL + path),
        }
        with capture_logs() as logs:
            response = await house.client.post(path, content=body, headers=headers)
            assert response.status_code == 200
            await house.note(notes.ModelReady)
        assert not [line for line in logs if line["log_level"] == "error"]
