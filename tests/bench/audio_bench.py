"""The sound path in numbers: what a frame costs, how late it is, and how well it is heard."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any, Final, TypedDict, get_args

import numpy as np
from numpy.typing import NDArray

from bench.resamplers import RESAMPLERS, OpenStream
from gateway.audio.g711 import CALLER_HZ, FRAME_MS, MODEL_HZ, pcm_to_mulaw
from gateway.audio.recording import to_hz
from gateway.audio.transcode import AudioFormat, caller_to_model, model_to_caller
from gateway.errors import ServiceUnreachable

Samples = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Repeats:
    """How often each conversion is timed, and how often it runs before that."""

    timed: int = 4_000
    warm_up: int = 200


_ENOUGH: Final = Repeats()
_RUN_FRAMES = 50
# The model answers faster than real time, in deltas of about this length.
_DELTA_FRAMES = 10
_TONE_PEAK = 16_384
# Above the caller's 4 kHz, and where it folds to (or is mirrored from).
_ABOVE_HZ, _BELOW_HZ = 5_000, 3_000
_PULSE_AT_MS, _PULSE_MS = 600, 0.25
# Long enough for the slowest stream here to give out the last of the speech.
_TAIL_MS = 600


class PathCost(TypedDict):
    """Median microseconds for 20 ms of sound."""

    caller_to_model_us: float
    model_to_caller_us: float
    model_to_caller_in_200_ms_deltas_us: float


class Resampler(TypedDict):
    """One resampler, both ways; delay is lag of the sound plus what the stream held back."""

    up_us: float
    down_us: float
    up_delay_ms: float
    down_delay_ms: float
    alias_rejection_db: float
    image_rejection_db: float
    up_pesq: float
    down_pesq: float


class AudioBench(TypedDict):
    """What `run` measured."""

    path: dict[str, PathCost]
    resamplers: dict[str, Resampler]


def run(speech: Samples, repeats: Repeats = _ENOUGH) -> AudioBench:
    """Measure with some seconds of speech, int16 at 24 kHz; ServiceUnreachable without pesq."""
    speech = speech[: len(speech) // _frame(MODEL_HZ) * _frame(MODEL_HZ)]
    return {
        "path": {audio: _path_cost(audio, speech, repeats) for audio in get_args(AudioFormat)},
        "resamplers": _resamplers(speech, repeats),
    }


def rows(result: AudioBench) -> Iterator[tuple[str, ...]]:
    """The resamplers as a table, its head first."""
    keys = list(Resampler.__annotations__)
    yield ("resampler", *(key.replace("_", " ") for key in keys))
    for name, row in result["resamplers"].items():
        values: dict[str, Any] = dict(row)
        yield (name, *(f"{values[key]:.2f}" for key in keys))


def path_rows(result: AudioBench) -> Iterator[tuple[str, ...]]:
    """The pure path as a table, its head first: microseconds for each 20 ms."""
    keys = list(PathCost.__annotations__)
    yield ("audio", *(key.replace("_", " ") for key in keys))
    for audio, cost in result["path"].items():
        values: dict[str, Any] = dict(cost)
        yield (audio, *(f"{values[key]:.2f}" for key in keys))


def _path_cost(audio: AudioFormat, speech: Samples, repeats: Repeats) -> PathCost:
    mulaw = pcm_to_mulaw(to_hz(speech, MODEL_HZ, CALLER_HZ).tobytes())
    wide = speech.tobytes() if audio == "pcm24k" else mulaw
    up, down = caller_to_model(audio), model_to_caller(audio)
    frame = FRAME_MS * down.bytes_per_ms
    return {
        "caller_to_model_us": _median_us(up.convert, _cut(mulaw, _frame(CALLER_HZ)), repeats),
        "model_to_caller_us": _median_us(down.convert, _cut(wide, frame), repeats),
        "model_to_caller_in_200_ms_deltas_us": _median_us(
            down.convert, _cut(wide, frame * _DELTA_FRAMES), repeats
        )
        / _DELTA_FRAMES,
    }


def _resamplers(speech: Samples, repeats: Repeats) -> dict[str, Resampler]:
    narrow = to_hz(speech, MODEL_HZ, CALLER_HZ)
    up_us = _stream_costs(narrow, CALLER_HZ, MODEL_HZ, repeats)
    down_us = _stream_costs(speech, MODEL_HZ, CALLER_HZ, repeats)
    return {
        name: _resampler(open_, speech, narrow, up_us[name], down_us[name])
        for name, open_ in RESAMPLERS.items()
    }


def _resampler(
    open_: OpenStream, speech: Samples, narrow: Samples, up_us: float, down_us: float
) -> Resampler:
    up_lag, up_held = _lag_and_hold(open_, CALLER_HZ, MODEL_HZ)
    down_lag, down_held = _lag_and_hold(open_, MODEL_HZ, CALLER_HZ)
    up = _aligned(open_, narrow, CALLER_HZ, MODEL_HZ, up_lag)
    down = _aligned(open_, speech, MODEL_HZ, CALLER_HZ, down_lag)
    return {
        "up_us": up_us,
        "down_us": down_us,
        "up_delay_ms": _ms(up_lag, MODEL_HZ) + up_held,
        "down_delay_ms": _ms(down_lag, CALLER_HZ) + down_held,
        "alias_rejection_db": _alias_rejection_db(open_),
        "image_rejection_db": _image_rejection_db(open_),
        "up_pesq": _pesq(narrow, to_hz(up, MODEL_HZ, CALLER_HZ)),
        "down_pesq": _pesq(narrow, down),
    }


def _median_us(convert: Callable[[bytes], bytes], frames: list[bytes], repeats: Repeats) -> float:
    for frame in islice(cycle(frames), repeats.warm_up):
        convert(frame)
    spent = []
    for frame in islice(cycle(frames), repeats.timed):
        begun = time.perf_counter_ns()
        convert(frame)
        spent.append(time.perf_counter_ns() - begun)
    return statistics.median(spent) / 1_000


def _stream_costs(
    samples: Samples, from_hz: int, to_hz_: int, repeats: Repeats
) -> dict[str, float]:
    """Return microseconds for a frame, timed in runs of frames that the streams take in turn.

    Runs and not single calls: a stream that holds back does its work in some calls only.
    """
    frames = cycle(_cut(samples.tobytes(), 2 * _frame(from_hz)))
    streams = {name: open_(from_hz, to_hz_) for name, open_ in RESAMPLERS.items()}
    spent: dict[str, list[int]] = {name: [] for name in streams}
    for _ in range(repeats.timed // _RUN_FRAMES):
        run_of = list(islice(frames, _RUN_FRAMES))
        for name, push in streams.items():
            begun = time.perf_counter_ns()
            for frame in run_of:
                push(frame)
            spent[name].append(time.perf_counter_ns() - begun)
    return {name: statistics.median(runs) / _RUN_FRAMES / 1_000 for name, runs in spent.items()}


def _lag_and_hold(open_: OpenStream, from_hz: int, to_hz_: int) -> tuple[int, float]:
    """How many samples late a pulse comes out, and at most how many ms were held back."""
    ms = np.arange(_PULSE_AT_MS * 2 * from_hz // 1_000) * 1_000 / from_hz - _PULSE_AT_MS
    pulse = np.rint(_TONE_PEAK * np.exp(-((ms / _PULSE_MS) ** 2))).astype(np.int16)
    out = _pieces(open_, pulse, from_hz, to_hz_)
    produced_ms = np.cumsum([len(piece) for piece in out]) / 2 * 1_000 / to_hz_
    held_ms = FRAME_MS * np.arange(1, len(out) + 1) - produced_ms
    heard = np.frombuffer(b"".join(out), np.int16)
    lag = int(np.argmax(heard)) - _PULSE_AT_MS * to_hz_ // 1_000
    return lag, max(0.0, float(held_ms.max()))


def _alias_rejection_db(open_: OpenStream) -> float:
    tone = _tone(_ABOVE_HZ, MODEL_HZ)
    heard = _levels(_through(open_, tone, MODEL_HZ, CALLER_HZ), CALLER_HZ)
    return float(20 * np.log10(_TONE_PEAK / heard[_BELOW_HZ]))


def _image_rejection_db(open_: OpenStream) -> float:
    tone = _tone(_BELOW_HZ, CALLER_HZ)
    heard = _levels(_through(open_, tone, CALLER_HZ, MODEL_HZ), MODEL_HZ)
    return float(20 * np.log10(heard[_BELOW_HZ] / heard[_ABOVE_HZ]))


def _tone(hz: int, rate: int) -> Samples:
    wave = _TONE_PEAK * np.sin(2 * np.pi * hz / rate * np.arange(3 * rate))
    return np.asarray(np.rint(wave), np.int16)


def _levels(samples: Samples, rate: int) -> NDArray[np.float64]:
    """Amplitude of a sine in each bin of 1 Hz, over the last second."""
    window = np.blackman(rate)
    spectrum = np.abs(np.fft.rfft(samples[-rate:] * window))
    return np.asarray(spectrum / (window.sum() / 2) + 1e-6)


def _aligned(open_: OpenStream, samples: Samples, from_hz: int, to_hz_: int, lag: int) -> Samples:
    tail = np.zeros(_TAIL_MS * from_hz // 1_000, np.int16)
    heard = _through(open_, np.concatenate([samples, tail]), from_hz, to_hz_)
    if lag < 0:
        heard = np.concatenate([np.zeros(-lag, np.int16), heard])
    return heard[max(lag, 0) :][: len(samples) * to_hz_ // from_hz]


def _through(open_: OpenStream, samples: Samples, from_hz: int, to_hz_: int) -> Samples:
    return np.frombuffer(b"".join(_pieces(open_, samples, from_hz, to_hz_)), np.int16)


def _pieces(open_: OpenStream, samples: Samples, from_hz: int, to_hz_: int) -> list[bytes]:
    push = open_(from_hz, to_hz_)
    return [push(frame) for frame in _cut(samples.tobytes(), 2 * _frame(from_hz))]


def _pesq(reference: Samples, heard: Samples) -> float:
    try:
        from pesq import pesq  # noqa: PLC0415 - a tool of development, absent in production
    except ImportError as error:
        raise ServiceUnreachable(
            "PESQ is not installed: pip install 'gateway[dev]', then run the bench again."
        ) from error
    return float(pesq(CALLER_HZ, reference, heard, "nb"))


def _frame(hz: int) -> int:
    return FRAME_MS * hz // 1_000


def _ms(samples: int, hz: int) -> float:
    return samples * 1_000 / hz


def _cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data) - size + 1, size)]
