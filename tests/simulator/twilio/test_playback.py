"""Twilio's outbound buffer, by vectors and by properties."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.twilio.playback import OVERFLOW_SAMPLES, Gap, Playback, Track

A, B = b"\x01" * 160, b"\x02" * 160


def test_media_is_played_in_order_and_silence_where_there_is_none():
    playback = Playback()
    playback.media(A, 80)
    playback.media(B, 100)
    assert playback.heard(480) == b"\xff" * 80 + A + B + b"\xff" * 80


def test_a_mark_comes_back_when_all_before_it_was_played():
    playback = Playback()
    playback.media(A, 0)
    assert playback.mark("a", 10) is False
    playback.media(B, 10)
    playback.mark("b", 10)
    assert playback.next_mark == 160
    assert playback.played(159) == []
    assert playback.played(160) == ["a"]
    assert playback.played(1000) == ["b"]


def test_a_mark_comes_back_at_once_when_the_buffer_is_empty():
    playback = Playback()
    assert playback.mark("a", 0) is True
    playback.media(A, 0)
    assert playback.mark("b", 160) is True


def test_a_mark_never_overtakes_one_that_has_not_been_echoed():
    playback = Playback()
    playback.media(A, 0)
    playback.mark("a", 0)
    assert playback.mark("b", 160) is False
    assert playback.played(160) == ["a", "b"]


def test_clear_silences_at_once_and_echoes_every_pending_mark():
    playback = Playback()
    playback.media(A, 0)
    playback.mark("a", 0)
    playback.media(B, 0)
    playback.mark("b", 0)
    assert playback.clear(40) == ["a", "b"]
    assert playback.heard(200) == A[:40] + b"\xff" * 160
    assert playback.played(1000) == []
    assert playback.mark("c", 40) is True


def test_what_comes_after_a_clear_is_played_at_once():
    playback = Playback()
    playback.media(A, 0)
    playback.clear(40)
    playback.media(B, 50)
    assert playback.heard(210) == A[:40] + b"\xff" * 10 + B
    assert playback.gaps == []


def test_a_buffer_that_runs_dry_leaves_a_gap():
    playback = Playback()
    playback.media(A, 0)
    playback.media(B, 240)
    assert playback.gaps == [Gap(at_ms=20, length_ms=10)]


def test_more_than_ten_minutes_are_thrown_away():
    playback = Playback()
    assert playback.media(b"\x01" * OVERFLOW_SAMPLES, 0)
    assert not playback.media(A, 0)
    assert playback.media(A, 160)
    assert playback.dropped_samples == 160


def test_a_voice_that_is_cut_says_how_much_was_lost():
    track = Track()
    assert track.add(A, 100) == 100
    assert track.cut(200) == 60
    assert track.between(90, 210) == b"\xff" * 10 + A[:100] + b"\xff" * 10


wait = st.integers(0, 2000)
acts = st.lists(
    st.one_of(
        st.tuples(st.just("media"), wait, st.integers(0, 3000)),
        st.tuples(st.just("mark"), wait, st.just(0)),
        st.tuples(st.just("clear"), wait, st.just(0)),
    ),
    max_size=30,
)


@given(acts)
def test_every_mark_comes_back_exactly_once_in_order_and_never_too_soon(plan):
    playback, now, sent, echoed = Playback(), 0, [], []
    owed = 0  # an oracle of its own: how much sound is still to be played
    for number, (act, pause, size) in enumerate(plan):
        now += pause
        owed = max(owed - pause, 0)
        echoed += playback.played(now)
        if act == "media":
            playback.media(b"\x01" * size, now)
            owed += size
        elif act == "clear":
            echoed += playback.clear(now)
            owed = 0
        else:
            sent.append(number)
            if playback.mark(str(number), now):
                assert owed == 0
                echoed.append(str(number))
        assert playback.buffered(now) == owed
    assert len(playback.heard(now)) == now
    echoed += playback.played(now + owed)
    assert echoed == [str(number) for number in sent]


@given(st.lists(st.tuples(wait, st.binary(max_size=400)), max_size=20))
def test_no_sound_is_lost_or_changed_without_a_clear(pieces):
    playback, now = Playback(), 0
    for pause, sound in pieces:
        now += pause
        playback.media(sound.replace(b"\xff", b"\x00"), now)
    heard = playback.heard(now + playback.buffered(now))
    said = b"".join(sound.replace(b"\xff", b"\x00") for _, sound in pieces)
    assert heard.replace(b"\xff", b"") == said
