"""A call whose model's end misbehaves: the model here is no more than bytes."""

from __future__ import annotations

import asyncio
import contextlib
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from far_end import FarEnd, close_of, text_of
from gateway_calls import QUIET, Stream
from model_bytes import Behave, configured, event, events, gateway_with_model, next_event
from running_gateway import GatewayRig

from gateway import limits
from gateway.call import events as notes
from gateway.call.endings import Ending
from gateway.limits.patience import CallPatience
from gateway.tuning import Tuning

RAW = "+15550102"  # its agent hears and speaks mu-law, as it is

ONE_TRY = Tuning(patience=CallPatience(reconnect_pauses_s=()))
"""What follows a loss is told in tests/call/session/test_reconnect.py and tests/faults."""


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
        assert (await next_event(end))["type"] == "conversation.item.create"
        async for append in events(end):
            assert append["type"] == "input_audio_buffer.append"
            heard.put_nowait(b64decode(append["audio"]))

    async with (
        gateway_with_model(agents_file, behave, ONE_TRY) as rig,
        rig.carrier.call(RAW, frames=False) as stream,
    ):
        words = [bytes([n]) * 160 for n in range(100)]
        for word in words[:50]:
            await stream.speak(word)
        await stream.press()
        await rig.note(notes.KeyPressed)
        assert heard.empty()
        go_on.set()
        await rig.note(notes.ModelReady)
        for word in words[50:]:
            await stream.speak(word)
        up = b""
        async with asyncio.timeout(5):
            while len(up) < 16_000:
                up += await heard.get()
        assert up == b"".join(words)
        await stream.stop()
        await rig.note(notes.CallEnded)


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
        gateway_with_model(agents_file, behave, ONE_TRY) as rig,
        rig.carrier.call(RAW) as stream,
    ):
        stream.echo_marks = False
        sent = await stream.sound(6400)
        assert mulaw.startswith(sent)
        assert len(sent) <= 8000 + 1600
        await stream.stop()
        await rig.note(notes.CallEnded)


# --- In mid-call ---


@contextlib.asynccontextmanager
async def talking(agents_file: Path, then: Behave) -> AsyncIterator[tuple[GatewayRig, Stream]]:
    """A call with a model that, once it hears the caller, does this."""

    async def behave(end: FarEnd) -> None:
        await configured(end)
        assert (await next_event(end))["type"] == "input_audio_buffer.append"
        await then(end)

    async with (
        gateway_with_model(agents_file, behave, ONE_TRY) as rig,
        rig.carrier.call(QUIET) as stream,
    ):
        yield rig, stream


async def test_an_event_that_nobody_knows_never_ends_a_call(agents_file: Path) -> None:
    async def then(end: FarEnd) -> None:
        for n in range(3 * limits.sockets.FAULTS_MAX):
            end.say(event("response.feelings.delta", delta=n))
        await end.gone()

    async with talking(agents_file, then) as (rig, stream):
        await rig.note(notes.PeerFaultCounted, 3 * limits.sockets.FAULTS_MAX)
        await stream.press()
        await rig.note(notes.KeyPressed)
        counted = await rig.metric("peer_faults_total", peer="model", kind="unknown_event")
        assert counted == 3 * limits.sockets.FAULTS_MAX
        await stream.stop()
        await rig.note(notes.CallEnded)


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

    async with talking(agents_file, then) as (rig, stream):
        assert (await rig.note(notes.PeerFaultCounted)).peer == "model"
        await stream.press()
        await rig.note(notes.KeyPressed)
        assert not rig.said(notes.CallEnded)
        await stream.stop()
        await rig.note(notes.CallEnded)


async def test_a_model_that_says_nothing_else_is_lost(agents_file: Path) -> None:
    """Under the name of whose fault it is."""

    async def then(end: FarEnd) -> None:
        end.send(text_of("junk") * (limits.sockets.FAULTS_MAX + 5))
        await end.gone()

    async with talking(agents_file, then) as (rig, stream):
        ended = await rig.note(notes.CallEnded)
        assert (ended.ending, ended.reason) == (Ending.MODEL_LOST, "noise")
        assert await stream.closed() == 1000
        assert isinstance(rig.notes[-1][1], notes.CallEnded), "nothing is told after the end"


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 4000])
async def test_a_model_that_closes(agents_file: Path, code: int) -> None:
    async def then(end: FarEnd) -> None:
        if code == 1006:
            end.reset()
        else:
            end.send(close_of(code))
            await end.gone()

    async with talking(agents_file, then) as (rig, stream):
        ended = await rig.note(notes.CallEnded)
        ending = Ending.MODEL_REFUSED if code == 4000 else Ending.MODEL_LOST
        assert (ended.ending, ended.reason) == (ending, f"closed_{code}")
        assert await stream.closed() == 1000
