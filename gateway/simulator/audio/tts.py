"""Text to speech for the simulator: espeak-ng, or tones where speed matters."""

from __future__ import annotations

import asyncio
import ctypes
import re
import threading
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, Final, Protocol

import numpy as np

from gateway.audio.g711 import CALLER_HZ, MODEL_HZ, pcm_to_mulaw
from gateway.errors import ServiceUnreachable
from gateway.simulator.audio.formats import WIRES, Samples, resample

DEFAULT_WPM: Final = 165
TEXT_MAX_CHARS: Final = 4_000
CACHED_UTTERANCES: Final = 256

_RETRIEVAL: Final = 1  # espeak_AUDIO_OUTPUT: hand the samples over, play nothing
_DONT_EXIT: Final = 0x8000
_RATE: Final = 1  # espeak_PARAMETER
_CHARS_UTF8: Final = 1
_OK: Final = 0

_ON_SAMPLES = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)
_ARABIC: Final = re.compile(r"[\u0600-\u06ff]")


def language_of(text: str, otherwise: str = "en") -> str:
    """Return `ar` for Arabic script, else the hint."""
    return "ar" if _ARABIC.search(text) else otherwise


class _Espeak:
    """espeak-ng, a library with one global voice: a lock admits one text at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces: list[bytes] = []
        self._lib, self._hz = _load()
        self._callback = _ON_SAMPLES(self._on_samples)  # kept: C holds no reference
        self._lib.espeak_SetSynthCallback(self._callback)

    def _on_samples(self, samples: Any, count: int, _events: int | None) -> int:
        if samples and count:
            self._pieces.append(ctypes.string_at(samples, count * 2))
        return 0

    def say(self, text: str, language: str, wpm: int) -> Samples:
        """Return samples at the library's own rate."""
        with self._lock:
            self._pieces.clear()
            if self._lib.espeak_SetVoiceByName(language.encode()) != _OK:
                raise ServiceUnreachable(f"espeak-ng has no voice {language!r}: name another one.")
            self._lib.espeak_SetParameter(_RATE, wpm, 0)
            raw = text.encode() + b"\0"
            self._lib.espeak_Synth(raw, len(raw), 0, 0, 0, _CHARS_UTF8, None, None)
            self._lib.espeak_Synchronize()
            return np.frombuffer(b"".join(self._pieces), dtype="<i2")

    @property
    def hz(self) -> int:
        return self._hz


def _load() -> tuple[ctypes.CDLL, int]:
    try:
        import espeakng_loader as wheel  # noqa: PLC0415 - an extra: only those who speak need it

        lib = ctypes.CDLL(wheel.get_library_path())
        data = wheel.get_data_path()
    except (ImportError, OSError, RuntimeError) as error:
        raise ServiceUnreachable(
            "There is no voice: install the wheel espeakng-loader (pip install "
            f"'gateway[simulator]'), or choose the voice 'tone' ({error})."
        ) from error
    lib.espeak_Synth.argtypes = [
        ctypes.c_char_p,
        ctypes.c_size_t,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.c_uint,
        ctypes.c_void_p,
        ctypes.c_void_p,
    ]
    hz = int(lib.espeak_Initialize(_RETRIEVAL, 0, data.encode(), _DONT_EXIT))
    if hz <= 0:
        raise ServiceUnreachable(f"espeak-ng refuses its data in {data}: reinstall the wheel.")
    return lib, hz


_made = lru_cache(maxsize=1)(_Espeak)
_making = threading.Lock()


def _espeak() -> _Espeak:
    """Return the one instance; `lru_cache` alone lets two threads make it at the same time."""
    with _making:
        return _made()


def speak(text: str, language: str = "en", hz: int = MODEL_HZ, wpm: int = DEFAULT_WPM) -> Samples:
    """Return a text spoken by espeak-ng as read-only int16 samples at `hz`, cached.

    Raises `ServiceUnreachable` where the wheel is missing or does not know the language.
    """
    return _spoken(text[:TEXT_MAX_CHARS], language, hz, wpm)


@lru_cache(maxsize=CACHED_UTTERANCES)
def _spoken(text: str, language: str, hz: int, wpm: int) -> Samples:
    espeak = _espeak()
    samples = resample(espeak.say(text, language, wpm), espeak.hz, hz)
    samples.flags.writeable = False
    return samples


class Voice(Protocol):
    """Voice of the simulator: encoded and cached, so that many sessions share the bytes."""

    def say(self, text: str, language: str, wire: str, speed: float = 1.0, /) -> bytes: ...


class SpokenVoice:
    """Voice that speaks by espeak-ng."""

    def say(self, text: str, language: str, wire: str, speed: float = 1.0) -> bytes:
        return _packed(text, language, wire, round(DEFAULT_WPM * speed))


@lru_cache(maxsize=CACHED_UTTERANCES)
def _packed(text: str, language: str, wire: str, wpm: int) -> bytes:
    return WIRES[wire].pack(speak(text, language, wpm=wpm))


class ToneVoice:
    """Voice of tones in the rhythm of syllables, as long as the words; needs no espeak."""

    CHAR_MS: Final = 60

    def say(self, text: str, _language: str, wire: str, speed: float = 1.0) -> bytes:
        syllables = max(1, round(len(text) * self.CHAR_MS / speed / _SYLLABLE_MS))
        return _tones(min(syllables, 240), wire)


_SYLLABLE_MS: Final = 240
_TONE_HZ: Final = 440.0


@lru_cache(maxsize=CACHED_UTTERANCES)
def _tones(syllables: int, wire: str) -> bytes:
    t = np.arange(MODEL_HZ * _SYLLABLE_MS // 1000) / MODEL_HZ
    shape = np.clip(np.sin(np.pi * t / t[-1]) * 3, 0, 1) * (t < 0.18)
    syllable = (np.sin(2 * np.pi * _TONE_HZ * t) * shape * 8000).astype("<i2")
    return WIRES[wire].pack(np.tile(syllable, syllables))


def voice_named(name: str) -> Voice:
    """Return a voice: `on` speaks, or raises now if it cannot; `tone` plays tones."""
    if name == "tone":
        return ToneVoice()
    _espeak()
    return SpokenVoice()


Speaker = Callable[[str, str], Awaitable[bytes]]
"""Text and language to mu-law 8 kHz."""

_one_at_a_time = threading.Lock()
"""The voice is one global library: two threads that load it at once would load it twice."""


def _mulaw(text: str, language: str) -> bytes:
    with _one_at_a_time:
        return pcm_to_mulaw(speak(text, language=language, hz=CALLER_HZ).tobytes())


async def speak_mulaw(text: str, language: str) -> bytes:
    """Return the words as a telephone carries them, made off the event loop and cached."""
    return await asyncio.to_thread(_mulaw, text, language)
