"""A call whose caller's end misbehaves: what is counted, and whether the call goes on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from gateway_calls import QUIET, Stream, new_sid, signature
from running_gateway import GatewayRig, running_gateway
from stream_end import NearEnd, frame_of, near_end
from websockets.frames import Frame, Opcode

from gateway import limits
from gateway.call import events
from gateway.call.endings import Ending
from gateway.limits.patience import CallPatience
from gateway.simulator.openai.main import ModelServer
from gateway.tuning import Tuning

Make = Callable[[Stream], str | bytes]
MEDIA_URL = "wss://gw.example.com/twilio/media"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def rig(shared_rig: GatewayRig) -> GatewayRig:
    return shared_rig


@pytest_asyncio.fixture(loop_scope="module")
async def stream(rig: GatewayRig) -> AsyncIterator[Stream]:
    """A caller who is connected to an agent that waits to be spoken to."""
    async with rig.carrier.call(QUIET) as connected:
        await rig.note(events.ModelReady, of=connected.call_sid)
        yield connected
    await rig.note(events.CallEnded, of=connected.call_sid)


async def goes_on(rig: GatewayRig, stream: Stream) -> None:
    before = len(rig.said(events.KeyPressed, stream.call_sid))
    await stream.press()
    await rig.note(events.KeyPressed, before + 1, of=stream.call_sid)
    assert not rig.said(events.CallEnded, stream.call_sid)


async def ending(rig: GatewayRig, stream: Stream) -> Ending:
    return (await rig.note(events.CallEnded, of=stream.call_sid)).ending


def media(stream: Stream, **body: object) -> str:
    return json.dumps(json.loads(stream.frame()) | {"media": {"timestamp": "0", **body}})


def deep(depth: int) -> str:
    return '{"event":"media","media":' + "[" * depth + "]" * depth + "}"


FAULTS = {
    "binary": (lambda s: b"\x00" * 160, "binary"),
    "empty": (lambda s: "", "junk"),
    "junk": (lambda s: '{"event":"media","streamSid":', "junk"),
    "not an object": (lambda s: "[]", "junk"),
    "no event": (lambda s: "{}", "junk"),
    "too deep": (lambda s: deep(5_000), "junk"),
    "unknown event": (lambda s: s.message("weather", {"is": "fine"}), "unknown_event"),
    "a hundred kilobytes": (lambda s: media(s, payload="/" * 100_000), "oversized_message"),
    "a second and more": (lambda s: media(s, payload="/" * 12_000), "oversized_frame"),
    "payload that is not base64": (lambda s: media(s, payload="not base64!"), "malformed"),
    "payload that is a number": (lambda s: media(s, payload=5), "malformed"),
    "no payload": (media, "malformed"),
    "a payload of nothing": (lambda s: media(s, payload=""), "empty_frame"),
    "timestamp as a number": (lambda s: media(s, payload="//8=", timestamp=20), "malformed"),
    "timestamp below zero": (lambda s: media(s, payload="//8=", timestamp="-20"), "timestamp"),
    "timestamp of ages": (lambda s: media(s, payload="//8=", timestamp="9" * 300), "timestamp"),
    "no timestamp": (lambda s: media(s, payload="//8=", timestamp=""), "timestamp"),
    "another stream": (lambda s: s.frame().replace(s.sid, new_sid("MZ")), "wrong_stream_sid"),
    "a mark of another stream": (
        lambda s: s.message("mark", {"name": "0:1"}, streamSid=new_sid("MZ")),
        "wrong_stream_sid",
    ),
    "stop of another stream": (
        lambda s: s.message("stop", {}, streamSid=new_sid("MZ")),
        "wrong_stream_sid",
    ),
    "a second start": (lambda s: s.start_message("x"), "second_start"),
    "a start of half the fields": (lambda s: s.message("start", {}), "malformed"),
}


@pytest.mark.parametrize(("make", "kind"), FAULTS.values(), ids=FAULTS)
async def test_what_cannot_be_read_is_counted_and_the_call_goes_on(
    rig: GatewayRig, stream: Stream, make: Make, kind: str
) -> None:
    counted = await rig.metric("peer_faults_total", peer="caller", kind=kind)
    frames = await rig.metric("frames_total", direction="up")
    await stream.socket.send(make(stream))
    assert (await rig.note(events.PeerFaultCounted, of=stream.call_sid)).kind == kind
    await goes_on(rig, stream)
    assert await rig.metric("peer_faults_total", peer="caller", kind=kind) == counted + 1
    assert await rig.metric("frames_total", direction="up") == frames


HARMLESS = {
    "a mark that was never sent": lambda s: s.message("mark", {"name": "99:99"}),
    "connected once more": lambda s: '{"event":"connected","protocol":"Call","version":"1.0.0"}',
    "a field that is new": lambda s: s.message("dtmf", {"digit": "1", "duration": 5}, new=[1]),
    "an eighth of a millisecond": lambda s: media(s, payload="/w=="),
    "frames of another length": lambda s: s.frame(b"\xff" * 1237),
    "a stream that begins anew": lambda s: media(s, payload="//8=", timestamp="0"),
    "numbers that leap": lambda s: s.message("dtmf", {"digit": "1"}, sequenceNumber="999999"),
    "numbers that repeat": lambda s: s.message("dtmf", {"digit": "1"}, sequenceNumber="1"),
    "frames without numbers": lambda s: media(s, payload="//8=").replace("sequence", "s"),
    "frames of the other track": lambda s: media(s, payload="//8=", track="outbound", chunk="-"),
    "a leap of hours": lambda s: media(s, payload="//8=", timestamp="36000000"),
}


@pytest.mark.parametrize("make", HARMLESS.values(), ids=HARMLESS)
async def test_what_is_only_odd_is_no_fault(rig: GatewayRig, stream: Stream, make: Make) -> None:
    await stream.socket.send(make(stream))
    await goes_on(rig, stream)
    assert not rig.said(events.PeerFaultCounted, stream.call_sid)


async def test_a_flood_of_junk_ends_the_call(rig: GatewayRig, stream: Stream) -> None:
    for _ in range(limits.sockets.FAULTS_MAX + 50):
        await stream.socket.send("junk")
    assert await ending(rig, stream) is Ending.MEDIA_BROKEN
    assert await stream.closed() == 1000
    assert len(rig.said(events.PeerFaultCounted, stream.call_sid)) == limits.sockets.FAULTS_MAX


async def test_an_unknown_event_never_does(rig: GatewayRig, stream: Stream) -> None:
    """Tomorrow's Twilio may send one with every frame."""
    for _ in range(3 * limits.sockets.FAULTS_MAX):
        await stream.send("weather", {"is": "fine"})
    await goes_on(rig, stream)


