"""Synthesized tones: telephone keys, test tones, and a soft hold tone."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from gateway.audio.g711 import CALLER_HZ, MULAW_SILENCE, pcm_to_mulaw

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS_HZ = (697, 770, 852, 941)
_COLUMNS_HZ = (1209, 1336, 1477, 1633)
# ITU-T Q.23: each key is one tone of its row and one of its column.
DTMF_HZ: dict[str, tuple[int, int]] = {
    key: (_ROWS_HZ[at // 4], _COLUMNS_HZ[at % 4]) for at, key in enumerate("123A456B789C*0#D")
}
_DTMF_LOW_DBFS = -12.0
# The line loses more at the top: the higher tone is sent 2 dB louder, as telephones do.
_DTMF_HIGH_DBFS = -10.0

KEY_MS = 100
KEY_GAP_MS = 100
_WAIT_MS = {"w": 500, "W": 1_000}
_RAMP_MS = 5
_HOLD_DBFS = -30.0
_HOLD_NOTE_MS = 1_600
_HOLD_REST_MS = 2_400
# A fifth and an octave over A3, none of them near a DTMF frequency.
_HOLD_CHORD_HZ = (220.0, 330.0, 440.0)


def dtmf_mulaw(digit: str, ms: int) -> bytes:
    """Return one key of `0-9 * # A-D`, as mu-law; KeyError for any other."""
    low_hz, high_hz = DTMF_HZ[digit]
    tone = _sine(low_hz, ms, _DTMF_LOW_DBFS, CALLER_HZ)
    tone += _sine(high_hz, ms, _DTMF_HIGH_DBFS, CALLER_HZ)
    return pcm_to_mulaw(_pcm(_ramped(tone, CALLER_HZ)))


def keys_mulaw(digits: str) -> bytes:
    """Return keys in a row, in whole frames; `w` waits half a second, `W` a whole one."""
    return b"".join(
        MULAW_SILENCE * (_WAIT_MS[digit] * CALLER_HZ // 1_000)
        if digit in _WAIT_MS
        else dtmf_mulaw(digit, KEY_MS) + MULAW_SILENCE * (KEY_GAP_MS * CALLER_HZ // 1_000)
        for digit in digits
    )


def tone_pcm(hz: float, ms: int, level_dbfs: float, rate: int) -> bytes:
    """Return a steady sine as PCM16, from its zero crossing; 0 dBFS is full scale."""
    return _pcm(_sine(hz, ms, level_dbfs, rate))


@cache
def hold_mulaw() -> bytes:
    """Return four seconds of mu-law to loop: a soft chord that swells and fades, then silence."""
    chord = sum(
        (_sine(hz, _HOLD_NOTE_MS, _HOLD_DBFS, CALLER_HZ) for hz in _HOLD_CHORD_HZ),
        start=np.zeros(_HOLD_NOTE_MS * CALLER_HZ // 1_000),
    )
    swell = np.hanning(len(chord)) / len(_HOLD_CHORD_HZ)
    rest = np.zeros(_HOLD_REST_MS * CALLER_HZ // 1_000)
    return pcm_to_mulaw(_pcm(np.concatenate([chord * swell, rest])))


def _sine(hz: float, ms: int, level_dbfs: float, rate: int) -> NDArray[np.float64]:
    peak = 32_767 * 10 ** (level_dbfs / 20)
    return np.asarray(peak * np.sin(2 * np.pi * hz / rate * np.arange(ms * rate // 1_000)))


def _ramped(tone: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """Raise and lower the ends over 5 ms, so that a key does not click."""
    length = min(_RAMP_MS * rate // 1_000, len(tone) // 2)
    ramp = np.sin(np.linspace(0, np.pi / 2, length, endpoint=False)) ** 2
    tone[:length] *= ramp
    tone[len(tone) - length :] *= ramp[::-1]
    return tone


def _pcm(tone: NDArray[np.float64]) -> bytes:
    return np.rint(tone).clip(-32_768, 32_767).astype(np.int16).tobytes()
