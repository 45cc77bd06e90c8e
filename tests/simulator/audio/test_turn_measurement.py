"""Turns measured from sound whose times are known."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from voices import is_loud, tone

from gateway.simulator.audio.analysis import heard_keys, keypad, likeness, silence
from gateway.simulator.audio.turn_measurement import MeasuredSound, Utterance, percentile, turns


def lay(*pieces: tuple[int, int]) -> bytes:
    """Tones by begin and end in ms."""
    sound = b""
    for begin, end in pieces:
        sound += silence(begin - len(sound) / 8) + tone(end - begin, seed=begin)
    return sound + silence(1000)


def utterance(kind: str, begin_ms: int, end_ms: int) -> Utterance:
    return Utterance(1, kind, "words", begin_ms * 8, end_ms * 8)


def test_the_wait_is_from_the_last_sound_said_to_the_first_sound_heard():
    spoken = lay((1000, 2000))
    heard = lay((200, 700), (2640, 3000))
    greeting, turn = turns(spoken, heard, [utterance("say", 900, 2300)])
    assert (greeting.heard.begin_ms, greeting.heard.end_ms) == (200, 700)
    assert (turn.said.begin_ms, turn.said.end_ms) == (1000, 2000)
    assert turn.latency_ms == 640
    assert turn.silent_after_ms is None
    assert not turn.barged_in


def test_a_barge_in_is_over_when_the_other_voice_is_silent():
    spoken = lay((2000, 3000))
    heard = lay((500, 2250), (3500, 4000))
    _, turn = turns(spoken, heard, [utterance("interrupt", 2000, 3000)])
    assert turn.barged_in
    assert turn.silent_after_ms == 250
    assert turn.latency_ms == 500


def test_the_pause_of_a_comma_is_not_the_end_of_a_voice():
    heard = lay((500, 2050), (2300, 2600), (4000, 4200))
    _, turn = turns(lay((2000, 3000)), heard, [utterance("interrupt", 2000, 3000)])
    assert turn.silent_after_ms == 600
    assert turn.latency_ms == 1000


def test_a_voice_that_talks_on_was_not_stopped():
    _, turn = turns(lay((2000, 2500)), lay((500, 5500)), [utterance("interrupt", 2000, 2500)])
    assert turn.silent_after_ms == 3500
    assert not turn.barged_in
    assert turn.heard is None
    assert turn.latency_ms is None


def test_silence_has_no_turn_but_the_greeting_that_never_came():
    (greeting,) = turns(b"", silence(1000), [])
    assert greeting.heard is None
    assert MeasuredSound(silence(1000)).total_ms == 0


def test_an_echo_is_known_among_other_sound_and_a_stranger_is_not():
    words = tone(900, seed=7)
    heard = silence(300) + tone(500, hz=700, seed=1) + words + tone(300, seed=2)
    assert likeness(words, heard) > 0.98
    assert likeness(tone(900, hz=517, seed=8), heard) < 0.4
    assert likeness(words, b"") == likeness(b"", words) == likeness(words, silence(500)) == 0


def test_keys_are_heard_and_w_is_half_a_second():
    assert len(keypad("1w2")) == len(keypad("12")) + 4000
    assert is_loud(keypad("5"))
    assert not is_loud(silence(20))


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_one_of_its_values_with_enough_below_it(values, share):
    found = percentile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6


def test_a_percentile_of_nothing():
    assert percentile([], 0.5) is None


def test_keys_are_told_apart_from_each_other_and_from_voices():
    every = "0123456789*#ABCD11"
    assert heard_keys(keypad(every)) == every
    assert heard_keys(keypad("1w2")) == "12"
    assert heard_keys(b"") == heard_keys(silence(500)) == ""
    assert heard_keys(tone(500, 697.0)) == heard_keys(tone(500, 1209.0)) == ""
