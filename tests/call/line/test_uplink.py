"""The caller's sound on its way up: buffered, written, retained, and said again."""

from __future__ import annotations

import pytest

from gateway.audio.transcode import caller_to_model
from gateway.call.line.uplink import Uplink
from gateway.errors import BugError
from gateway.limits.call import (
    BUFFERED_AUDIO_MAX_MS,
    FRAME_PAYLOAD_MAX_BYTES,
    RETAINED_AUDIO_MS,
    TIMESTAMP_LEAP_S,
    TIMESTAMP_MAX_DIGITS,
)
from gateway.protocols.media_stream import MediaBody

FRAME = bytes(range(160))


def an_uplink() -> Uplink:
    return Uplink(caller_to_model("pcmu"))


def open_uplink() -> Uplink:
    uplink = an_uplink()
    assert uplink.release() == b""
    return uplink


def test_sound_before_a_session_is_buffered_and_released_in_order() -> None:
    uplink = an_uplink()
    assert uplink.buffer(FRAME) == 0
    assert uplink.buffer(FRAME[::-1]) == 0
    assert uplink.release() == FRAME + FRAME[::-1]
    assert uplink.buffered is None
    with pytest.raises(BugError):
        uplink.buffer(FRAME)


def test_the_oldest_of_too_much_goes() -> None:
    uplink = an_uplink()
    uplink.buffer(b"\x01" * 8 * 20)
    assert uplink.buffer(b"\x02" * 8 * BUFFERED_AUDIO_MAX_MS) == 20
    assert set(uplink.release()) == {2}


def test_a_lost_session_has_its_last_sound_said_again() -> None:
    uplink = open_uplink()
    for n in range(10):
        uplink.write(bytes([n]) * 160)
    uplink.buffer_since(100)
    uplink.buffer(bytes([99]) * 160)
    assert uplink.release() == b"".join(bytes([n]) * 160 for n in (5, 6, 7, 8, 9, 99))


def test_only_the_newest_is_retained_but_for_a_turn_that_is_open() -> None:
    uplink = open_uplink()
    uplink.write(FRAME * (RETAINED_AUDIO_MS // 20 + 5))
    most, slack = RETAINED_AUDIO_MS * 8, 200 * 8  # what is too old goes with every tenth frame
    assert most <= uplink.retained_bytes <= most + slack
    before = uplink.retained_bytes
    uplink.retain_turn(True)
    uplink.write(FRAME * 50)
    assert uplink.retained_bytes == before + 50 * len(FRAME)
    uplink.retain_turn(False)
    for _ in range(10):
        uplink.write(FRAME)
    assert most <= uplink.retained_bytes <= most + slack


def test_sound_of_an_earlier_stream_comes_first() -> None:
    uplink = an_uplink()
    uplink.buffer(b"\x02" * 160)
    assert uplink.before(b"\x01" * 160) is None
    assert uplink.release() == b"\x01" * 160 + b"\x02" * 160
    assert uplink.before(b"\x03" * 160) == b"\x03" * 160, "a session hears: it goes up at once"


@pytest.mark.parametrize(
    ("payload", "timestamp", "fault"),
    [(b"", "0", "empty_frame"), (FRAME, "x", "timestamp"), (FRAME * 999, "0", "oversized_frame")],
)
def test_a_frame_that_cannot_be_twilios(payload: bytes, timestamp: str, fault: str) -> None:
    uplink = open_uplink()
    with pytest.raises(ValueError, match=fault):
        uplink.take(MediaBody(payload=payload, timestamp=timestamp), 0.0)
    assert (uplink.frames, uplink.bytes) == (0, 0)


def test_the_longest_frame_and_the_longest_time_that_can_be_twilios() -> None:
    latest = "9" * TIMESTAMP_MAX_DIGITS
    longest = bytes(FRAME_PAYLOAD_MAX_BYTES)
    for payload, timestamp in ((longest, "0"), (FRAME, latest)):
        assert open_uplink().take(MediaBody(payload, timestamp), 0.0) == payload
    for payload, timestamp in ((longest + b"x", "0"), (FRAME, latest + "9")):
        with pytest.raises(ValueError, match=r"oversized_frame|timestamp"):
            open_uplink().take(MediaBody(payload, timestamp), 0.0)


@pytest.mark.parametrize(
    ("gap_ms", "counted_ms"),
    [
        (1, 0.0),  # the time of a frame is rounded to milliseconds
        (2, 2.0),
        (int(TIMESTAMP_LEAP_S * 1000) - 1, TIMESTAMP_LEAP_S * 1000 - 1),
        (int(TIMESTAMP_LEAP_S * 1000), 0.0),  # another clock, and no gap
    ],
)
def test_how_long_a_gap_is_one(gap_ms: int, counted_ms: float) -> None:
    uplink = open_uplink()
    for timestamp in (0, 20 + gap_ms):
        uplink.take(MediaBody(payload=FRAME, timestamp=str(timestamp)), timestamp / 1000)
    assert uplink.gap_ms == counted_ms


def test_gaps_of_presentation_time_are_counted() -> None:
    uplink = open_uplink()
    for timestamp in ("0", "20", "100"):
        uplink.take(MediaBody(payload=FRAME, timestamp=timestamp), int(timestamp) / 1000)
    assert (uplink.frames, uplink.bytes, uplink.gap_ms) == (3, 480, 60.0)
    assert uplink.position_s == pytest.approx(0.12)


def test_the_next_session_is_told_nothing_of_the_one_before_the_last() -> None:
    uplink = open_uplink()
    uplink.write(FRAME)
    uplink.buffer_since(0.0)
    assert uplink.retained_bytes == 0
    assert uplink.retained_since(0.0) == FRAME, "once, as what is buffered"
    assert uplink.release() == FRAME
    assert uplink.retained_since(0.0) == FRAME


def test_frames_and_bytes_and_the_position_of_the_stream() -> None:
    uplink = open_uplink()
    for nth in range(3):
        uplink.take(MediaBody(FRAME, str(1000 + 20 * nth)), 10.0 + 0.02 * nth)
    assert (uplink.frames, uplink.bytes) == (3, 480)
    assert uplink.position_s == 1.06


def test_moments_of_the_session_by_our_clock() -> None:
    """The stream began a second ago, the session hears all of it but its first 20 ms."""
    uplink = open_uplink()
    assert uplink.spoken_at(0.0) is None
    uplink.take(MediaBody(FRAME, "0"), 100.02)
    uplink.write(uplink.take(MediaBody(FRAME, "20"), 100.04))
    assert uplink.spoken_at(0.0) == pytest.approx(100.02)
    assert uplink.spoken_at(20.0) == pytest.approx(100.04)


def test_sound_that_comes_faster_than_anybody_speaks_is_refused() -> None:
    uplink = open_uplink()

    def a_day_in_a_moment() -> None:
        for nth in range(864_000):
            uplink.take(MediaBody(bytes(800), str(100 * nth)), 10.0)

    with pytest.raises(ValueError, match="sound_too_fast"):
        a_day_in_a_moment()
    frames = uplink.frames
    uplink.take(MediaBody(FRAME, "0"), 11.0)
    assert uplink.frames == frames + 1, "a second later there is room again"
