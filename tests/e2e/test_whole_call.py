"""One call from ring to hang-up: a greeting, answers, an interruption, a goodbye."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from time import monotonic

import numpy as np
from gateway_calls import Stream
from running_gateway import ACCOUNT, AGENTS, GatewayRig, running_gateway
from structlog.testing import capture_logs
from twilio_rest_double import rest_desk

from gateway.audio.g711 import mulaw_to_pcm, pcm_to_mulaw
from gateway.call import events
from gateway.call.endings import Ending
from gateway.call.line.media_line import MediaLine
from gateway.protocols.media_stream import parse_outbound
from gateway.simulator.openai.main import running_model
from gateway.simulator.openai.realtime.script import Script

FRAME = 160
AUDIO = ("pcm24k", "pcmu")


def tone(seconds: float) -> bytes:
    at = np.arange(int(seconds * 8000)) / 8000
    return pcm_to_mulaw((9000 * np.sin(2 * np.pi * 400 * at)).astype(np.int16).tobytes())


async def talk(stream: Stream, seconds: float, silence: float = 0.8) -> None:
    mulaw = tone(seconds) + b"\xff" * int(silence * 8000)
    for at in range(0, len(mulaw), FRAME):
        await stream.speak(mulaw[at : at + FRAME])


def loudness(mulaw: bytes) -> float:
    samples = np.frombuffer(mulaw_to_pcm(mulaw), np.int16).astype(float)
    return float(np.sqrt(np.mean(samples**2)))


async def test_whole_calls(tmp_path: Path) -> None:
    """One with each kind of sound, at the same time."""
    with capture_logs() as logs:
        call_sids = await asyncio.gather(*(a_call(tmp_path, audio) for audio in AUDIO))
    for call_sid in call_sids:
        lines = [line for line in logs if line.get("call_sid") == call_sid]
        answered, ended = (line for line in lines if line["log_level"] == "info")
        assert (answered["event"], ended["event"]) == ("answered", "ended")
        assert (ended["turns"], ended["barge_ins"], ended["tools"]) == (3, 1, 1)


async def a_call(tmp_path: Path, audio: str) -> str:
    agents = tmp_path / f"{audio}.yaml"
    agents.write_text(AGENTS.replace("greeting: Hello.", f"greeting: Hello.\n    audio: {audio}"))
    async with (
        rest_desk() as rest,
        running_model(Script(speed=500, think_ms=0)) as model,
        running_gateway(agents, model, TWILIO_BASE_URL=rest.url) as rig,
        rig.carrier.call() as stream,
        stream.breathing(),
    ):
        await conversation(rig, stream)
        ((request, form),) = await rest.hears()
        assert request.endswith(f"/Accounts/{ACCOUNT}/Calls/{stream.call_sid}.json")
        assert form == {"Status": ["completed"]}
        await stream.socket.close()
        assert model.journal.of("violation") == []
        labels = {"agent": "reception", "path": "media-streams"}
        ended = await rig.metric("calls_ended_total", **labels, ending="agent_hung_up")
        assert ended == 1
        assert await rig.metric("response_seconds_count", **labels) == 3
        assert await rig.metric("barge_ins_total", agent="reception") == 1
        for message in stream.heard:  # only what is documented: no warning 31951
            parse_outbound(json.dumps(message), stream.sid)
        return stream.call_sid


async def silence(rig: GatewayRig, stream: Stream) -> None:
    """Until the caller has heard the model out, as a polite one does."""
    call = rig.gateway.registry.media_call(stream.call_sid)
    assert call is not None
    assert isinstance(call.machine.line, MediaLine)
    while call.machine.line.downlink.speaking(monotonic()):  # noqa: ASYNC110 - time itself
        await asyncio.sleep(0.01)


async def conversation(rig: GatewayRig, stream: Stream) -> None:
    """Three turns; into the second answer the caller speaks, and the third one is a goodbye."""
    await rig.note(events.FirstAudioSent)
    assert loudness(await stream.sound(2000)) > 500

    await silence(rig, stream)
    await talk(stream, 1.0)
    await rig.note(events.TurnMeasured)

    await silence(rig, stream)
    stream.echo_marks = False  # from here on the telephone takes its time
    played = len(await stream.all_heard("mark"))
    await talk(stream, 1.5)
    first = await stream.hears("mark", played + 1)
    await stream.send("mark", first["mark"])
    await rig.note(events.TurnMeasured, 2)

    await talk(stream, 1.2)
    await stream.hears("clear")
    cut = await rig.note(events.BargedIn)
    assert 20 <= cut.heard_ms < 3000
    for mark in [m for m in stream.heard if m["event"] == "mark"][played + 1 :]:
        await stream.send("mark", mark["mark"])  # thrown away, and echoed for that: not heard
    stream.echo_marks = True
    await rig.note(events.TurnMeasured, 3)
    assert (await rig.note(events.CallEnded)).ending is Ending.AGENT_HUNG_UP
