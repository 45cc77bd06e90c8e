"""How a call comes by its model, or does not: handshake, session, and who is not waited for."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from far_end import FarEnd, close_of, text_of
from gateway_calls import CALLER, QUIET, new_sid, signature
from model_bytes import configured, event, gateway_with_model, next_event
from running_gateway import API_KEY, PUBLIC_URL, running_gateway
from structlog.testing import capture_logs
from websockets.frames import Opcode

from gateway.call import events
from gateway.call.endings import Ending
from gateway.limits.patience import CallPatience
from gateway.simulator.openai.main import running_model
from gateway.simulator.openai.realtime.script import OnConnect, Script
from gateway.tuning import Tuning


async def test_what_the_vendor_is_told_of_a_call(agents_file: Path) -> None:
    """The key, the model, and who calls: as a hash that is the same next time."""
    seen: list[FarEnd] = []

    async def behave(end: FarEnd) -> None:
        await configured(end)
        seen.append(end)
        await end.gone()

    async with gateway_with_model(agents_file, behave, ONE_TRY) as rig:
        for _ in range(2):
            await rig.carrier.ring(new_sid("CA"), QUIET)
        await rig.note(events.ModelReady, 2)
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
    async with gateway_with_model(agents, behave, ONE_TRY) as rig:
        await rig.carrier.ring(new_sid("CA"))
        (call,) = rig.gateway.registry.calls
        async with asyncio.timeout(5):
            line = await seen.get()
        call.hang_up(Ending.OPERATOR_HUNG_UP)
    assert line == "GET /v1/realtime?model=a%20b%26c%3Dd HTTP/1.1"


ONE_TRY = Tuning(patience=CallPatience(reconnect_pauses_s=()))
"""What follows a loss is told in tests/call/session/test_reconnect.py and tests/faults."""


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
        running_gateway(agents_file, model, ONE_TRY) as rig,
    ):
        await rig.carrier.ring(new_sid("CA"))
        ended = await rig.note(events.CallEnded)
        assert (ended.ending, ended.reason) == (ending, f"http_{script.refuse}")
        assert len(model.journal.of("refused")) == tries
        assert await rig.metric("sessions_prepared_total", outcome="failed") == 1
        assert not rig.gateway.registry.calls


async def test_a_model_that_refuses_once_is_asked_twice(agents_file: Path) -> None:
    twice = Tuning(patience=CallPatience(reconnect_pauses_s=(0.0,)))
    script = Script(on_connect=OnConnect(refuse=503, times=1))
    async with running_model(script) as model, running_gateway(agents_file, model, twice) as rig:
        async with rig.carrier.call(QUIET) as stream:
            await rig.note(events.ModelReady)
            await stream.stop()
        assert (await rig.note(events.CallEnded)).ending is Ending.CALLER_HUNG_UP


async def test_nobody_at_the_model_s_address(agents_file: Path) -> None:
    """The caller is not left in silence: their stream is closed, and Twilio asks what is next."""
    async with running_gateway(agents_file, tuning=ONE_TRY) as rig:
        async with rig.carrier.call() as stream:
            assert await stream.closed() == 1000
            ended = await rig.note(events.CallEnded)
            assert (ended.ending, ended.reason) == (Ending.MODEL_LOST, "unreachable")
        fields = rig.carrier.call_fields(stream.call_sid, status="in-progress")
        after = await rig.carrier.post("/twilio/after?leg=stream", fields)
        assert "<Say" in after.text


async def test_a_model_that_hangs_in_the_handshake(agents_file: Path) -> None:
    script, times = Script(on_connect=OnConnect(hang=True)), replace(ONE_TRY, model_try_max_s=0.5)
    async with running_model(script) as model, running_gateway(agents_file, model, times) as rig:
        await rig.carrier.ring(new_sid("CA"))
        ended = await rig.note(events.CallEnded)
        assert (ended.ending, ended.reason) == (Ending.MODEL_LOST, "timeout")
        assert len(model.journal.of("hanging")) == 1


async def test_a_model_that_never_confirms_the_session(agents_file: Path) -> None:
    hasty = Tuning(patience=CallPatience(session_max_s=0.1, reconnect_pauses_s=()))

    async def behave(end: FarEnd) -> None:
        await end.accept(text_of(event("session.created", session={})))
        await end.gone()

    async with gateway_with_model(agents_file, behave, hasty) as rig, rig.carrier.call() as stream:
        assert (await rig.note(events.CallEnded)).ending is Ending.MODEL_SILENT
        assert await stream.closed() == 1000


async def test_a_format_that_was_not_asked_for_is_noise(agents_file: Path) -> None:
    async def behave(end: FarEnd) -> None:
        await end.accept(text_of(event("session.created", session={})))
        update = await next_event(end)
        update["session"]["audio"]["input"]["format"] = {"type": "audio/pcmu"}
        end.say(event("session.updated", session=update["session"]))
        assert (await end.frame()).opcode is Opcode.CLOSE, "and not a sample before"
        await end.gone()

    async with gateway_with_model(agents_file, behave, ONE_TRY) as rig:
        await rig.carrier.ring(new_sid("CA"))
        ended = await rig.note(events.CallEnded)
        assert (ended.ending, ended.reason) == (Ending.MODEL_REFUSED, "audio_format")


async def test_a_session_that_is_not_used_is_closed_in_order(agents_file: Path) -> None:
    closed = asyncio.get_running_loop().create_future()

    async def behave(end: FarEnd) -> None:
        await configured(end)
        assert (await end.frame()).opcode is Opcode.CLOSE
        end.send(close_of(1000))
        closed.set_result(await end.gone())

    async with gateway_with_model(agents_file, behave, ONE_TRY) as rig:
        await rig.carrier.ring(call_sid := new_sid("CA"))
        await rig.note(events.ModelReady)
        fields = rig.carrier.call_fields(call_sid, status="no-answer")
        await rig.carrier.post("/twilio/status", fields)
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

    async with gateway_with_model(agents_file, behave, ONE_TRY) as rig:
        await rig.carrier.ring(call_sid := new_sid("CA"))
        fields = rig.carrier.call_fields(call_sid, status="canceled")
        await rig.carrier.post("/twilio/status", fields)
        assert (await rig.note(events.CallEnded)).ending is Ending.NEVER_ARRIVED
        let_in.set()
        await asyncio.wait_for(gone.wait(), 5)
        names = {task.get_name() for task in asyncio.all_tasks()}
        # The record settles for some seconds: the caller might come back.
        assert {name for name in names if call_sid in name} <= {f"carrier end {call_sid}"}


async def test_a_caller_of_any_name(agents_file: Path) -> None:
    """A JSON webhook can carry text that no encoding has: it is no reason to answer nobody."""

    async def behave(end: FarEnd) -> None:
        await configured(end)
        await end.gone()

    async with gateway_with_model(agents_file, behave, ONE_TRY) as rig:
        fields = rig.carrier.call_fields(new_sid("CA"), QUIET) | {"From": "sip:\ud800@evil"}
        body = json.dumps(fields).encode()
        path = f"/twilio/voice?bodySHA256={sha256(body).hexdigest()}"
        headers = {
            "Content-Type": "application/json",
            "X-Twilio-Signature": signature(PUBLIC_URL + path),
        }
        with capture_logs() as logs:
            response = await rig.client.post(path, content=body, headers=headers)
            assert response.status_code == 200
            await rig.note(events.ModelReady)
        assert not [line for line in logs if line["log_level"] == "error"]
