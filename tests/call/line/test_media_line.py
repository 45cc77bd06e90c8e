"""The caller's stream, when it does not behave."""

from __future__ import annotations

from base64 import b64decode

import pytest
from call import wires
from call.play import (
    BEGAN_AT,
    Book,
    answered,
    appends,
    ends,
    first_mark,
    last_mark,
    next_frame,
    note,
    nothing,
    to_caller,
    wait,
)
from call.vendor_events import (
    audio_delta,
    audio_done,
    frame,
    key,
    mark,
    response_created,
    response_done,
    session_created,
    session_updated,
    speech_started,
    speech_stopped,
    start,
    stop,
)

from gateway import limits
from gateway.audio.transcode import caller_to_model
from gateway.call import events
from gateway.call.commands import SendToModel
from gateway.call.endings import Ending
from gateway.call.inputs import CallerLost

STRANGER = "MZ" + "0" * 32
WRONG_SID = events.PeerFaultCounted("caller", "wrong_stream_sid")


def test_silence_where_frames_belong_ends_the_call() -> None:
    book = answered()
    book.line_stalls() >> wait(limits.call.MEDIA_SILENCE_MAX_S - 0.01) << nothing
    book >> wait(0.02) << ends(Ending.MEDIA_STALLED) << nothing


def test_a_stream_that_never_sends_a_frame_is_as_dead() -> None:
    book = Book(greeting="Hello.") >> start() << ...
    book.line_stalls() >> wait(limits.call.MEDIA_SILENCE_MAX_S - 0.01) << nothing
    book >> wait(0.02) << ends(Ending.MEDIA_STALLED) << nothing


@pytest.mark.parametrize("hour", range(12))
def test_the_stall_is_found_by_one_tick_at_any_hour(hour: int) -> None:
    """However the deadline is added up, its tick must find it due."""
    book = answered(now=BEGAN_AT + hour * 3600 + hour / 7)
    for _ in range(20):
        book >> wait(0.333)
    (
        book.line_stalls()
        >> wait(limits.call.MEDIA_SILENCE_MAX_S)
        << ends(Ending.MEDIA_STALLED)
        << nothing
    )


@pytest.mark.parametrize("slept_s", [2.0, 3.0, 60.0])
def test_a_process_that_slept_reads_what_waits_before_it_judges(slept_s: float) -> None:
    """Timers may run before sockets: frames lie unread, and the line is not dead."""
    book = answered().line_stalls()
    book.now += slept_s + 0.5
    book >> wait(0.0) << ... >> next_frame << ...
    assert book.call.ending is None
    book >> wait(limits.call.MEDIA_SILENCE_MAX_S + 1) << ...
    assert book.call.ending is Ending.MEDIA_STALLED


def test_a_short_stall_is_survived() -> None:
    book = answered() >> wait(1.0)
    book.line_stalls() >> wait(1.8) << nothing >> next_frame << appends(20) >> wait(1.9) << nothing
    book >> wait(0.2) << ends(Ending.MEDIA_STALLED)


def test_frames_that_cannot_be_read_keep_nothing_alive() -> None:
    book = answered().line_stalls()
    for _ in range(3):
        book >> wait(0.6) >> frame("x") << note(events.PeerFaultCounted, kind="timestamp")
    book >> wait(0.3) << ends(Ending.MEDIA_STALLED) << nothing


def test_a_second_start_changes_nothing() -> None:
    book = answered()
    other = start()
    other.stream_sid = STRANGER
    book >> other << events.PeerFaultCounted("caller", "second_start") << nothing
    book >> next_frame << appends(20) << nothing
    book >> response_created() >> audio_delta(ms=100) << to_caller(100)


def test_a_stream_of_what_we_say_ourselves_is_counted() -> None:
    both = start()
    both.start.tracks = ["inbound", "outbound"]
    Book() >> both << events.PeerFaultCounted("caller", "outbound_track") << ...


def test_a_stream_that_has_ended_stays_ended() -> None:
    """Twilio says it once; a proxy, or somebody else with the link, may go on."""
    book = answered() >> response_created() >> audio_delta(ms=600) << to_caller(600)
    book >> stop() << ends(Ending.CALLER_HUNG_UP)
    for event in (stop(), start(), frame(40), mark("0:1"), key("1"), stop(), start()):
        book >> event << nothing


