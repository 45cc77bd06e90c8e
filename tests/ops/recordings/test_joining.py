"""Parts of a call become one file: every sample at its place, gaps silent and marked."""

from __future__ import annotations

import io
import os
import stat
from base64 import b64decode
from hashlib import sha256
from pathlib import Path

import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from ops.recordings.parts import BEGAN, facts, noise

from gateway.audio.g711 import audioop
from gateway.audio.stereo_timeline import RecordingMark
from gateway.limits import recordings as limits
from gateway.ops.recordings import sealed_file
from gateway.ops.recordings.joining import JoinedPart, RecordingGap, StoredRecording, join

SILENCE = b"\xff\xff"


def part(
    sound: bytes,
    number: int = 1,
    began: float = BEGAN,
    ending: str = "final",
    marks: tuple[RecordingMark, ...] = (),
    kind: str = "wav",
) -> JoinedPart:
    of = facts(number, began=began, kind=kind)
    return JoinedPart(of, len(sound) // 2, marks, ending, [of.id], lambda: iter([sound]))


def joined(tmp_path: Path, *parts: JoinedPart) -> tuple[StoredRecording, bytes]:
    target = tmp_path / "joined"
    info = join(parts, target, None, lambda kind: f"name.{kind}")
    return info, target.read_bytes()


def sound_of(data: bytes) -> bytes:
    return audioop.lin2ulaw(data[44:], 2)


def test_one_part_is_the_recording(tmp_path: Path) -> None:
    sound = noise(2.25)
    marks = (RecordingMark("paused", 8000, 12_000), RecordingMark("gap", 16_000, None))
    info, data = joined(tmp_path, part(sound, marks=marks))
    assert data[44:] == audioop.ulaw2lin(sound, 2)
    assert (info.seconds, info.bytes, info.sealed) == (2.25, len(data), False)
    assert info.sha256 == sha256(data).hexdigest()
    assert info.key == "name.wav"
    assert info.began == BEGAN
    assert info.gaps == [RecordingGap("paused", 1.0, 1.5), RecordingGap("gap", 2.0, 2.25)]
    assert len(b64decode(info.waveform_caller)) == len(b64decode(info.waveform_agent)) == 23


def test_the_way_to_another_process_is_silent_and_marked(tmp_path: Path) -> None:
    first, second = noise(1.5, 1), noise(1.0, 2)
    later = part(second, 2, BEGAN + 4, marks=(RecordingMark("paused", 800, 1600),))
    info, data = joined(tmp_path, later, part(first, ending="moved"))
    assert sound_of(data) == sound_of(
        bytes(44) + audioop.ulaw2lin(first + SILENCE * 20_000 + second, 2)
    )
    assert info.seconds == 5.0
    assert info.gaps == [RecordingGap("moved", 1.5, 4.0), RecordingGap("paused", 4.1, 4.2)]
    assert info.parts == [facts(1).id, facts(2).id]


def test_a_gap_behind_a_killed_process_says_so(tmp_path: Path) -> None:
    info, _ = joined(tmp_path, part(noise(1), ending="killed"), part(noise(1), 2, BEGAN + 2))
    assert info.gaps == [RecordingGap("killed", 1.0, 2.0)]


def test_clocks_that_disagree_never_put_sound_over_sound(tmp_path: Path) -> None:
    info, data = joined(tmp_path, part(noise(2)), part(noise(1, 2), 2, BEGAN + 1))
    assert info.seconds == 3.0
    assert data[44:] == audioop.ulaw2lin(noise(2) + noise(1, 2), 2)


def test_a_clock_that_is_hours_off_makes_no_file_of_hours(tmp_path: Path) -> None:
    info, _ = joined(tmp_path, part(noise(1)), part(noise(1), 2, BEGAN + 10 * limits.GAP_MAX_S))
    assert info.seconds == limits.GAP_MAX_S + 2


@given(st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 3000)), min_size=1, max_size=4))
def test_the_count_of_samples_is_exact(
    tmp_path_factory: pytest.TempPathFactory, spans: list[tuple[int, int]]
) -> None:
    parts, at, expected = [], BEGAN, b""
    for number, (gap, length) in enumerate(spans):
        sound, before = noise(length / 8000, number), gap if number else 0
        at += before / 8000
        parts.append(part(sound, number, at))
        at += length / 8000
        expected += SILENCE * before + sound
    _, data = joined(tmp_path_factory.mktemp("joined"), *parts)
    # A second of Unix time has fewer binary places than it needs: half a sample is exact enough.
    assert data[44:] == audioop.ulaw2lin(expected, 2)


