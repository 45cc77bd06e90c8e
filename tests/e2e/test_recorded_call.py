"""The recording of a call, compared with what both ends really said and heard."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import yaml
from rehearsal import as_expected, on

from gateway.agents.file.loader import DEFAULT_AGENTS
from gateway.simulator.scenario.files import find

LEAST_HEARD = 4
"""Stretches of sound that are compared, at least."""
Sound = npt.NDArray[np.int16]
HZ = 8000
QUIET = 100
LAG_MAX = HZ // 4
"""How far the played side may be off, in samples: both processes take the time of a message when
they get to it, which on a busy machine is tens of milliseconds later (idle: 9 samples)."""


def spans(sound: Sound) -> list[tuple[int, int]]:
    """Stretches of sound with less than a tenth of a second of silence in them."""
    loud = np.flatnonzero(np.abs(sound.astype(int)) > QUIET)
    cuts = np.flatnonzero(np.diff(loud) > HZ // 10)
    begins = [loud[0], *loud[cuts + 1]]
    ends = [*(loud[cuts] + 1), loud[-1] + 1]
    return [(int(b), int(e)) for b, e in zip(begins, ends, strict=True) if e - b > HZ // 10]


def place(needle: Sound, hay: Sound) -> tuple[int, float]:
    """Where a sound stands in a longer one, and how like it is (1 is the same)."""
    wanted, found = needle.astype(float), hay.astype(float)
    places, size = len(found) - len(wanted) + 1, len(found) + len(wanted)
    spectrum = np.fft.rfft(found, size) * np.conj(np.fft.rfft(wanted, size))
    product = np.fft.irfft(spectrum, size)[:places]
    before = np.concatenate([[0.0], np.cumsum(found**2)])
    energy = (before[-places:] - before[:places]) * (wanted @ wanted)
    likeness = product / np.sqrt(np.maximum(energy, 1.0))
    return int(likeness.argmax()), float(likeness.max())


def near(needle: Sound, hay: Sound, at: int) -> tuple[int, float]:
    """The same around a place; how far it is from there."""
    begin = max(0, at - LAG_MAX)
    found, likeness = place(needle, hay[begin : at + len(needle) + LAG_MAX])
    return begin + found - at, likeness


def first_offset(words: list[tuple[int, int]], truth: Sound, recorded: Sound) -> int:
    """Return how much later the first word that was recorded stands in the recording.

    A caller may speak before they were told that they are recorded: nothing of that is kept.
    """
    for begin, end in words:
        at, likeness = place(truth[begin:end], recorded)
        if likeness > 0.999:
            return at - begin
    raise AssertionError("no word of the caller's was recorded as it was said")


def until_cut(heard: Sound, recorded: Sound) -> None:
    """A stretch is the same to the sample; where it was cut off, its last part may be missing.

    The recording ends when the gateway sends `clear`; Twilio plays on until `clear` is there.
    """
    different = np.flatnonzero(recorded != heard)
    if len(different):
        assert int(different[0]) >= len(heard) - LAG_MAX
        assert not recorded[different[0] :].any(), "another sound than was heard"


def in_part(truth: Sound, recorded: Sound, begin: int, end: int, offset: int) -> None:
    """Of a stretch into which a pause fell only one end is there, as it was heard; or nothing."""
    loud = np.flatnonzero(np.abs(recorded[begin + offset : end + offset].astype(int)) > QUIET)
    if not len(loud):
        return
    first, last = begin + int(loud[0]), begin + int(loud[-1]) + 1
    assert first - begin <= LAG_MAX or end - last <= LAG_MAX
    if last - first > LAG_MAX:
        assert near(truth[first:last], recorded, first + offset)[1] > 0.9


def compare(out: Path, *, paused: bool) -> None:
    """The file `call.wav` is what the simulated caller said (left) and heard (right).

    `paused`: whether something was said while the recording paused.
    """
    truth, hz = soundfile.read(out / "call.wav", dtype="int16")
    assert hz == HZ
    (file,) = (out / "data" / "recordings").glob("*.wav")
    recorded, hz = soundfile.read(file, dtype="int16")
    assert hz == HZ
    info = json.loads(file.with_suffix(".json").read_text())
    assert len(recorded) == round(info["seconds"] * HZ)

    # The caller's side: one offset for the whole call, to the sample, but for the pause.
    words = spans(truth[:, 0])
    offset = first_offset(words, truth[:, 0], recorded[:, 0])
    words = [(begin, end) for begin, end in words if begin + offset >= 0]
    kept = 0
    for begin, end in words:
        same = np.array_equal(truth[begin:end, 0], recorded[begin + offset : end + offset, 0])
        silent = not recorded[begin + offset : end + offset, 0].any()
        assert same or silent
        kept += same
    assert 0 < kept <= len(words)
    assert paused == (kept < len(words))

    # What was played: each stretch as it was heard, to its last sample, on the same time line.
    lags, missing = [], 0
    for begin, end in spans(truth[:, 1]):
        if begin + offset < 0:
            continue  # that the call is recorded: of this nothing is kept
        lag, likeness = near(truth[begin:end, 1], recorded[:, 1], begin + offset)
        if likeness < 0.9:
            missing += 1
            in_part(truth[:, 1], recorded[:, 1], begin, end, offset)
            continue
        lags.append(lag)
        exact = recorded[begin + offset + lag : end + offset + lag, 1]
        until_cut(truth[begin:end, 1], exact)
    assert len(lags) >= LEAST_HEARD
    assert missing <= 2
    assert max(map(abs, lags)) <= LAG_MAX, lags
    # Nothing is in the recording that nobody heard.
    assert len(spans(recorded[:, 1])) <= len(spans(truth[:, 1])) + 1


@on("media", "sip")
async def test_a_recording_is_what_both_ends_said_and_heard(path: str, tmp_path: Path) -> None:
    await as_expected("recording", path, tmp_path)
    await asyncio.to_thread(compare, tmp_path / path, paused=True)


def recorded_demo(folder: Path) -> Path:
    """The call of `make demo`, which is recorded."""
    agents = yaml.safe_load(DEFAULT_AGENTS.read_text())
    for agent in agents["agents"].values():
        agent["recording"] = {"consent": "This call is recorded.", "format": "wav"}
    demo = yaml.safe_load(find("demo").read_text())
    # The greeting comes behind the consent, and later on a busy machine: the caller hears both.
    demo["steps"][0] = {"hear": {"until_silence_ms": 2000}}
    file = folder / "demo.yaml"
    file.write_text(yaml.safe_dump(demo | {"agents": agents}, allow_unicode=True))
    return file


@on("sip", "media")
async def test_the_recording_of_the_demo_is_what_both_ends_said_and_heard(
    path: str, tmp_path: Path
) -> None:
    await as_expected(str(recorded_demo(tmp_path)), path, tmp_path)
    await asyncio.to_thread(compare, tmp_path / path, paused=False)
