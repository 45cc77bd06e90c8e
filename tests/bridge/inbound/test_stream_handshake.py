"""Where streams come in: who gets to a call and to the model, and who does not."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from call_doubles import CallDouble, SocketDouble
from gateway_calls import QUIET, RECEPTION, TOKEN, Stream, new_sid, signature
from running_gateway import ACCOUNT, PUBLIC_URL, GatewayRig, running_gateway
from stream_end import frame_of, near_end, upgrade
from websockets.exceptions import InvalidStatus
from websockets.frames import Close

from gateway import limits
from gateway.bridge.inbound.stream_handshake import StreamHandshake
from gateway.call import events
from gateway.call.endings import Ending
from gateway.errors import NotAdmitted
from gateway.ops.limits.signed_tokens import StreamTokens
from gateway.ops.store.memory import MemoryStore
from gateway.protocols.media_stream import StartBody
from gateway.simulator.openai.main import ModelServer
from gateway.tuning import Tuning

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEDIA_URL = "wss://gw.example.com/twilio/media"
POLICY_VIOLATION = 1008


@pytest.fixture
def rig(shared_rig: GatewayRig) -> GatewayRig:
    return shared_rig


@pytest.fixture
def model(shared_model: ModelServer) -> ModelServer:
    return shared_model


def minted(call_sid: str, *, secret: str = TOKEN, age_s: float = 0, agent: str = "quiet") -> str:
    """A token as another process of the same account makes it."""
    tokens = StreamTokens([secret], MemoryStore(time.monotonic), lambda: time.time() - age_s)
    return tokens.issue(call_sid, agent)


async def refusals(rig: GatewayRig) -> Counter[str]:
    return Counter(
        {
            dict(labels)["reason"]: int(count)
            for (name, labels), count in (await rig.metrics()).items()
            if name == "gateway_streams_refused_total"
        }
    )


# --- The handshake ---


async def status_of(rig: GatewayRig, **headers: str) -> int:
    with pytest.raises(InvalidStatus) as caught:
        async with rig.carrier.socket(**headers):
            pass
    return caught.value.response.status_code


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"x-twilio-signature": ""}, "unsigned"),
        ({"x-twilio-signature": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="}, "bad_signature"),
        ({"x-twilio-signature": signature(MEDIA_URL, token="guessed")}, "bad_signature"),
        ({"x-twilio-signature": signature("wss://evil.example/twilio/media")}, "bad_signature"),
        ({"x-twilio-signature": signature(f"{PUBLIC_URL}/twilio/voice")}, "bad_signature"),
        ({"x-twilio-signature": signature(MEDIA_URL, {"a": "b"})}, "bad_signature"),
        (
            {"x-twilio-webhooks-signature-settings": "key=k,algorithm=HMAC_MD5"},
            "unknown_algorithm",
        ),
    ],
)
async def test_a_handshake_that_is_not_twilios_is_refused(
    rig: GatewayRig, headers: dict[str, str], reason: str
) -> None:
    before = await refusals(rig)
    assert await status_of(rig, **headers) == 403
    assert await refusals(rig) - before == {reason: 1}


async def test_nor_one_that_says_it_was_forwarded(rig: GatewayRig) -> None:
    evil = signature("wss://evil.example/twilio/media")
    headers = {"x-twilio-signature": evil, "X-Forwarded-Host": "evil.example"}
    assert await status_of(rig, **headers) == 403


@pytest.mark.parametrize(
    "url",
    [
        MEDIA_URL,
        "wss://gw.example.com:443/twilio/media",
        "https://gw.example.com/twilio/media",
        "https://gw.example.com:443/twilio/media",
    ],
)
async def test_every_way_in_which_twilio_may_sign_it(rig: GatewayRig, url: str) -> None:
    async with rig.carrier.socket(**{"x-twilio-signature": signature(url)}):
        pass


async def test_shared_key_and_older_token(agents_file: Path) -> None:
    tokens = {"TWILIO_AUTH_TOKEN": f"{TOKEN},older,shared"}
    async with running_gateway(agents_file, **tokens) as rig:
        signed = signature(MEDIA_URL, token="shared", algorithm="HMAC_SHA256")
        settings = {"x-twilio-webhooks-signature-settings": "key=k,algorithm=HMAC_SHA256"}
        async with rig.carrier.socket(**{"x-twilio-signature": signed}, **settings):
            pass
        signed = signature(MEDIA_URL, token="older")
        async with rig.carrier.socket(**{"x-twilio-signature": signed}):
            pass


# --- The token ---


class Attempt:
    """One stream that says `start` with some token."""

    def __init__(self, rig: GatewayRig) -> None:
        self.rig = rig
        self.call_sid = new_sid("CA")

    async def refused(self, token: str | None, **start: object) -> str:
        """The reason for which it was closed."""
        before = await refusals(self.rig)
        async with self.rig.carrier.socket() as socket:
            stream = Stream(socket, ACCOUNT, self.call_sid)
            await stream.start(token, **start)
            assert await stream.closed() == POLICY_VIOLATION
        ((reason, count),) = (await refusals(self.rig) - before).items()
        assert count == 1
        return reason


@pytest_asyncio.fixture(loop_scope="module")
async def attempt(rig: GatewayRig, model: ModelServer) -> AsyncIterator[Attempt]:
    """What is refused never reaches a call, and never the model."""
    await rig.quiet()
    opened, told = len(model.journal.of("opened")), len(rig.notes)
    calls = rig.gateway.registry.calls
    yield Attempt(rig)
    assert rig.gateway.registry.calls == calls
    assert len(rig.notes) == told
    assert len(model.journal.of("opened")) == opened


@pytest_asyncio.fixture(loop_scope="module")
async def impatient(agents_file: Path) -> AsyncIterator[Attempt]:
    """At a gateway that waits for `start` for a moment only."""
    async with running_gateway(agents_file, tuning=Tuning(start_wait_s=0.05)) as rig:
        yield Attempt(rig)


async def test_no_token(attempt: Attempt) -> None:
    assert await attempt.refused(None) == "no_token"
    assert await attempt.refused("") == "no_token"


async def test_token_of_another_call(attempt: Attempt) -> None:
    assert await attempt.refused(minted(new_sid("CA"))) == "bad_token"


async def test_token_of_another_secret(attempt: Attempt) -> None:
    assert await attempt.refused(minted(attempt.call_sid, secret="guessed")) == "bad_token"
    assert await attempt.refused(minted(attempt.call_sid, secret="")) == "bad_token"


async def test_token_that_has_expired(attempt: Attempt) -> None:
    token = minted(attempt.call_sid, age_s=limits.web.STREAM_TOKEN_S + 1)
    assert await attempt.refused(token) == "expired_token"


async def test_token_that_was_tampered_with(attempt: Attempt) -> None:
    good = minted(attempt.call_sid, age_s=limits.web.STREAM_TOKEN_S + 1)
    body, sign = good.split(".")
    fields = json.loads(urlsafe_b64decode(body + "=="))
    fields[0] += 3600
    longer = urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")
    for token in (
        f"{longer}.{sign}",
        f"{body}.",
        f".{sign}",
        body,
        f"{good}.{sign}",
        good[:-1],
        "A" + good[1:],
        good[::-1],
        "\ud83d\udcde",
        "." * 100,
        "x" * 5000,
    ):
        assert await attempt.refused(token) == "bad_token", token


async def test_a_token_has_one_spelling(attempt: Attempt) -> None:
    """Not as many as base64 has ways to write the same bytes."""
    good = minted(attempt.call_sid, age_s=limits.web.STREAM_TOKEN_S + 1)
    body, sign = good.split(".")
    for token in (f"{body}!.{sign}", f"{body}.{sign}=", f" {good}", f"{body}\n.{sign}"):
        assert await attempt.refused(token) == "bad_token", token


async def test_start_of_another_account(attempt: Attempt) -> None:
    token = minted(attempt.call_sid)
    assert await attempt.refused(token, accountSid="AC" + "2" * 32) == "other_account"


async def test_agent_that_is_not_known_here(attempt: Attempt) -> None:
    """A token of a process with another agents file."""
    token = minted(attempt.call_sid, agent="somebody")
    assert await attempt.refused(token) == "unknown_agent"


async def test_process_that_stops(attempt: Attempt) -> None:
    attempt.rig.gateway.registry.draining = True
    try:
        assert await attempt.refused(minted(attempt.call_sid)) == "draining"
    finally:
        attempt.rig.gateway.registry.draining = False


async def test_stream_that_never_says_start(impatient: Attempt) -> None:
    before = await refusals(impatient.rig)
    async with impatient.rig.carrier.socket() as socket:
        await socket.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
        assert await Stream(socket, ACCOUNT, "").closed() == POLICY_VIOLATION
    assert await refusals(impatient.rig) - before == {"no_start": 1}


async def test_stream_that_says_everything_but_start(attempt: Attempt) -> None:
    before = await refusals(attempt.rig)
    async with attempt.rig.carrier.socket() as socket:
        stream = Stream(socket, ACCOUNT, attempt.call_sid)
        for _ in range(100):
            await stream.speak()
            await socket.send(b"\x00")
        assert await stream.closed() == POLICY_VIOLATION
    assert await refusals(attempt.rig) - before == {"noise": 1}


async def test_what_comes_behind_a_refusal_is_not_heard(attempt: Attempt) -> None:
    """A second `start` with a good token, in the same bytes and on the same socket."""
    rig, before = attempt.rig, await refusals(attempt.rig)
    signed = {"x-twilio-signature": signature(MEDIA_URL)}
    port = rig.client.base_url.port
    assert port is not None
    async with near_end(port, headers=signed) as end:
        stream = Stream(None, ACCOUNT, attempt.call_sid)  # type: ignore[arg-type]
        bad, good = stream.start_message("x"), stream.start_message(minted(attempt.call_sid))
        end.send(frame_of(bad) * 20 + frame_of(good))
        assert Close.parse((await end.frame()).data).code == POLICY_VIOLATION
        end.say(good)
        await end.drain()
    assert await refusals(rig) - before == {"bad_token": 1}


async def test_start_that_cannot_be_read(attempt: Attempt) -> None:
    """It counts as noise; the stream may still say it properly, and has its five seconds."""
    before = await refusals(attempt.rig)
    async with attempt.rig.carrier.socket() as socket:
        stream = Stream(socket, ACCOUNT, attempt.call_sid)
        for wrong in ({"mediaFormat": None}, {"callSid": []}):
            await stream.start("x", **wrong)
        await stream.start("x")
        assert await stream.closed() == POLICY_VIOLATION
    assert await refusals(attempt.rig) - before == {"bad_token": 1}


async def test_a_client_that_speaks_before_it_was_answered(impatient: Attempt) -> None:
    """RFC 6455, 4.1: it has to wait for the 101. It is refused, and harms nobody."""
    rig, before = impatient.rig, await refusals(impatient.rig)
    request = upgrade("/twilio/media", {"x-twilio-signature": signature(MEDIA_URL)})
    stream = Stream(None, ACCOUNT, impatient.call_sid)  # type: ignore[arg-type]
    early = frame_of(stream.start_message("x"))
    reader, writer = await asyncio.open_connection("127.0.0.1", rig.client.base_url.port)
    writer.write(request)
    writer.write(early[:40])
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    writer.write(early[40:])
    await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert (await refusals(rig) - before).total() <= 1


# --- Let in ---


async def test_a_token_opens_one_stream(rig: GatewayRig, model: ModelServer) -> None:
    await rig.quiet()
    opened, before = len(model.journal.of("opened")), await refusals(rig)
    token = await rig.carrier.token(call_sid := new_sid("CA"))
    async with rig.carrier.socket() as first, rig.carrier.socket() as second:
        await Stream(first, ACCOUNT, call_sid).start(token)
        await rig.note(events.CallerConnected, of=call_sid)
        intruder = Stream(second, ACCOUNT, call_sid)
        await intruder.start(token)
        assert await intruder.closed() == POLICY_VIOLATION
        assert await refusals(rig) - before == {"used_token": 1}
        await rig.note(events.ModelReady, of=call_sid)
        assert not rig.said(events.CallEnded, call_sid), "the call goes on"
    assert len(model.journal.of("opened")) == opened + 1


@pytest.mark.parametrize("event", ["mark", "dtmf", "media", "connected"])
async def test_a_flood_ends_its_own_call_and_no_other(rig: GatewayRig, event: str) -> None:
    """Keys of the other call arrive meanwhile, all of them."""
    before = await rig.metric("peer_faults_total", peer="caller", kind="flood")
    async with (
        rig.carrier.call(QUIET) as stream,
        rig.carrier.call(QUIET) as other,
        other.breathing(),
    ):
        for one in (stream, other):
            await rig.note(events.CallerConnected, of=one.call_sid)
        bodies = {
            "mark": stream.message("mark", {"name": "x"}),
            "dtmf": stream.message("dtmf", {"digit": "5"}),
            "media": stream.frame(),
            "connected": '{"event":"connected"}',
        }
        flood = frame_of(bodies[event]) * 20_000
        stream.socket.transport.write(flood)
        for digit in "123456789":
            await other.press(digit)
        await rig.note(events.KeyPressed, 9, other.call_sid)
        assert (await rig.note(events.CallEnded, of=stream.call_sid)).ending is Ending.MEDIA_BROKEN
        assert await stream.closed() == POLICY_VIOLATION
        assert not rig.said(events.CallEnded, other.call_sid)
    assert await rig.metric("peer_faults_total", peer="caller", kind="flood") == before + 1


async def test_a_flood_before_start_is_refused(rig: GatewayRig) -> None:
    before = await refusals(rig)
    async with rig.carrier.socket() as socket:
        socket.transport.write(frame_of('{"event":"connected"}') * 20_000)
        await socket.wait_closed()
        assert socket.close_code == POLICY_VIOLATION
    assert await refusals(rig) - before == {"flood": 1}


async def test_a_call_has_one_stream(rig: GatewayRig) -> None:
    """Even with a token of its own."""
    before = await refusals(rig)
    async with rig.carrier.call() as stream, rig.carrier.socket() as second:
        await rig.note(events.CallerConnected, of=stream.call_sid)
        intruder = Stream(second, ACCOUNT, stream.call_sid)
        await intruder.start(minted(stream.call_sid))
        assert await intruder.closed() == POLICY_VIOLATION
        assert await refusals(rig) - before == {"second_stream": 1}
        await stream.press()
        await rig.note(events.KeyPressed, of=stream.call_sid)


async def test_a_stream_that_lands_on_another_process(
    rig: GatewayRig, agents_file: Path, model: ModelServer
) -> None:
    """Which never saw the webhook: it opens a session of its own."""
    await rig.quiet()
    opened = len(model.journal.of("opened"))
    token = await rig.carrier.token(call_sid := new_sid("CA"), QUIET)
    await rig.note(events.ModelReady, of=call_sid)
    async with (
        running_gateway(agents_file, model) as other,
        other.carrier.socket() as socket,
    ):
        stream = Stream(socket, ACCOUNT, call_sid)
        await stream.start(token)
        await stream.speak()
        await other.note(events.CallerConnected)
        await other.note(events.ModelReady)
        (call,) = other.gateway.registry.calls
        assert (call.facts.agent, call.facts.call_sid) == ("quiet", call_sid)
        await stream.stop()
        assert (await other.note(events.CallEnded)).ending is Ending.CALLER_HUNG_UP
    assert len(model.journal.of("opened")) == opened + 2
    assert not rig.said(events.CallerConnected, call_sid)


async def test_the_session_is_ready_before_the_caller_is(
    rig: GatewayRig, model: ModelServer
) -> None:
    """Opened while the webhook was being answered, and the same one for the stream."""
    await rig.quiet()
    opened = len(model.journal.of("opened"))
    used = await rig.metric("sessions_prepared_total", outcome="used")
    token = await rig.carrier.token(call_sid := new_sid("CA"), RECEPTION)
    await rig.note(events.ModelReady, of=call_sid)
    async with rig.carrier.socket() as socket:
        await Stream(socket, ACCOUNT, call_sid).start(token)
        await rig.note(events.CallerConnected, of=call_sid)
    assert len(model.journal.of("opened")) == opened + 1
    assert await rig.metric("sessions_prepared_total", outcome="used") == used + 1


# --- By itself ---


@dataclass
class PausedSocket(SocketDouble):
    paused: bool = False

    def pause(self) -> None:
        self.paused = True

    def release(self) -> None:
        self.paused = False


async def test_a_call_that_ends_while_its_stream_is_admitted_refuses_the_stream() -> None:
    """It had no socket yet that it could close: the stream would stay open, in silence."""
    socket, reasons, refused = PausedSocket(), [], asyncio.Event()

    async def let_in(_start: StartBody) -> CallDouble:
        return CallDouble(over=True, ending=Ending.NEVER_ARRIVED)

    def count(reason: str) -> None:
        reasons.append(reason)
        refused.set()

    handshake = StreamHandshake(socket, let_in, count)
    handshake.on_text(START, 0.0)
    assert socket.paused
    await refused.wait()
    assert reasons == ["over"]
    assert len(socket.closed) == 1
    assert not socket.paused


@pytest.mark.parametrize("what", ["starts", "closes", "is refused"])
async def test_a_stream_of_which_something_is_known_is_no_longer_waited_for(what: str) -> None:
    reasons, overdue = list[str](), asyncio.Event()

    async def let_in(_start: StartBody) -> CallDouble:
        await asyncio.Event().wait()
        raise AssertionError("nobody is let in")

    def too_late(reason: str) -> None:
        assert reason == "no_start"
        overdue.set()

    handshake = StreamHandshake(PausedSocket(), let_in, reasons.append, start_wait_s=0.01)
    if what == "starts":
        handshake.on_text(START, 0.0)
    elif what == "closes":
        handshake.on_closed(0.0)
    else:
        handshake.on_flood(0.0)
    StreamHandshake(PausedSocket(), let_in, too_late, start_wait_s=0.02)
    await overdue.wait()
    assert reasons == (["flood"] if what == "is refused" else [])


@dataclass
class Wire(PausedSocket):
    """A socket on which a message is sent when it is flushed."""

    done: list[object] = field(default_factory=list)

    def flush(self) -> None:
        self.done += self.posted
        self.posted.clear()

    def release(self) -> None:
        self.done.append("release")


async def test_whoever_is_let_in_is_answered_before_their_stream_starts() -> None:
    socket, let_go = Wire(), asyncio.Event()

    class Call(CallDouble):
        def start_stream(self, *_: object) -> None:
            socket.done.append("start")
            let_go.set()

    call: Any = Call()

    async def let_in(_start: StartBody) -> Any:
        return call

    async def answer(of: object) -> bytes:
        assert of is call
        return b"answered"

    refused: list[str] = []
    StreamHandshake(socket, let_in, refused.append, answer=answer).on_text(START, 0.0)
    await let_go.wait()
    assert socket.done == [b"answered", "start", "release"]
    assert (refused, call.notified) == ([], [])


@pytest.mark.parametrize("says_why", [True, False])
async def test_a_browser_alone_hears_why_it_is_refused(says_why: bool) -> None:
    socket, refused = PausedSocket(), asyncio.Event()

    async def let_in(_start: StartBody) -> CallDouble:
        raise NotAdmitted("full")

    handshake = StreamHandshake(socket, let_in, lambda _: refused.set(), says_why=says_why)
    handshake.on_text(START, 0.0)
    await refused.wait()
    assert socket.closed == ["full" if says_why else ""]


async def test_noise_is_borne_for_a_while() -> None:
    reasons: list[str] = []

    async def let_in(_start: StartBody) -> CallDouble:
        raise AssertionError("nothing has started")

    handshake = StreamHandshake(PausedSocket(), let_in, reasons.append)
    for _ in range(limits.sockets.FAULTS_MAX - 1):
        handshake.on_text(b"noise", 0.0)
    assert reasons == []
    handshake.on_binary(0.0)
    assert reasons == ["noise"]
    handshake.on_text(b"more noise", 0.0)
    assert reasons == ["noise"]
    handshake.on_closed(0.0)


START = json.dumps(
    {
        "event": "start",
        "streamSid": "MZ1",
        "start": {
            "accountSid": ACCOUNT,
            "streamSid": "MZ1",
            "callSid": "CA1",
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000},
        },
    }
).encode()


async def test_odd_fields_of_a_start_are_counted_by_name(rig: GatewayRig) -> None:
    call_sid = new_sid("CA")
    token = await rig.carrier.token(call_sid, QUIET)
    before = await rig.metric("fields_left_out_total", peer="caller", field="start.tracks")
    async with rig.carrier.socket() as socket:
        stream = Stream(socket, ACCOUNT, call_sid)
        message = json.loads(START)
        message["streamSid"] = message["start"]["streamSid"] = stream.sid
        message["start"] |= {
            "callSid": call_sid,
            "tracks": None,
            "customParameters": {"token": token},
        }
        await socket.send(json.dumps(message))
        fault = await rig.note(events.PeerFaultCounted, of=call_sid)
        assert (fault.kind, fault.fields) == ("odd_field", ("start.tracks",))
        await socket.send(json.dumps({"event": "stop", "streamSid": stream.sid, "stop": 5}))
        await rig.note(events.PeerFaultCounted, 2, of=call_sid)
    assert (
        await rig.metric("fields_left_out_total", peer="caller", field="start.tracks") == before + 1
    )
