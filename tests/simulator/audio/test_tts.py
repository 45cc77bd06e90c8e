"""The far ends have voices."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

from gateway.errors import ServiceUnreachable
from gateway.simulator.audio import tts
from gateway.simulator.audio.tts import SpokenVoice, ToneVoice, language_of, speak


def seconds(samples: np.ndarray, hz: int) -> float:
    return len(samples) / hz


def test_words_become_sound_at_the_rate_asked_for() -> None:
    wide, narrow = speak("Good morning."), speak("Good morning.", hz=8000)
    assert wide.dtype == np.int16
    assert seconds(wide, 24000) == pytest.approx(seconds(narrow, 8000), abs=0.01)
    assert 0.5 < seconds(wide, 24000) < 2
    assert np.abs(wide).max() > 5000


def test_slower_speech_is_longer() -> None:
    assert len(speak("one two three four", wpm=100)) > 1.3 * len(speak("one two three four"))


def test_arabic_is_spoken_in_arabic() -> None:
    text = "مرحبا بكم في البوابة"
    assert language_of(text) == "ar"
    assert language_of("Bonjour", "fr") == "fr"
    arabic, english = speak(text, "ar"), speak(text, "en")
    assert np.abs(arabic).max() > 5000
    assert len(arabic) != len(english)


def test_what_was_said_is_kept_and_nobody_can_spoil_it() -> None:
    first = speak("Keep this.")
    assert speak("Keep this.") is first
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1


def test_many_threads_speak_at_once() -> None:
    expected = {n: len(speak(f"number {n}")) for n in range(4)}
    tts._spoken.cache_clear()
    found: dict[int, int] = {}
    threads = [
        threading.Thread(target=lambda n=n: found.update({n: len(speak(f"number {n}"))}))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # espeak never says a thing twice in exactly the same way, but two at once would add up
    assert found == {n: pytest.approx(length, rel=0.1) for n, length in expected.items()}


def test_a_language_that_nobody_knows_is_said_so() -> None:
    with pytest.raises(ServiceUnreachable, match="no voice 'zz'"):
        speak("x", "zz")


def test_without_the_wheel_there_is_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(ServiceUnreachable, match="gateway\\[simulator\\]"):
        tts._load()


def test_tones_take_as_long_as_words_and_are_shared() -> None:
    tone = ToneVoice().say("x" * 40, "en", "audio/pcmu")
    assert len(tone) / 8000 == pytest.approx(2.4)
    assert ToneVoice().say("y" * 40, "ar", "audio/pcmu") is tone


def test_each_wire_carries_the_same_words() -> None:
    sizes = {w: len(SpokenVoice().say("Hello there.", "en", w)) for w in tts.WIRES}
    assert sizes["audio/pcm"] == pytest.approx(6 * sizes["audio/pcmu"], rel=0.01)
    assert sizes["audio/pcma"] == sizes["audio/pcmu"]
