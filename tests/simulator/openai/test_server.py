"""The server over a real socket, with the `openai` package's own client as the other end."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import numpy as np
import pytest
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from session_rig import END_CALL, assert_vendor_event
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway.audio.g711 import mulaw_to_pcm
from gateway.simulator.audio.tts import SpokenVoice
from gateway.simulator.openai.main import ModelServer, running_model
from gateway.simulator.openai.realtime.script import Script, parse_script

FAST = Script(speed=200.0, think_ms=0)


@asynccontextmanager
async def talking_to(model: ModelServer) -> AsyncIterator[AsyncRealtimeConnection]:
    client = AsyncOpenAI(api_key="sk-test", base_url=model.base_url)
    async with client, client.realtime.connect(model="gpt-realtime-2.1") as connection:
        yield connection


def drop_sessions(model: ModelServer, code: int) -> None:
    """Close the socket of the one open session."""
    (driver,) = model.drivers.values()
    driver.drop(code)


async def until(connection: AsyncRealtimeConnection, *kinds: str) -> list[Any]:
    """Events up to the first of these kinds, each one checked."""
    seen: list[Any] = []
    async with asyncio.timeout(5):
        while not seen or seen[-1].type not in kinds:
            message = await connection.recv_bytes()
            assert_vendor_event(message)
            seen.append(connection.parse_event(message))
    return seen


def of(events: list[Any], kind: str) -> list[Any]:
    return [event for event in events if event.type == kind]


def sound(events: list[Any]) -> bytes:
    deltas = of(events, "response.output_audio.delta")
    return b"".join(base64.b64decode(event.delta) for event in deltas)


async def speak(connection: AsyncRealtimeConnection, mulaw: bytes) -> None:
    for at in range(0, len(mulaw), 160):
        audio = base64.b64encode(mulaw[at : at + 160]).decode()
        await connection.input_audio_buffer.append(audio=audio)


PCMU_SESSION: Any = {
    "type": "realtime",
    "audio": {
        "input": {
            "format": {"type": "audio/pcmu"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 300},
        },
        "output": {"format": {"type": "audio/pcmu"}},
    },
    "tools": [END_CALL],
}


async def test_a_whole_call_with_the_echo_of_the_callers_own_words() -> None:
    words = SpokenVoice().say("Can you hear me well?", "en", "audio/pcmu")
    async with running_model(FAST) as model, talking_to(model) as line:
        await until(line, "session.created")
        await line.session.update(session=PCMU_SESSION)
        await until(line, "session.updated")
        await line.response.create(response={"instructions": 'Say exactly: "Welcome."'})
        greeted = await until(line, "response.done")
        assert of(greeted, "response.output_audio_transcript.done")[0].transcript == "Welcome."

        await speak(line, words + b"\xff" * 4000)
        first = await until(line, "response.done")
        told = of(first, "response.output_audio_transcript.done")[0].transcript
        assert told.startswith("You spoke for 1.")

        await speak(line, words + b"\xff" * 4000)
        second = await until(line, "response.done")
        assert correlation(sound(second), words) > 0.99

        await speak(line, words + b"\xff" * 4000)
        third = await until(line, "response.done")
        call = third[-1].response.output[-1]
        assert (call.type, call.name) == ("function_call", "end_call")
        await line.conversation.item.create(
            item={"type": "function_call_output", "call_id": call.call_id, "output": "ended"}
        )
        await until(line, "conversation.item.done")
        assert model.journal.of("violation") == []
        kinds = [entry["kind"] for entry in model.journal.of("heard", "tool_called", "tool_output")]
        assert kinds == ["heard", "heard", "heard", "tool_called", "tool_output"]


def correlation(answer: bytes, words: bytes) -> float:
    """How well the caller's words are found in the answer, 0 to 1."""
    whole = np.frombuffer(mulaw_to_pcm(answer), "<i2").astype(float)
    part = np.frombuffer(mulaw_to_pcm(words), "<i2").astype(float)
    size = 1 << (len(whole) + len(part)).bit_length()
    matched = np.fft.irfft(np.fft.rfft(whole, size) * np.conj(np.fft.rfft(part, size)))
    at = int(matched[: len(whole) - len(part)].argmax())
    window = whole[at : at + len(part)]
    return float(window @ part / (np.linalg.norm(window) * np.linalg.norm(part)))


async def test_the_first_words_are_answered_over_pcm_with_a_barge_in() -> None:
    async with running_model(Script(speed=4.0, think_ms=0)) as model, talking_to(model) as line:
        await until(line, "session.created")
        await line.response.create(response={"instructions": f'Say exactly: "{"word " * 99}"'})
        heard = await until(line, "response.output_audio.delta")
        item_id = heard[-1].item_id
        loud = base64.b64encode(b"\x00\x30\x00\xd0" * 2400).decode()
        await line.input_audio_buffer.append(audio=loud)
        cut = await until(line, "response.done")
        assert cut[-1].response.status_details.reason == "turn_detected"
        generated_ms = len(sound(heard + cut)) // 48
        await line.conversation.item.truncate(
            item_id=item_id, content_index=0, audio_end_ms=generated_ms
        )
        await until(line, "conversation.item.truncated")
        await line.conversation.item.truncate(
            item_id=item_id, content_index=0, audio_end_ms=generated_ms + 1, event_id="late"
        )
        error = (await until(line, "error"))[-1].error
        assert "already shorter than" in error.message
        assert error.event_id == "late"


def socket(model: ModelServer, query: str = "model=gpt-realtime-2.1", **headers: str) -> connect:
    url = model.base_url.replace("http", "ws") + f"/realtime?{query}"
    known = {"Authorization": "Bearer k", **headers}
    # without a bound on what nobody reads: else the close would wait behind it
    return connect(url, additional_headers=known, max_queue=None)