async def test_pings_are_answered(stream: Stream) -> None:
    await (await stream.socket.ping(b"there?"))


async def test_fragments_are_a_message(rig: GatewayRig, stream: Stream) -> None:
    """And binary ones are one fault, not as many as there are parts."""
    pressed = stream.message("dtmf", {"digit": "5", "track": "inbound_track"})
    await stream.socket.send([pressed[:10], pressed[10:50], pressed[50:]])
    await rig.note(events.KeyPressed, of=stream.call_sid)
    await stream.socket.send([b"\x00", b"\x01", b"\x02"])
    await goes_on(rig, stream)
    faults = rig.said(events.PeerFaultCounted, stream.call_sid)
    assert [fault.kind for fault in faults] == ["binary"]


async def test_three_megabytes_end_the_stream(rig: GatewayRig, stream: Stream) -> None:
    await stream.socket.send("x" * (3 << 20))
    assert await stream.closed() == 1009
    assert await ending(rig, stream) is Ending.MEDIA_BROKEN


@pytest_asyncio.fixture(loop_scope="module")
async def raw(rig: GatewayRig) -> AsyncIterator[tuple[NearEnd, Stream]]:
    """The same as bytes; the stream makes the messages."""
    token = await rig.carrier.token(call_sid := new_sid("CA"), QUIET)
    port = rig.client.base_url.port
    assert port is not None
    async with near_end(port, headers={"x-twilio-signature": signature(MEDIA_URL)}) as end:
        stream = Stream(None, rig.carrier.account, call_sid)  # type: ignore[arg-type]
        end.say(stream.start_message(token))
        await rig.note(events.CallerConnected, of=call_sid)
        yield end, stream
    await rig.note(events.CallEnded, of=call_sid)


async def test_every_byte_by_itself(rig: GatewayRig, raw: tuple[NearEnd, Stream]) -> None:
    end, stream = raw
    frames = await rig.metric("frames_total", direction="up")
    wire = frame_of(stream.frame()) + frame_of(stream.message("dtmf", {"digit": "5"}))
    for byte in wire:
        end.send(bytes([byte]))
        await end.drain()
    await rig.note(events.KeyPressed, of=stream.call_sid)
    assert await rig.metric("frames_total", direction="up") == frames + 1