def test_a_part_that_is_shorter_than_it_says_ends_in_silence(tmp_path: Path) -> None:
    of = facts()
    short = JoinedPart(of, 8000, (), "killed", [of.id], lambda: iter([noise(0.5)]))
    _, data = joined(tmp_path, short)
    assert data[44:] == audioop.ulaw2lin(noise(0.5) + SILENCE * 4000, 2)


def test_opus_of_two_parts_has_every_second(tmp_path: Path) -> None:
    info, data = joined(
        tmp_path, part(noise(1.2), kind="opus"), part(noise(1), 2, BEGAN + 3, kind="opus")
    )
    read, hz = soundfile.read(io.BytesIO(data))
    assert (len(read), hz) == (32_000, 8000)
    assert (info.format, info.seconds, info.key) == ("opus", 4.0, "name.opus")


def test_a_sealed_recording_is_never_on_the_disk_in_plain(tmp_path: Path) -> None:
    target = tmp_path / "joined"
    info = join([part(noise(1))], target, "a-key", str)
    data = target.read_bytes()
    layout = sealed_file.SealedLayout(len(data))
    begin, upto = layout.span(0, 0)
    seal = sealed_file.seal_of(data[:begin], ["a-key"], data[begin:upto], last=layout.chunks == 1)
    plain = layout.open(seal, 0, data[begin:])
    assert (len(plain), sha256(plain).hexdigest()) == (info.bytes, info.sha256)
    assert plain[44:] == audioop.ulaw2lin(noise(1), 2)
    assert plain[100:140] not in data


def test_only_this_user_may_read_what_is_joined(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        joined(tmp_path, part(noise(0.1)))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "joined").stat().st_mode) == 0o600


def test_what_is_known_of_a_recording_is_that_of_its_last_part(tmp_path: Path) -> None:
    """But whose it is, and how long it is kept, any of them may say."""
    one, other = part(noise(0.0001)), part(noise(0.0001), 2, BEGAN + 1)
    one.facts.caller, one.facts.retain_days = "hash", 3
    other.facts.agent, other.facts.retain_days, other.facts.direction = "billing", 9, "outbound"
    info, _ = joined(tmp_path, other, one)
    assert (info.agent, info.caller, info.retain_days) == ("billing", "hash", 3)
    assert (info.path, info.direction, info.sealed) == ("media-streams", "outbound", False)
    assert info.seconds == 1.000125, "to the sample"
    assert info.gaps == [RecordingGap("moved", 0.0001, 1.0)]


def test_the_waveform_has_the_loudest_sample_of_each_tenth_of_a_second(tmp_path: Path) -> None:
    quiet, loud = b"\xff", b"\x80"
    caller = quiet * 800 + loud * 1 + quiet * 799 + quiet * 100
    agent = quiet * 1600 + quiet * 99 + loud
    stereo = bytes(one for both in zip(caller, agent, strict=True) for one in both)
    info, _ = joined(tmp_path, part(stereo))
    assert [bool(p) for p in b64decode(info.waveform_caller)] == [False, True, False]
    assert [bool(p) for p in b64decode(info.waveform_agent)] == [False, False, True]


def test_of_a_part_that_says_less_than_it_has_no_more_is_taken(tmp_path: Path) -> None:
    of = facts()
    long = JoinedPart(of, 800, (), "final", [of.id], lambda: iter([noise(0.05), noise(0.5, 2)]))
    info, data = joined(tmp_path, long)
    assert info.seconds == 0.1
    assert data[44:] == audioop.ulaw2lin((noise(0.05) + noise(0.5, 2))[:1600], 2)
