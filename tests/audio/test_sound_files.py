"""Sound files of recordings: as other programs read them, to the sample."""

from __future__ import annotations

import io
import struct
import wave

import numpy as np
import pytest
import soundfile

from gateway.audio.g711 import audioop
from gateway.audio.sound_files import (
    MEDIA_TYPES,
    SoundFormat,
    mulaw_of,
    pcm_header,
    peaks,
    sound_writer,
    spool_header,
)


def stereo(seconds: float) -> bytes:
    """A tone on the left, a rising one on the right, as mu-law."""
    at = np.arange(int(seconds * 8000)) / 8000
    left, right = np.sin(2 * np.pi * 300 * at), np.sin(2 * np.pi * (200 + 40 * at) * at)
    pcm = (8000 * np.stack([left, right], 1)).astype(np.int16)
    return audioop.lin2ulaw(pcm.tobytes(), 2)


def written(sound: bytes, kind: SoundFormat, block: int = 16_000) -> bytes:
    sink = io.BytesIO()
    with sound_writer(sink, kind, len(sound) // 2) as write:
        for at in range(0, len(sound), block):
            write(sound[at : at + block])
    return sink.getvalue()


def test_a_wav_of_pcm_is_read_by_anything() -> None:
    sound = stereo(1.25)
    with wave.open(io.BytesIO(written(sound, "wav"))) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 8000, 2)
        assert file.readframes(10_000) == audioop.ulaw2lin(sound, 2)


def test_a_part_can_be_played_at_any_moment() -> None:
    sound = stereo(0.5)
    read, hz = soundfile.read(io.BytesIO(spool_header(4000) + sound), dtype="int16")
    assert hz == 8000
    assert read.tobytes() == audioop.ulaw2lin(sound, 2)


@pytest.mark.parametrize("seconds", [0.01, 0.5, 3.123])
def test_opus_has_every_sample_at_its_place(seconds: float) -> None:
    sound = stereo(seconds)
    read, hz = soundfile.read(io.BytesIO(written(sound, "opus", 4_004)), dtype="int16")
    assert hz == 8000
    assert len(read) == len(sound) // 2
    if seconds < 1:
        return
    given = np.frombuffer(audioop.ulaw2lin(sound, 2), np.int16).reshape(-1, 2)
    for channel in (0, 1):
        needle = given[8000:16_000, channel].astype(float)
        likeness = {
            shift: float(needle @ read[8000 + shift : 16_000 + shift, channel])
            for shift in range(-10, 11)
        }
        assert max(likeness, key=lambda shift: likeness[shift]) == 0


def test_opus_takes_a_sixth_of_what_pcm_takes() -> None:
    sound = stereo(5)
    assert len(written(sound, "opus")) * 6 < len(written(sound, "wav"))


def test_a_recording_is_read_again_as_what_was_written() -> None:
    sound = stereo(2.5)
    again = b"".join(mulaw_of(io.BytesIO(written(sound, "wav"))))
    assert again == sound


def test_the_loudest_sample_of_each_channel() -> None:
    quiet = b"\xff\xff" * 100
    loud = b"\xff\x00" + quiet
    assert peaks(quiet) == bytes([0, 0])
    assert peaks(loud) == bytes([0, 254])


def test_a_wav_longer_than_its_header_can_say_is_read_to_its_end() -> None:
    assert len(pcm_header(2**31)) == 44
    assert set(MEDIA_TYPES) == {"opus", "wav"}


def chunks(file: bytes) -> dict[str, bytes]:
    """The chunks of a RIFF file by name, the last as far as there is any of it."""
    assert (file[:4], file[8:12]) == (b"RIFF", b"WAVE")
    found, at = {}, 12
    while at < len(file):
        name, size = struct.unpack("<4sI", file[at : at + 8])
        found[name.decode()] = file[at + 8 : at + 8 + size]
        at += 8 + size
    return found


def test_the_header_of_a_part_says_what_is_in_it() -> None:
    sound = stereo(0.5)
    file = spool_header(4000) + sound
    found = chunks(file)
    assert list(found) == ["fmt ", "fact", "data"]
    # Mu-law, stereo, 8000 frames a second: 16,000 bytes, two a frame, of 8 bits, no extension.
    assert struct.unpack("<HHIIHHH", found["fmt "]) == (7, 2, 8000, 16_000, 2, 8, 0)
    assert struct.unpack("<I", found["fact"]) == (4000,)
    assert found["data"] == sound
    assert struct.unpack("<I", file[4:8]) == (len(file) - 8,)


def test_the_header_of_pcm_says_what_is_in_it() -> None:
    sound = stereo(0.5)
    file = written(sound, "wav")
    found = chunks(file)
    assert list(found) == ["fmt ", "data"]
    assert struct.unpack("<HHIIHH", found["fmt "]) == (1, 2, 8000, 32_000, 4, 16)
    assert found["data"] == audioop.ulaw2lin(sound, 2)
    assert struct.unpack("<I", file[4:8]) == (len(file) - 8,)


@pytest.mark.parametrize("samples", [2**30 - 12, 2**31])
def test_the_longest_that_a_header_can_say(samples: int) -> None:
    header = pcm_header(samples)
    riff, data = struct.unpack("<I", header[4:8]), struct.unpack("<I", header[40:44])
    most = 2**32 - 1 - 44
    assert data == (min(samples * 4, most),)
    assert riff == (data[0] + 36,)


def sound_file(channels: int, hz: int) -> io.BytesIO:
    file = io.BytesIO()
    tone = np.arange(1600, dtype=np.int16).reshape(-1, 1) * 8
    soundfile.write(file, np.repeat(tone, channels, axis=1), hz, format="WAV")
    file.seek(0)
    return file


def test_one_channel_becomes_two() -> None:
    mono, both = (b"".join(mulaw_of(sound_file(channels, 8000))) for channels in (1, 2))
    assert mono == both
    assert len(mono) == 3200


@pytest.mark.parametrize(("channels", "hz"), [(3, 8000), (1, 16_000), (2, 7999)])
def test_what_is_no_sound_of_a_telephone_is_refused(channels: int, hz: int) -> None:
    with pytest.raises(ValueError, match=f"{channels} channels at {hz} Hz"):
        list(mulaw_of(sound_file(channels, hz)))