async def test_eight_seconds_of_frames_at_once(
    rig: GatewayRig, raw: tuple[NearEnd, Stream]
) -> None:
    end, stream = raw
    before = await rig.metrics()
    pressed = frame_of(stream.message("dtmf", {"digit": "5"}))
    end.send(b"".join(frame_of(stream.frame()) for _ in range(400)) + pressed)
    await rig.note(events.KeyPressed, of=stream.call_sid)
    after = await rig.metrics()
    for name, more in (("frames", 400), ("media_bytes", 64_000)):
        sample = f"gateway_{name}_total", frozenset({("direction", "up")})
        assert after[sample] - before[sample] == more


async def test_a_reset_in_mid_call(rig: GatewayRig, raw: tuple[NearEnd, Stream]) -> None:
    end, stream = raw
    end.reset()
    ended = await rig.note(events.CallEnded, of=stream.call_sid)
    assert (ended.ending, ended.arrived) == (Ending.MEDIA_BROKEN, True)


@pytest.mark.parametrize("breach", [b"\x83\x80\0\0\0\0", b"\x81\x01x"])
async def test_a_breach_of_the_protocol(
    rig: GatewayRig, raw: tuple[NearEnd, Stream], breach: bytes
) -> None:
    end, stream = raw
    end.send(breach)
    assert (await end.frame()).opcode is Opcode.CLOSE
    assert await ending(rig, stream) is Ending.MEDIA_BROKEN


async def test_what_stands_behind_stop_is_not_heard(
    rig: GatewayRig, raw: tuple[NearEnd, Stream]
) -> None:
    end, stream = raw
    stops = [stream.message("stop", {})] * 2
    messages = [*stops, stream.frame(), "junk", stream.start_message("x"), *stops]
    end.send(b"".join(map(frame_of, messages)) + Frame(Opcode.BINARY, b"").serialize(mask=True))
    assert await ending(rig, stream) is Ending.CALLER_HUNG_UP
    assert (await end.frame()).opcode is Opcode.CLOSE
    assert not rig.said(events.PeerFaultCounted, stream.call_sid)


@pytest.mark.parametrize("code", [1000, 1001, 1011])
async def test_a_close_in_mid_call(rig: GatewayRig, stream: Stream, code: int) -> None:
    labels = {"agent": "quiet", "path": "media-streams", "ending": "media_broken"}
    before = await rig.metric("calls_ended_total", **labels)
    await stream.socket.close(code)
    assert await ending(rig, stream) is Ending.MEDIA_BROKEN
    assert await rig.metric("calls_ended_total", **labels) == before + 1


async def test_silence_where_fifty_frames_a_second_belong(
    agents_file: Path, shared_model: ModelServer
) -> None:
    tuning = Tuning(patience=CallPatience(media_silence_max_s=0.1))
    async with (
        running_gateway(agents_file, shared_model, tuning) as rig,
        rig.carrier.call(QUIET) as other,
    ):
        ended = await rig.note(events.CallEnded, of=other.call_sid)
        assert ended.ending is Ending.MEDIA_STALLED
        assert ended.seconds >= 0.1
        assert await other.closed() == 1000


async def test_a_stream_that_starts_and_sends_nothing(
    agents_file: Path, shared_model: ModelServer
) -> None:
    tuning = Tuning(patience=CallPatience(media_silence_max_s=0.05))
    async with (
        running_gateway(agents_file, shared_model, tuning) as rig,
        rig.carrier.call(QUIET, frames=False) as stream,
    ):
        assert await ending(rig, stream) is Ending.MEDIA_STALLED
        assert await stream.closed() == 1000


@pytest.mark.parametrize(
    "wire",
    [
        {"encoding": "audio/x-l16", "sampleRate": 8000, "channels": 1},
        {"encoding": "audio/x-mulaw", "sampleRate": 16000, "channels": 1},
        {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 2},
    ],
)
async def test_sound_of_a_kind_that_we_do_not_speak(
    rig: GatewayRig, wire: dict[str, object]
) -> None:
    """Read from `start`, not assumed: noise is worse than no call."""
    token = await rig.carrier.token(call_sid := new_sid("CA"))
    async with rig.carrier.socket() as socket:
        stream = Stream(socket, rig.carrier.account, call_sid)
        await stream.start(token, mediaFormat=wire)
        assert await ending(rig, stream) is Ending.MEDIA_UNSUPPORTED
        assert await stream.closed() == 1000


async def test_a_caller_who_never_comes(agents_file: Path, shared_model: ModelServer) -> None:
    tuning = Tuning(patience=CallPatience(arrival_max_s=0.05))
    async with running_gateway(agents_file, shared_model, tuning) as rig:
        await rig.carrier.ring(call_sid := new_sid("CA"))
        ended = await rig.note(events.CallEnded, of=call_sid)
        assert (ended.ending, ended.arrived) == (Ending.NEVER_ARRIVED, False)
        assert rig.gateway.registry.media_call(call_sid) is None