async def farewell(line: ClientConnection) -> tuple[list[dict[str, Any]], int | None]:
    """Everything until the close, and its code."""
    events = []
    async with asyncio.timeout(5):
        try:
            while True:
                events.append(json.loads(await line.recv()))
        except ConnectionClosed:
            return events, line.close_code


@pytest.mark.parametrize(
    ("query", "headers", "code", "close_code"),
    [
        ("model=gpt-realtime-2.1", {"OpenAI-Beta": "realtime=v1"}, "beta_api_shape_disabled", 4000),
        ("model=gpt-realtime-2.1", {"Authorization": "Bearer sk-invalid"}, "invalid_api_key", 3000),
        ("model=gpt-nine", {}, "model_not_found", 4000),
        ("", {}, "missing_model", 4000),
    ],
)
async def test_some_are_sent_away_after_the_upgrade(
    query: str, headers: dict[str, str], code: str, close_code: int
) -> None:
    async with running_model(FAST) as model, socket(model, query, **headers) as line:
        events, closed = await farewell(line)
        assert [event["error"]["code"] for event in events] == [code]
        assert closed == close_code
        assert model.journal.of("violation")[0]["code"] == code


@pytest.mark.parametrize(
    ("query", "authorization", "status"),
    [
        ("model=gpt-realtime-2.1", "", 401),
        ("model=gpt-realtime-2.1", "Bearer ", 401),
        ("call_id=rtc_1", "Bearer k", 404),
    ],
)
async def test_others_before_it(query: str, authorization: str, status: int) -> None:
    async with running_model(FAST) as model:
        with pytest.raises(InvalidStatus) as refused:
            async with socket(model, query, Authorization=authorization):
                pass
        assert refused.value.response.status_code == status


async def test_scripted_refusals_end_after_so_many_times() -> None:
    async with running_model(parse_script("on_connect: {refuse: 503, times: 1}")) as model:
        with pytest.raises(InvalidStatus, match="503"):
            async with socket(model):
                pass
        async with socket(model) as line:
            assert json.loads(await line.recv())["type"] == "session.created"


async def test_a_scripted_error_greets_the_client() -> None:
    script = parse_script("on_connect: {error: {code: insufficient_quota, type: quota}}")
    async with running_model(script) as model, socket(model) as line:
        events, _ = await farewell(line)
        assert events[0]["error"]["code"] == "insufficient_quota"
        assert not model.journal.of("violation")


async def test_a_handshake_can_hang() -> None:
    async with running_model(parse_script("on_connect: {hang: true}")) as model:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1), socket(model):
                pass
        assert model.journal.of("hanging")


async def test_expiry_closes_the_socket_going_away() -> None:
    async with running_model(Script(session_seconds=0.05)) as model, socket(model) as line:
        events, closed = await farewell(line)
        assert events[-1]["error"]["code"] == "session_expired"
        assert closed == 1001


async def test_a_test_can_drop_every_session() -> None:
    async with running_model(FAST) as model, socket(model) as line:
        await line.recv()
        drop_sessions(model, 1011)
        assert (await farewell(line))[1] == 1011
    async with running_model(FAST) as model, socket(model) as line:
        await line.recv()
        drop_sessions(model, 1006)
        assert (await farewell(line))[1] == 1006


async def test_a_message_in_fragments_is_one_message() -> None:
    async def pieces() -> AsyncIterator[str]:
        for piece in ('{"type":"session.up', 'date","session":', '{"type":"realtime"}}'):
            yield piece

    async with running_model(FAST) as model, socket(model) as line:
        await line.send(pieces())
        await line.recv()
        await line.recv()
        assert json.loads(await line.recv())["type"] == "session.updated"


async def test_a_binary_message_is_a_violation() -> None:
    async with running_model(FAST) as model, socket(model) as line:
        await line.recv()
        await line.recv()
        await line.send(b"\x00")
        assert json.loads(await line.recv())["error"]["code"] == "invalid_event"
        assert len(model.journal.of("violation")) == 1


async def test_the_journal_is_read_from_outside() -> None:
    async with running_model(FAST) as model:
        journal = model.url.replace("http", "ws") + "/journal?from=0"
        async with socket(model) as line:
            await line.recv()
            async with connect(journal) as reader:
                assert json.loads(await reader.recv())["kind"] == "opened"
                await line.send('{"type":"response.create"}')
                kinds = [json.loads(await reader.recv())["kind"] for _ in range(2)]
                assert kinds == ["create", "said"]
            async with httpx2.AsyncClient(verify=False) as client:
                answer = await client.get(f"{model.url}/journal.json")
                assert [e["kind"] for e in answer.json()] == ["opened", "create", "said"]
                later = await client.get(f"{model.url}/journal.json?from=2")
                assert [e["kind"] for e in later.json()] == ["said"]
                assert (await client.get(f"{model.url}/else")).status_code == 404


async def test_it_runs_as_a_process_of_its_own() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway.simulator.openai.main",
        "--port",
        "0",
        "--voice",
        "tone",
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    ready = json.loads(await process.stdout.readline())
    assert ready["pid"] == process.pid
    url = ready["listening"].replace("http", "ws") + "/v1/realtime?model=gpt-realtime-2.1"
    async with connect(url, additional_headers={"Authorization": "Bearer k"}) as line:
        assert json.loads(await line.recv())["type"] == "session.created"
        process.terminate()
        assert (await farewell(line))[1] == 1001
    assert await process.wait() == 0