def test_a_frame_that_comes_twice_is_sound_and_no_harm() -> None:
    """The moments of the caller's speech go by the stream's time, and not by how often it came."""
    book = answered()
    for n in range(100):
        book.now += 0.02
        book >> frame(20 * n) << appends(20)
        if n % 10 == 0:
            book >> frame(20 * n) << appends(20)
    written_ms = 20 + 110 * 20
    assert book.call.line.uplink.spoken_at(written_ms) == pytest.approx(book.now, abs=0.03)
    assert book.call.phase == "talking"


@pytest.mark.parametrize(
    "event",
    [
        frame(20, sid=STRANGER),
        key("1", STRANGER),
        mark("0:1", STRANGER),
        stop(STRANGER),
    ],
    ids=lambda event: type(event).__name__,
)
def test_another_streams_message_is_counted_and_no_more(event: object) -> None:
    book = answered() >> response_created() >> audio_delta(ms=100) << to_caller(100)
    book >> event << WRONG_SID << nothing
    assert book.call.phase == "talking"
    assert book.call.line.downlink.ledger.heard_ms(book.now) == 0


def test_before_the_start_no_message_is_of_this_stream() -> None:
    Book() >> frame(0) << WRONG_SID << nothing >> stop() << WRONG_SID << nothing


def test_the_very_sound_goes_up_untouched_in_pcmu() -> None:
    (append,) = (answered(audio="pcmu") >> frame(20, 30, code=0x31)).outs()
    assert isinstance(append, SendToModel)
    assert b64decode(wires.to_model(append.data)["audio"]) == b"\x31" * 240


