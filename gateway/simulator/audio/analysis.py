"""Analysis of telephone sound: spans, loudness, correlation, DTMF tones."""

from __future__ import annotations

import wave
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from gateway.audio.g711 import CALLER_HZ, MULAW_SILENCE, mulaw_to_pcm, pcm_to_mulaw
from gateway.audio.recording import to_hz, write_wav
from gateway.audio.tones import dtmf_mulaw

LOUD_RMS: Final = 64
"""Level of sound: about -54 dBFS, the softest start of a word on a line without noise."""
KEY_MS: Final = 120
KEY_GAP_MS: Final = 80

_LOW_HZ: Final = (697, 770, 852, 941)
_HIGH_HZ: Final = (1209, 1336, 1477, 1633)
_PURE: Final = 0.9
"""Share of the energy in a key's two tones; no voice reaches it."""
_LINEAR: Final = np.frombuffer(mulaw_to_pcm(bytes(range(256))), np.int16)
_POWER: Final = _LINEAR.astype(np.float64) ** 2


def samples(ms: float) -> int:
    return round(ms * CALLER_HZ / 1000)


def milliseconds(count: int) -> float:
    return count * 1000 / CALLER_HZ


def silence(ms: float) -> bytes:
    return MULAW_SILENCE * samples(ms)


def loudness(mulaw: bytes, window: int) -> npt.NDArray[np.float64]:
    """Return the RMS of each whole window of samples."""
    power = _POWER[np.frombuffer(mulaw, np.uint8)]
    whole = len(power) // window * window
    return np.asarray(np.sqrt(power[:whole].reshape(-1, window).mean(axis=1)))


def loud_ms(mulaw: bytes) -> float:
    """Return the duration of sound in it."""
    window = samples(10)
    return milliseconds(int((loudness(mulaw, window) > LOUD_RMS).sum()) * window)


def likeness(original: bytes, heard: bytes) -> float:
    """Return the peak, 0..1, of the normalised cross-correlation with a longer recording.

    What lies under the original at each place is what it is normalised by, so that silence or
    speech around an echo does not count against it.
    """
    needle, hay = (_LINEAR[np.frombuffer(it, np.uint8)].astype(float) for it in (original, heard))
    if not needle.any() or not hay.any():
        return 0.0
    size = 1 << (len(needle) + len(hay)).bit_length()
    spectrum = np.fft.rfft(hay, size) * np.conj(np.fft.rfft(needle, size))
    product = np.abs(np.fft.irfft(spectrum, size)[: len(hay)])
    under = _energy_under(hay, len(needle))
    # A floor, lest a sliver of the original over next to nothing look like anything.
    floor = 0.05 * float(needle @ needle)
    return float((product / np.sqrt(np.maximum(under, floor) * float(needle @ needle))).max())


def _energy_under(hay: npt.NDArray[np.float64], length: int) -> npt.NDArray[np.float64]:
    energy = np.concatenate(([0.0], np.cumsum(hay**2)))
    begins = np.arange(len(hay))
    return np.asarray(energy[np.minimum(begins + length, len(hay))] - energy[begins])


def same_words(original: bytes, heard: bytes) -> float:
    """Return the best correlation, at most 1, of a speech's loudness with a recording's.

    A voice that says the same twice never makes the same wave; the rise and fall stays.
    """
    window = samples(10)
    needle = loudness(original, window)
    hay = np.pad(loudness(heard, window), len(needle))
    needle = needle - needle.mean()
    places = np.lib.stride_tricks.sliding_window_view(hay, len(needle))
    places = places - places.mean(axis=1, keepdims=True)
    energy = np.sqrt((places**2).sum(axis=1) * (needle @ needle))
    return float((places @ needle / np.maximum(energy, 1e-9)).max())


def keypad(digits: str) -> bytes:
    """Return DTMF as mu-law; `w` is half a second of silence. Raises KeyError for others."""
    pauses = {"w": silence(500), "W": silence(1000)}
    return b"".join(
        pauses.get(digit) or dtmf_mulaw(digit.upper(), KEY_MS) + silence(KEY_GAP_MS)
        for digit in digits
    )


def heard_keys(mulaw: bytes) -> str:
    """Return the keys whose DTMF tones are in the sound."""
    window, pad = samples(40), "123A456B789C*0#D"
    heard, last = "", ""
    for at in range(0, len(mulaw) - window + 1, samples(20)):
        key = _key(_LINEAR[np.frombuffer(mulaw[at : at + window], np.uint8)].astype(float), pad)
        if key and key != last:
            heard += key
        last = key
    return heard


def _key(sound: npt.NDArray[np.float64], pad: str) -> str:
    energy = float(sound @ sound)
    if energy < len(sound) * LOUD_RMS**2:
        return ""
    turns = np.arange(len(sound)) * (2j * np.pi / CALLER_HZ)
    low, high = (
        [2 * abs(np.exp(turns * hz) @ sound) ** 2 / (energy * len(sound)) for hz in group]
        for group in (_LOW_HZ, _HIGH_HZ)
    )
    if max(low) + max(high) < _PURE or min(max(low), max(high)) < _PURE / 4:
        return ""
    return pad[4 * low.index(max(low)) + high.index(max(high))]


def read_mulaw(source: Path | bytes) -> bytes:
    """Return mu-law 8 kHz of a PCM16 WAV's first channel. Raises ValueError for other files."""
    try:
        with wave.open(BytesIO(source) if isinstance(source, bytes) else str(source)) as file:
            if file.getsampwidth() != 2:
                raise ValueError(f"{file.getsampwidth() * 8}-bit samples: convert it to PCM16")
            frames = np.frombuffer(file.readframes(file.getnframes()), np.int16)
            pcm, rate_hz = frames[:: file.getnchannels()], file.getframerate()
    except (OSError, EOFError, wave.Error) as error:
        raise ValueError(f"no readable WAV file ({error})") from error
    return pcm_to_mulaw(to_hz(pcm, rate_hz, CALLER_HZ).tobytes())


def write_stereo(path: Path, left: bytes, right: bytes) -> None:
    """Write a PCM16 WAV at 8 kHz of two mu-law tracks."""
    write_wav(path, [mulaw_to_pcm(left), mulaw_to_pcm(right)], CALLER_HZ)
