"""Resampler of live audio: 8 kHz <-> 24 kHz, exactly 1:3, without buffering.

A linear-phase FIR in polyphase form, as one matrix product: each row of the left operand is a
window of (history + frame), each column of the right one holds the taps of one output sample.
It is taken in float32, twice as fast as in float64. The rounding error of a sum stays below a
hundredth of a sample's last bit for speech; where a BLAS adds in another order (for another
number of rows, on another machine), one sample in thousands may differ in its last bit,
which is 40 dB below the noise of mu-law itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from gateway.audio.g711 import (
    CALLER_HZ,
    FRAME_MS,
    MODEL_HZ,
    MULAW_SILENCE,
    audioop,
    mulaw_to_pcm,
    pcm_peak,
    pcm_to_mulaw,
)
from gateway.errors import BugError

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATIO = MODEL_HZ // CALLER_HZ
TAPS = 91
# A whole number of samples at both rates: 1.875 ms.
DELAY_24K_SAMPLES = (TAPS - 1) // 2
DELAY_MS = DELAY_24K_SAMPLES * 1000 / MODEL_HZ

_PASS_HZ = 3_400
# What lies above this folds to below _PASS_HZ.
_STOP_HZ = CALLER_HZ - _PASS_HZ
# How much more an error counts in the stop band: -84 dB there, +-0.02 dB in the pass band.
_STOP_WEIGHT = 30.0
_PEAK = 32_767
# No sum is larger: the magnitudes of the taps for one output add up to less than two.
_OVERSHOOT = 65_536
# The loudest codes; what was clipped has one of them.
_LOUDEST = b"\x80", b"\x00"
# Kept: numpy makes a new one of a type's name, or of its class, for each call.
_INT16, _FLOAT32, _INDEX = np.dtype(np.int16), np.dtype(np.float32), np.dtype(np.intp)

_ulaw2lin = audioop.ulaw2lin  # `mulaw_to_pcm` without the call, for each frame

_HISTORY = (TAPS - 1) // RATIO
# 8 kHz samples in a row, measured for 20 ms on the way up and for 200 ms on the way down.
_UP_BLOCK, _DOWN_BLOCK = 10, 16
# OpenBLAS wakes its threads above 262,144 multiplications; this stays below, at 220,800.
_ROWS = 100
_FRAME_SAMPLES = FRAME_MS * CALLER_HZ // 1_000
_FRAME_BYTES = 2 * _FRAME_SAMPLES
# Kept: Python 3.11 makes a slice anew wherever one is written out.
_AFTER_FRAME = slice(_FRAME_BYTES, None)


@cache
def lowpass() -> NDArray[np.float64]:
    """Return the 91 taps at 24 kHz, with a gain of one: least squares over both bands at once."""
    hz = np.concatenate([np.linspace(0, _PASS_HZ, 300), np.linspace(_STOP_HZ, MODEL_HZ / 2, 600)])
    wanted = (hz <= _PASS_HZ).astype(np.float64)
    weight = np.where(wanted, 1.0, _STOP_WEIGHT)
    cosines = np.cos(2 * np.pi * np.outer(hz / MODEL_HZ, np.arange(DELAY_24K_SAMPLES + 1)))
    half = np.linalg.lstsq(cosines * weight[:, None], wanted * weight, rcond=None)[0]
    taps = np.concatenate([half[:0:-1] / 2, half[:1], half[1:] / 2])
    return np.asarray(taps / taps.sum())


def _up_matrix() -> NDArray[np.float32]:
    """Return (history + block, 3 block): each phase of the taps, shifted along the block."""
    matrix = np.zeros((_HISTORY + _UP_BLOCK, RATIO * _UP_BLOCK))
    newest_first = np.append(lowpass() * RATIO, np.zeros(RATIO - 1)).reshape(-1, RATIO)
    for sample in range(_UP_BLOCK):
        columns = slice(RATIO * sample, RATIO * (sample + 1))
        matrix[sample : sample + _HISTORY + 1, columns] = newest_first[::-1]
    return matrix.astype(np.float32)


def _down_matrix() -> NDArray[np.float32]:
    """Return (3 (history + block), block): the taps, three samples further for each output."""
    matrix = np.zeros((RATIO * (_HISTORY + _DOWN_BLOCK), _DOWN_BLOCK))
    for sample in range(_DOWN_BLOCK):
        matrix[RATIO * sample : RATIO * sample + TAPS, sample] = lowpass()
    return matrix.astype(np.float32)


def _mulaw_codes() -> NDArray[np.uint8]:
    """Codes of all samples, negative ones counted from the end; clipped beyond 16 bits."""
    samples = np.arange(-_OVERSHOOT, _OVERSHOOT).clip(-_PEAK, _PEAK).astype(np.int16)
    codes = np.frombuffer(pcm_to_mulaw(samples.tobytes()), np.uint8)
    return np.roll(codes, _OVERSHOOT)


# Made at import, some milliseconds, so that no caller waits for it.
_UP, _DOWN, _MULAW = _up_matrix(), _down_matrix(), _mulaw_codes()


class _Polyphase:
    """Stream through one of the matrices; keeps only the last samples it was given, as bytes."""

    def __init__(self, matrix: NDArray[np.float32], history: int) -> None:
        self._matrix = matrix
        self._window = matrix.shape[0]
        self._step_bytes = 2 * (self._window - history)
        self._out_bytes = 2 * matrix.shape[1]
        self._silence = bytes(2 * history)
        self._history = self._silence
        self._safe_peak = int(_PEAK / np.abs(matrix).sum(axis=0).max())
        self.saturated = 0

    def reset(self) -> None:
        """Forget earlier samples; the next sample follows silence. `saturated` stays."""
        self._history = self._silence

    def _filter(self, pcm: bytes) -> bytes:
        longest = _ROWS * self._step_bytes
        if len(pcm) <= longest:
            return self._product(pcm) if pcm else b""
        return b"".join(self._product(pcm[at : at + longest]) for at in range(0, len(pcm), longest))

    def _with_history(self, pcm: bytes) -> bytes:
        data = self._history + pcm
        self._history = data[-len(self._silence) :]
        return data

    def _loud(self, data: bytes) -> bool:
        """Return whether clipping is possible: below a level the taps cannot add up to more."""
        return pcm_peak(data) > self._safe_peak

    def _product(self, pcm: bytes) -> bytes:
        data = self._with_history(pcm)
        sums = self._sums(data, len(pcm))
        if self._loud(data):
            self._clip(sums)
        return sums.astype(_INT16).tobytes()

    def _sums(self, data: bytes, new_bytes: int) -> NDArray[np.float32]:
        """Return whole numbers, one for each sample that is due, not yet clipped."""
        rows, ragged = divmod(new_bytes, self._step_bytes)
        if ragged:
            rows += 1
            data += bytes(self._step_bytes - ragged)
        windows = np.ndarray((rows, self._window), _INT16, data, 0, (self._step_bytes, 2))
        sums: NDArray[np.float32] = windows.astype(_FLOAT32).dot(self._matrix)
        np.rint(sums, sums)
        if ragged:
            return sums.reshape(-1)[: new_bytes * self._out_bytes // self._step_bytes // 2]
        return sums

    def _clip(self, sums: NDArray[np.float32]) -> None:
        over = int(np.count_nonzero(np.abs(sums) > _PEAK))
        if over:
            np.clip(sums, -_PEAK, _PEAK, out=sums)
            self.saturated += over


@cache
def _quiet_codes(safe_peak: int) -> bytes:
    """Return a table for `bytes.translate` that changes the codes of samples above that."""
    silence = MULAW_SILENCE[0]
    return bytes(
        code if pcm_peak(mulaw_to_pcm(bytes((code,)))) <= safe_peak else silence
        for code in range(256)
    )


_Product = Callable[[bytes, Callable[["NDArray[np.float32]"], None] | None], bytes]


def _frame_product() -> _Product:
    """Return a function that resamples a frame with its history to PCM16.

    It owns arrays for 20 ms of the uplink: numpy would make four of them anew for each frame. Its
    second argument clips sound that may be too loud. All that it uses is looked up here, once.
    """
    data = bytearray(2 * (_HISTORY + _FRAME_SAMPLES))
    samples = memoryview(data)
    shape = (_FRAME_SAMPLES // _UP_BLOCK, _HISTORY + _UP_BLOCK)
    windows = np.ndarray(shape, _INT16, data, 0, (2 * _UP_BLOCK, 2))
    floats = np.empty(shape, _FLOAT32)
    sums = np.empty((shape[0], RATIO * _UP_BLOCK), _FLOAT32)
    in_a_row = sums.reshape(-1)
    out = np.empty(in_a_row.shape, _INT16)
    dot, rint, tobytes = floats.dot, np.rint, out.tobytes

    def product(frame: bytes, clip: Callable[[NDArray[np.float32]], None] | None) -> bytes:
        samples[:] = frame
        floats[...] = windows
        dot(_UP, sums)
        rint(sums, sums)
        if clip is not None:
            clip(sums)
        out[...] = in_a_row
        return tobytes()

    return product


_spare = [_frame_product()]


class Upsampler(_Polyphase):
    """Resample 8 kHz -> 24 kHz, PCM16: exactly 3n samples out for n in, 1.875 ms late."""

    def __init__(self) -> None:
        super().__init__(_UP, _HISTORY)
        self._quiet = _quiet_codes(self._safe_peak)
        self._after_loud = False
        """Whether the history may hold samples above the safe peak."""

    def reset(self) -> None:
        super().reset()
        self._after_loud = False

    def from_mulaw(self, mulaw: bytes) -> bytes:
        """Resample what mu-law stands for: any number of its bytes."""
        if len(mulaw) != _FRAME_SAMPLES:
            return self.process(mulaw_to_pcm(mulaw))
        # The codes are half as many as the samples, and say as well which are too loud.
        loud = mulaw.translate(self._quiet) != mulaw
        clips = loud or self._after_loud
        if clips:
            tail = mulaw[-_HISTORY:]
            self._after_loud = loud and tail.translate(self._quiet) != tail
        return self._frame(_ulaw2lin(mulaw, 2), self._clip if clips else None)

    def process(self, pcm: bytes) -> bytes:
        """Resample any number of whole samples; BugError at half a sample."""
        self._after_loud = True  # or not: who looks at samples need not know
        if len(pcm) == _FRAME_BYTES:
            return self._frame(pcm, self._clip if self._loud(self._history + pcm) else None)
        if len(pcm) % 2:
            raise BugError(f"{len(pcm)} bytes are not whole PCM16 samples; frame them first")
        return self._filter(pcm)

    def _frame(self, pcm: bytes, clip: Callable[[NDArray[np.float32]], None] | None) -> bytes:
        # `_with_history`, without the call: in a crowd each costs a microsecond.
        data = self._history + pcm
        self._history = data[_AFTER_FRAME]
        try:
            # Taken from a pool: numpy lets other threads run while it multiplies.
            product = _spare.pop()
        except IndexError:
            product = _frame_product()
        out = product(data, clip)
        _spare.append(product)
        return out


class Downsampler(_Polyphase):
    """Resample 24 kHz -> 8 kHz, PCM16: exactly n/3 samples out for n in, 1.875 ms late."""

    def __init__(self) -> None:
        super().__init__(_DOWN, RATIO * _HISTORY)

    def process(self, pcm: bytes) -> bytes:
        """Resample any multiple of three samples; BugError otherwise: the phase would be lost."""
        if len(pcm) % (2 * RATIO):
            raise BugError(f"{len(pcm)} bytes are not whole thirds of PCM16; frame them first")
        return self._filter(pcm)

    def to_mulaw(self, pcm: bytes) -> bytes:
        """Resample to mu-law: one table serves for clipping and for the code."""
        if len(pcm) % (2 * RATIO):
            raise BugError(f"{len(pcm)} bytes are not whole thirds of PCM16; frame them first")
        longest = _ROWS * self._step_bytes
        if len(pcm) <= longest:
            return self._codes(pcm) if pcm else b""
        return b"".join(self._codes(pcm[at : at + longest]) for at in range(0, len(pcm), longest))

    def _codes(self, pcm: bytes) -> bytes:
        sums = self._sums(self._with_history(pcm), len(pcm))
        # `wrap` counts negative numbers from the end, as the table does.
        codes = _MULAW.take(sums.astype(_INDEX), None, None, "wrap").tobytes()
        if _LOUDEST[0] in codes or _LOUDEST[1] in codes:
            self.saturated += int(np.count_nonzero(np.abs(sums) > _PEAK))
        return codes