def test_sound_goes_up_as_one_stream_however_it_was_cut() -> None:
    """Held, then live; the filter's history goes over every seam."""
    book = Book() >> start() << ...
    sound = bytes(range(240)) * 4
    heard = b""
    for n, ms in enumerate((7, 20, 33, 60)):
        at = sum((7, 20, 33, 60)[:n]) * 8
        media = frame(at // 8, ms)
        media.media.payload = sound[at : at + ms * 8]
        book >> media
        if n == 1:
            book << ... >> session_created() << ... >> session_updated(book.agent)
        heard += b"".join(
            b64decode(wires.to_model(out.data)["audio"])
            for out in book.outs()
            if isinstance(out, SendToModel)
        )
    assert heard == caller_to_model("pcm24k").convert(sound)


@pytest.mark.parametrize("ms", [2.5, 10, 20, 30, 60, 1000])
def test_a_frame_may_have_any_length(ms: float) -> None:
    answered() >> frame(20, ms) << appends(ms) << nothing


@pytest.mark.parametrize(
    ("at_ms", "kind"),
    [
        ("", "timestamp"),
        ("-1", "timestamp"),
        ("1.5", "timestamp"),
        ("1e9", "timestamp"),
        ("1" * 13, "timestamp"),
        ("9" * 100_000, "timestamp"),
        ("²", "timestamp"),
    ],
)
def test_a_timestamp_that_is_none(at_ms: str, kind: str) -> None:
    answered() >> frame(at_ms) << events.PeerFaultCounted("caller", kind) << nothing


def test_the_longest_timestamp_and_the_longest_frame_are_read() -> None:
    """Twelve digits are thirty years; a carrier may gather sound for a while."""
    longest_ms = limits.call.FRAME_PAYLOAD_MAX_BYTES // 8
    answered() >> frame("9" * limits.call.TIMESTAMP_MAX_DIGITS) << appends(20) << nothing
    answered() >> frame(20, longest_ms) << appends(longest_ms) << nothing


def test_a_payload_that_is_none() -> None:
    """Too long, or empty: an empty append is an error of the model's."""
    too_long = frame(20, limits.call.FRAME_PAYLOAD_MAX_BYTES / 8 + 20)
    answered() >> too_long << events.PeerFaultCounted("caller", "oversized_frame") << nothing
    answered() >> frame(20, 0) << events.PeerFaultCounted("caller", "empty_frame") << nothing


def test_sound_that_comes_faster_than_time_is_dropped() -> None:
    """After ten seconds at once, which a connection that was stuck may bring."""
    book = answered()  # with a frame
    for nth in range(limits.call.SOUND_BURST_MS // 1000 - 1):
        book >> frame(1000 * nth, 1000) << appends(1000)
    late = limits.call.SOUND_BURST_MS
    book >> frame(late, 1000) << events.PeerFaultCounted("caller", "sound_too_fast") << nothing
    book.now += 1.0
    for _ in range(2):  # what was left of the burst, and a quarter more than passed
        book >> frame(late, 1000) << appends(1000)
    book >> frame(late, 1000) << events.PeerFaultCounted("caller", "sound_too_fast") << nothing


def test_empty_frames_are_not_held() -> None:
    """They would have no end: what is held is bounded in milliseconds."""
    book = Book() >> start() << ...
    for _ in range(3):
        book >> frame(0, 0) << note(events.PeerFaultCounted, kind="empty_frame") << nothing


def test_one_leap_of_the_timestamps_does_not_spoil_the_turns() -> None:
    """A frame from the year 2050, then on as before: the next turn's wait is a wait."""
    book = answered() >> frame(999_999_999_000) << appends(20)
    for n in range(5):
        book.now += 0.02
        book >> frame(40 + 20 * n) << appends(20)
    book.now += 0.5
    book >> speech_started(20) << nothing >> speech_stopped(80) << nothing
    book >> response_created() >> audio_delta(ms=200) << to_caller(200)
    book >> audio_done() >> response_done() << nothing
    book.now += 0.2
    book >> first_mark << note(events.FirstAudioSent)
    (turn,) = [out for out in book.outs() if isinstance(out, events.TurnMeasured)]
    assert 0 <= turn.wait_s < 5
    assert book.call.line.uplink.gap_ms < 5_000


def test_timestamps_that_begin_anew_do_not_spoil_the_turns() -> None:
    book = answered()
    for n in range(500):
        book.now += 0.02
        book >> frame(600_000 + 20 * n) << appends(20)
    for n in range(100):
        book.now += 0.02
        book >> frame(20 * n) << appends(20)
    written_ms = 20 + 600 * 20
    assert book.call.line.uplink.spoken_at(written_ms) == pytest.approx(book.now, abs=0.03)


@pytest.mark.parametrize("audio_ms", [0, 500, 10**7, limits.call.MOMENT_MAX_MS])
def test_moments_of_the_models_that_cannot_be_are_not_believed(audio_ms: int) -> None:
    book = answered() >> wait(3.0) >> response_created() >> audio_delta(ms=2000) << ...
    book >> wait(0.3) << ... >> speech_started(audio_ms)
    (cut,) = [out for out in book.outs() if isinstance(out, events.BargedIn)]
    assert 0 <= cut.reaction_s < 5
    book >> response_done(status="cancelled") >> speech_stopped(audio_ms) << nothing
    book >> response_created("resp_2")
    book >> audio_delta("item_2", ms=20, response_id="resp_2") << to_caller(20) >> wait(0.02)
    book >> last_mark
    (turn,) = [out for out in book.outs() if isinstance(out, events.TurnMeasured)]
    assert 0 <= turn.detection_s < 5


def test_speech_of_a_minute_ago_is_not_what_the_model_means() -> None:
    book = answered(frame_ms=1000, idle={"nudge_after_s": 99.0, "end_after_s": 100.0})
    book >> wait(70.0) >> speech_started(0) >> speech_stopped(0) >> response_created() << nothing
    book >> audio_delta(ms=20) << to_caller(20) >> wait(0.02) >> last_mark
    (turn,) = [out for out in book.outs() if isinstance(out, events.TurnMeasured)]
    assert turn.detection_s == 0


def test_gaps_of_the_stream_are_counted() -> None:
    book = answered() >> frame(20) << ... >> frame(100) << ...
    assert book.call.line.uplink.gap_ms == 60
    assert book.call.line.uplink.frames == 3
    assert book.call.line.uplink.bytes == 480


def test_foreign_and_repeated_marks_move_nothing() -> None:
    book = answered() >> response_created() >> audio_delta(ms=600) << to_caller(600)
    book >> mark("0:99") >> mark("") >> mark("9:1") << nothing
    assert book.call.line.downlink.ledger.heard_ms(book.now) == 0
    book >> wait(0.02) >> mark("0:1") << note(events.FirstAudioSent) >> mark("0:1") << nothing
    assert book.call.line.downlink.ledger.heard_ms(book.now) == 20


def test_a_mark_acknowledges_all_before_it() -> None:
    book = answered() >> response_created() >> audio_delta(ms=600) << to_caller(600) >> wait(0.42)
    book >> mark("0:3") << nothing >> mark("0:2") << nothing
    assert book.call.line.downlink.ledger.heard_ms(book.now) == 420


def test_the_line_breaks() -> None:
    answered() >> CallerLost() << ends(Ending.MEDIA_BROKEN) << nothing


def test_what_comes_after_stop_is_not_heard() -> None:
    book = answered() >> stop() << ends(Ending.CALLER_HUNG_UP)
    book >> CallerLost() << nothing >> frame(20) << nothing >> frame(40, sid=STRANGER) << nothing
