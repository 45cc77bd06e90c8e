"""The wait of the caller, stage by stage, to the millisecond."""

from __future__ import annotations

import pytest
from call.play import BEGAN_AT, Book, answered, note, nothing, to_caller, wait
from call.vendor_events import (
    audio_delta,
    audio_done,
    committed,
    frame,
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
from gateway.call import events
from gateway.call.dialogue.turn_latency import TurnLatency

AT_ONCE = 10**7
"""A moment that has not come: the caller fell silent just now."""


def hears(book: Book, ms: int, *, late_s: float = 0.0) -> None:
    """The caller's frames of 20 ms, each there the moment it was spoken, or later.

    The first was whole at BEGAN_AT: the stream began 20 ms before.
    """
    for n in range(ms // 20):
        at_ms = 20 * (n + 1)
        book.now = BEGAN_AT + at_ms / 1000 + late_s
        book >> frame(at_ms) << ...


def test_every_stage_of_a_turn() -> None:
    """The caller fell silent at 1000 ms of the session's sound, which is 1.0 s of the call."""
    book = answered()
    hears(book, 1500)
    book.now = BEGAN_AT + 1.52
    book >> speech_started(200) << nothing >> speech_stopped(1000) << nothing
    book.now = BEGAN_AT + 1.53
    book >> committed() >> response_created() << nothing
    book.now = BEGAN_AT + 1.90
    book >> audio_delta(ms=10) << nothing
    book.now = BEGAN_AT + 1.95
    book >> audio_delta(ms=400) << to_caller(400)
    book.now = BEGAN_AT + 2.10
    book >> mark("0:1") << note(events.FirstAudioSent, seconds=2.08, after_arrival_s=2.08)
    book << note(
        events.TurnMeasured,
        number=1,
        wait_s=2.08 - 0.98,
        detection_s=1.52 - 0.98,
        model_s=1.90 - 1.52,
        gateway_s=1.95 - 1.90,
        playback_s=2.08 - 1.95,
    )
    book << nothing


def test_the_end_of_speech_may_include_the_vads_silence() -> None:
    """The vendor's does: half a second of it is not the caller's speech."""
    book = answered()
    hears(book, 1500)
    book.now = BEGAN_AT + 1.52
    book >> speech_started(200) >> speech_stopped(1500) >> response_created() << nothing
    book >> audio_delta(ms=20) << to_caller(20)
    book.now += 0.02
    book >> mark("0:1") << ... << nothing
    assert book.call.line.latency.waits_s == pytest.approx([1.52 - 0.98], abs=1e-4)


def test_held_words_stand_on_the_same_line_of_time() -> None:
    """The session's sound begins with the first that was kept, not with the first that came."""
    book = Book(audio="pcmu")
    book >> start() << ...
    kept_s = limits.call.BUFFERED_AUDIO_MAX_MS / 1000
    for n in range(round((kept_s + 2) * 50)):
        book.now = BEGAN_AT + (n + 1) * 0.02
        book.call.handle(frame(n * 20), book.now)
    book >> session_created() << ... >> session_updated(book.agent) << ...
    # What was kept is the session, and the two seconds before it are not.
    assert book.call.line.uplink.spoken_at(kept_s * 1000) == pytest.approx(BEGAN_AT + kept_s + 2)
    assert book.call.line.uplink.spoken_at(1000) == pytest.approx(BEGAN_AT + 3)


def test_late_frames_do_not_move_the_moment_the_caller_spoke() -> None:
    """Jitter only delays: the frame that took the shortest way tells when the stream began."""
    book = answered()
    hears(book, 400)
    for n in range(20, 40):
        book.now = BEGAN_AT + 20 * (n + 1) / 1000 + 0.3
        book >> frame(20 * (n + 1)) << ...
    assert book.call.line.uplink.spoken_at(800) == pytest.approx(BEGAN_AT + 0.78, abs=1e-3)


def test_a_gap_in_the_stream_is_not_taken_for_speech() -> None:
    """The model counts sound that was written; a gap of 500 ms was not."""
    book = answered()
    hears(book, 200)
    for n in range(10):
        at_ms = 720 + 20 * n
        book.now = BEGAN_AT + at_ms / 1000
        book >> frame(at_ms) << ...
    assert book.call.line.uplink.spoken_at(420) == pytest.approx(BEGAN_AT + 0.90, abs=1e-4)


def turn(book: Book, n: int, *, seconds: float) -> None:
    book >> speech_started() >> speech_stopped(AT_ONCE) >> response_created(f"resp_{n}") << nothing
    book.now += seconds
    book >> audio_delta(f"item_{n}", ms=20, response_id=f"resp_{n}") << to_caller(20)
    book >> audio_done(f"item_{n}", f"resp_{n}") >> response_done(f"resp_{n}") << nothing
    book.now += 0.02
    book >> mark(f"0:{n}") << ...


def test_the_waits_of_a_call_are_told_at_its_end() -> None:
    book = answered()
    for n, seconds in enumerate((0.5, 1.25), start=1):
        turn(book, n, seconds=seconds)
    book >> stop()
    (ended,) = [out for out in book.outs() if isinstance(out, events.CallEnded)]
    assert ended.waits_s == pytest.approx((0.5, 1.25))
    assert ended.turns == 2


def test_a_greeting_is_no_turn() -> None:
    book = answered(greeting="Hello.") >> response_created() >> audio_delta(ms=20) << to_caller(20)
    book.now += 0.02
    book >> mark("0:1") << note(events.FirstAudioSent) << nothing
    assert book.call.line.latency.count == 0


def test_one_turn_however_often_the_caller_pauses() -> None:
    book = answered() >> speech_started() >> speech_stopped(AT_ONCE)
    book.now += 3
    book >> speech_started() >> speech_stopped(AT_ONCE) >> response_created() << nothing
    book.now += 1
    book >> audio_delta(ms=20) << to_caller(20)
    book.now += 0.02
    book >> mark("0:1") << note(events.FirstAudioSent) << note(events.TurnMeasured, wait_s=1.0)
    book << nothing


def test_a_turn_that_the_caller_cut_before_hearing_anything_is_not_measured() -> None:
    book = (
        answered() >> speech_started() >> speech_stopped(AT_ONCE) >> response_created() << nothing
    )
    book >> audio_delta(ms=400) << ... >> speech_started() << ... >> mark("0:1") << nothing
    assert book.call.line.latency.count == 0


def test_only_the_first_sound_of_an_answer_closes_its_turn() -> None:
    book = (
        answered() >> speech_started() >> speech_stopped(AT_ONCE) >> response_created() << nothing
    )
    book >> audio_delta(ms=400) << to_caller(400)
    book.now += 0.22
    book >> mark("0:1") << ... >> mark("0:2") << nothing >> audio_delta("item_2", ms=20) << ...
    book.now += 0.3
    book >> mark("0:3") >> mark("0:4") << nothing
    assert book.call.line.latency.count == 1


def test_an_answer_that_waits_behind_other_sound_is_heard_after_it() -> None:
    """An agent that may not be interrupted: its answer begins when the sentence before is over."""
    vad = {"type": "server_vad", "interrupt_response": False}
    book = answered(turn_detection=vad) >> response_created() >> audio_delta(ms=200) << ...
    book.heard_marks = True
    book >> wait(0.3) << ... >> audio_delta(ms=2000) << ... >> audio_done() >> speech_started()
    book >> response_done() >> speech_stopped(AT_ONCE) >> response_created("resp_2") << nothing
    book >> audio_delta("item_2", ms=400, response_id="resp_2") << ... >> wait(2.3)
    (turn,) = [out for out in book.outs() if isinstance(out, events.TurnMeasured)]
    assert turn.wait_s == pytest.approx(2.0, abs=1e-3)
    assert turn.gateway_s + turn.playback_s == pytest.approx(2.0, abs=1e-3)


# --- The ledger by itself ---


def test_no_stage_is_negative() -> None:
    ledger = TurnLatency()
    ledger.stopped(stopped_at=12.0, now=10.0)
    ledger.answered(10.5)
    measured = ledger.heard(sent_at=11.0, played_at=10.9)
    assert measured == events.TurnMeasured(1, 1.0, 0.0, 0.5, 0.5, 0.0)


def test_an_answer_begins_once() -> None:
    ledger = TurnLatency()
    ledger.stopped(1.0, 1.0)
    ledger.answered(2.0)
    ledger.answered(3.0)
    measured = ledger.heard(4.0, 4.0)
    assert measured is not None
    assert (measured.model_s, measured.gateway_s) == (1.0, 2.0)


def test_nothing_was_asked_so_nothing_was_waited_for() -> None:
    ledger = TurnLatency()
    assert ledger.heard(1.0, 2.0) is None
    ledger.stopped(1.0, 1.0)
    assert ledger.waiting
    ledger.abandon()
    assert not ledger.waiting
    assert ledger.heard(1.0, 2.0) is None


def test_the_ledger_does_not_grow_without_end() -> None:
    ledger = TurnLatency()
    for n in range(limits.call.TURNS_KEPT_MAX + 50):
        ledger.stopped(n, n)
        ledger.answered(n)
        assert ledger.heard(n, n + 1)
    assert ledger.count == limits.call.TURNS_KEPT_MAX + 50
    assert len(ledger.waits_s) == limits.call.TURNS_KEPT_MAX
