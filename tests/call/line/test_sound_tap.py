"""The tap of a recorded call: each frame, sound, mark and clear, in order, and nothing else."""

from __future__ import annotations

import pytest

from gateway.agents.config.agent import Agent
from gateway.audio import stereo_timeline as line
from gateway.audio.tones import tone_pcm
from gateway.audio.transcode import caller_to_model
from gateway.audio.wire import PCM_24K
from gateway.call.context import CallContext
from gateway.call.line.playback import PlaybackLedger
from gateway.call.line.sound_tap import RecordedUplink, SoundTap
from gateway.protocols.media_stream import MediaBody, ToTwilio

FRAME = b"\x01" * 160


@pytest.fixture
def ctx() -> CallContext:
    agent = Agent.model_validate({"name": "desk", "instructions": "Be kind."})
    return CallContext(agent, lambda: "id", 10.0)


def test_messages_to_the_stream_are_the_same_and_are_written_down(ctx: CallContext) -> None:
    tap = SoundTap(ctx, PlaybackLedger())
    recorded, plain = tap.encoder("MZ1"), ToTwilio("MZ1")
    assert recorded.media(FRAME) == plain.media(FRAME)
    ctx.now = 11.0
    assert recorded.mark("0:1") == plain.mark("0:1")
    assert recorded.clear() == plain.clear()
    assert tap.take() == [
        (line.PLAYED, 10.0, FRAME),
        (line.MARKED, 11.0, "0:1"),
        (line.CLEARED, 11.0, None),
    ]
    assert tap.take() == []


def test_a_frame_of_the_caller_is_written_down_with_its_own_time(ctx: CallContext) -> None:
    tap = SoundTap(ctx, PlaybackLedger())
    uplink = RecordedUplink(caller_to_model("pcm24k"), tap)
    assert uplink.take(MediaBody(FRAME, "120"), 10.5) == FRAME
    assert tap.take() == [(line.CALLER, 10.5, ("120", FRAME))]


def test_a_browsers_sound_is_written_down_as_a_telephones(ctx: CallContext) -> None:
    tap = SoundTap(ctx, PlaybackLedger(), PCM_24K)
    uplink, recorded = (
        RecordedUplink(caller_to_model("pcm24k", PCM_24K), tap, PCM_24K),
        tap.encoder("MZ1"),
    )
    frame = tone_pcm(440, 20, -12, 24_000)
    assert uplink.take(MediaBody(frame, "0"), 10.5) == frame
    assert recorded.media(frame * 2) == ToTwilio("MZ1").media(frame * 2)
    (_, _, (timestamp, spoken)), (_, _, played) = tap.take()
    assert timestamp == "0"
    assert (len(spoken), len(played)) == (160, 320)


def test_a_frame_that_cannot_be_is_not_written_down(ctx: CallContext) -> None:
    tap = SoundTap(ctx, PlaybackLedger())
    with pytest.raises(ValueError, match="timestamp"):
        RecordedUplink(caller_to_model("pcm24k"), tap).take(MediaBody(FRAME, "soon"), 10.5)
    assert tap.take() == []


def test_what_was_heard_is_known_by_marks_and_gone_with_a_clear(ctx: CallContext) -> None:
    ledger = PlaybackLedger()
    tap = SoundTap(ctx, ledger)
    ledger.accept("item", 100, 100.0)
    end = tap.sound_end()
    mark = ledger.sent(100, 10.0)
    ctx.now = 10.2
    assert tap.heard_ago_s(*end) is None  # by the clock it was, but no mark says so
    ledger.acknowledge(mark, 10.2)
    assert tap.heard_ago_s(*end) == 0.0
    ledger.cut(10.3)
    assert tap.heard_ago_s(*end) is None


def test_what_has_no_sound_is_written_down_with_its_time(ctx: CallContext) -> None:
    tap = SoundTap(ctx, PlaybackLedger())
    tap.keep_from(9.5)
    ctx.now = 11.0
    tap.acknowledge("0:1")
    tap.pressed()
    tap.pause()
    ctx.now = 12.0
    tap.resume()
    assert tap.take() == [
        (line.KEEP, 10.0, 9.5),
        (line.ACKNOWLEDGED, 11.0, "0:1"),
        (line.KEY, 11.0, None),
        (line.PAUSED, 11.0, None),
        (line.RESUMED, 12.0, None),
    ]
