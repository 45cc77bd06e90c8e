"""Sound goes out ahead of the playback clock, by no more than is allowed, and never too late."""

from __future__ import annotations

import numpy as np
import pytest
from call import wires
from call.play import (
    Book,
    answered,
    appends,
    cancels,
    first_mark,
    next_frame,
    note,
    nothing,
    to_caller,
    wait,
)
from call.telephone import Telephone
from call.vendor_events import audio_delta, audio_done, response_created, response_done
from numpy.typing import NDArray

from gateway import limits
from gateway.audio.g711 import mulaw_to_pcm
from gateway.call import events
from gateway.call.context import Out
from gateway.protocols import realtime_server as model
from gateway.protocols.media_stream import OutMedia


def speaking(**agent: object) -> Book:
    return answered(**agent) >> response_created() << nothing


def under_runs(outs: list[Out]) -> list[events.PlaybackUnderRun]:
    return [out for out in outs if isinstance(out, events.PlaybackUnderRun)]


def test_one_frame_opens_an_answer_and_groups_follow_up_to_the_lead() -> None:
    book = speaking() >> audio_delta(ms=5000)
    book << to_caller(20, groups=1) << to_caller(800, groups=4) << nothing


def test_more_goes_out_as_it_is_played() -> None:
    book = speaking() >> audio_delta(ms=5000) << to_caller(820)
    book >> wait(0.019) << nothing >> wait(0.002) << to_caller(200, groups=1) << nothing
    book >> wait(0.198) << nothing >> wait(0.002) << to_caller(200, groups=1) << nothing


@pytest.mark.parametrize("lead_ms", [200, 210, 220, 300, 999, 1000, 5000])
@pytest.mark.parametrize("audio", ["pcm24k", "pcmu"])
def test_the_telephone_never_runs_dry_nor_far_ahead(lead_ms: int, audio: str) -> None:
    """Eight seconds come at once; what the telephone holds stays within the lead, above zero."""
    book = speaking(lead_ms=lead_ms, audio=audio)
    book.heard_marks = True
    book >> audio_delta(ms=8000, audio=audio) << ...
    for _ in range(75):
        book >> wait(0.1) << ...
        assert 0.02 < book.telephone.depth_s(book.now) <= lead_ms / 1000 + 1e-9
    book >> wait(1.0) << ...
    assert book.umpire.sent_ms == 8000
    assert max(book.telephone.silences_s) < 1e-6


@pytest.mark.parametrize("lead_ms", [200, 300, 1000])
@pytest.mark.parametrize("away_s", [0.03, 0.1, 0.2])
def test_nor_when_it_is_far_away(lead_ms: int, away_s: float) -> None:
    """An echo that is late says nothing of the buffer: the telephone plays on meanwhile."""
    book = speaking(lead_ms=lead_ms)
    book.telephone, book.heard_marks = Telephone(away_s), True
    book >> audio_delta(ms=8000) << ...
    book >> wait(8.5) << ...
    assert book.umpire.sent_ms == 8000
    assert max(book.telephone.silences_s) < 1e-6


def test_sound_that_piles_up_is_waited_for() -> None:
    """The telephone plays at half the speed: its marks tell, and no more is sent on trust."""
    book = speaking()
    book.telephone, book.heard_marks = Telephone(slow=2.0), True
    book >> audio_delta(ms=8000) << ...
    for _ in range(60):
        book >> wait(0.1) << ...
        most_ms = book.agent.lead_ms + limits.call.MARKS_LATE_MAX_MS + limits.call.GROUP_MS
        assert book.telephone.depth_s(book.now) / 2 <= most_ms / 1000


def test_a_telephone_that_is_dry_gets_a_frame_though_its_marks_are_late() -> None:
    """They say that it holds enough; the clock says that it plays nothing."""
    book = speaking(lead_ms=200)
    for _ in range(7):
        book >> audio_delta(ms=100) << ... >> wait(0.1) << ...
    book >> first_mark << ...
    book >> audio_delta(ms=300) << to_caller(20, groups=1) << nothing


def test_ragged_deltas_go_out_in_whole_frames() -> None:
    book = speaking() >> audio_delta(ms=13) << nothing >> audio_delta(ms=6) << nothing
    book >> audio_delta(ms=22) << to_caller(20, groups=1) << to_caller(20, groups=1) << nothing
    book >> audio_done() << to_caller(20) << nothing


def test_the_end_of_an_utterance_is_not_held_back() -> None:
    speaking() >> audio_delta(ms=65) << to_caller(60) >> audio_done() << to_caller(20) << nothing


def test_an_odd_byte_is_no_harm() -> None:
    book = speaking()
    odd = audio_delta(ms=20)
    odd.delta = odd.delta[:-1]
    book >> odd << nothing >> audio_delta(ms=20) << to_caller(20) << nothing


def heard(*deltas: model.AudioDelta | model.AudioDone) -> NDArray[np.int16]:
    """What the caller hears of these, as PCM16."""
    book = speaking(lead_ms=5000)
    sent = []
    for delta in deltas:
        book >> delta
        sent += [wires.to_caller(out.data) for out in book.outs()]
    mulaw = b"".join(one.media.payload for one in sent if isinstance(one, OutMedia))
    return np.frombuffer(mulaw_to_pcm(mulaw), np.int16)


def tone_deltas(*parts: tuple[str, float]) -> list[model.AudioDelta]:
    """A tone of 1 kHz without a break, cut into deltas of these items and lengths (ms)."""
    samples = round(sum(ms for _, ms in parts) * 24)
    pcm = np.sin(np.arange(samples) * (2 * np.pi * 1000 / 24_000)) * 12_000
    sound, deltas = pcm.astype(np.int16).tobytes(), []
    for item_id, ms in parts:
        size = round(ms * 24) * 2
        deltas.append(model.AudioDelta(response_id="resp_1", item_id=item_id, delta=sound[:size]))
        sound = sound[size:]
    return deltas


def snr_db(sound: NDArray[np.int16], reference: NDArray[np.int16]) -> float:
    size = min(len(sound), len(reference))
    wanted = reference[:size].astype(float)
    noise = sound[:size] - wanted
    return float(10 * np.log10((wanted**2).sum() / max((noise**2).sum(), 1e-9)))


@pytest.mark.parametrize(
    "items",
    [
        ["item_1", "item_2", "done", "item_2", "item_2", "item_2"],
        ["item_1", "item_2", "item_2", "item_1", "item_2", "done"],
    ],
)
def test_an_item_that_is_done_late_leaves_the_sound_of_the_next_alone(items: list[str]) -> None:
    """Filter and framer belong to the stream: it sounds as if all were one item."""
    parts = [541.0, 65.5, 241.0, 300.0, 252.5]
    one = tone_deltas(*(("item_1", ms) for ms in parts))
    spoken = [item for item in items if item != "done"]
    two: list[model.AudioDelta | model.AudioDone] = [*tone_deltas(*zip(spoken, parts, strict=True))]
    two.insert(items.index("done"), audio_done("item_1"))
    reference = heard(*one, audio_done("item_1"))
    assert len(reference) == 1420 * 8
    assert snr_db(heard(*two, audio_done("item_2")), reference) > 60


def test_the_very_sound_goes_out_untouched_in_pcmu() -> None:
    book = speaking(audio="pcmu")
    sent = []
    for code in (0x31, 0x32):
        book >> audio_delta(ms=50, audio="pcmu", code=code)
        sent += [wires.to_caller(out.data) for out in book.outs()]
    sound = b"".join(one.media.payload for one in sent if isinstance(one, OutMedia))
    assert sound == b"\x31" * 400 + b"\x32" * 400


def test_an_under_run_of_the_models_making() -> None:
    """Nothing was there to send: 100 ms of hole in the middle of an item."""
    book = speaking() >> audio_delta(ms=400) << to_caller(400) >> wait(0.5) << nothing
    book >> audio_delta(ms=400) << to_caller(20) << to_caller(380)
    book << note(events.PlaybackUnderRun, cause="model", gap_s=0.1) << nothing


@pytest.mark.parametrize("woken_by", [response_done(), audio_delta(ms=400)])
def test_an_under_run_of_our_making(woken_by: object) -> None:
    """Sound was there, and our process slept through its deadline."""
    book = speaking() >> audio_delta(ms=3000) << to_caller(820)
    book.now += 1.0
    book << nothing >> woken_by
    book << to_caller(820) << note(events.PlaybackUnderRun, cause="gateway", gap_s=0.18) << nothing


def test_a_pause_between_items_is_no_under_run() -> None:
    book = speaking() >> audio_delta(ms=400) << to_caller(400) >> audio_done() >> wait(1.0)
    book >> audio_delta("item_2", ms=400) << to_caller(400) << nothing


def test_a_gap_too_short_to_be_known_is_no_under_run() -> None:
    book = speaking() >> audio_delta(ms=400) << to_caller(400) >> wait(0.405)
    book >> audio_delta(ms=400) << to_caller(400) << nothing


@pytest.mark.parametrize(("short_by_ms", "known"), [(0.005, False), (-0.005, True)])
def test_the_shortest_gap_that_is_known(short_by_ms: float, known: bool) -> None:
    book = speaking() >> audio_delta(ms=400) << to_caller(400)
    gap_ms = limits.call.UNDERRUN_MIN_MS - short_by_ms
    book >> wait(0.4 + gap_ms / 1000) >> audio_delta(ms=400) << to_caller(400)
    if known:
        book << note(events.PlaybackUnderRun)
    book << nothing


def test_a_deadline_is_met_by_one_tick_at_any_hour() -> None:
    """Sums of floats must not leave a deadline in the past that its tick does not meet."""
    for hour in range(24):
        book = answered(now=hour * 3600 + hour / 7, greeting=None) >> response_created()
        book >> audio_delta(ms=3000) << to_caller(820)
        for _ in range(8):
            deadline = book.call.deadline
            assert deadline is not None
            book.now = max(book.now, deadline)
            outs = book.call.tick(book.now)
            if outs:
                book.umpire.after(outs, book.now)
            assert book.call.deadline is not None
            assert book.call.deadline > book.now


def test_too_long_an_answer_is_stopped_once() -> None:
    """More than ten minutes ahead, Twilio throws sound away."""
    book = speaking(audio="pcmu")
    for _ in range(61):
        book >> audio_delta(ms=10_000, audio="pcmu") << ...
    (
        book
        >> audio_delta(ms=100, audio="pcmu")
        << note(events.AudioDropped, reason="unplayed", ms=100)
        << cancels("resp_1")
        << nothing
        >> audio_delta(ms=100, audio="pcmu")
        << nothing
    )


def test_frames_of_the_callers_send_nothing_down() -> None:
    book = speaking() >> audio_delta(ms=3000) << to_caller(820)
    for _ in range(20):
        book >> next_frame << appends(20) << nothing
