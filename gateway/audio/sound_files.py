"""Sound files of recordings: mu-law WAV while a call runs, PCM16 WAV or Ogg Opus when it is over.

Sources: RIFF/WAVE (Microsoft "Multimedia Programming Interface", 1991; format 7 is mu-law), RFC
7845 (Ogg Opus). Opus is encoded by libsndfile, which counts samples exactly: encoder delay and
the padding of the last packet are in the header and the last page.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Literal, Protocol

import numpy as np

from gateway.audio.g711 import CALLER_HZ, audioop

SoundFormat = Literal["opus", "wav"]
CHANNELS: Final = 2
SPOOL_HEADER_BYTES: Final = 58
_PCM_HEADER_BYTES: Final = 44
_OPUS_LEVEL: Final = 0.95
"""libsndfile's scale from 0 (256 kbit/s a channel) to 1 (6): about 18 kbit/s a channel."""
MEDIA_TYPES: Final = {"opus": "audio/ogg; codecs=opus", "wav": "audio/wav"}


class ByteSink(Protocol):
    """Something that takes the bytes of a file in order."""

    def write(self, data: bytes, /) -> object: ...


def spool_header(samples: int) -> bytes:
    """Return the header of a stereo mu-law WAV with so many samples in each channel."""
    size, riff = samples * CHANNELS, SPOOL_HEADER_BYTES - 8
    return b"".join(
        (
            struct.pack("<4sI4s", b"RIFF", riff + size, b"WAVE"),
            struct.pack("<4sIHH", b"fmt ", 18, 7, CHANNELS),
            struct.pack("<IIHHH", CALLER_HZ, CALLER_HZ * CHANNELS, CHANNELS, 8, 0),
            struct.pack("<4sII", b"fact", 4, samples),
            struct.pack("<4sI", b"data", size),
        )
    )


def pcm_header(samples: int) -> bytes:
    """Return the header of a stereo PCM16 WAV with so many samples in each channel."""
    block = 2 * CHANNELS
    # Longer than 4 GB (37 hours) it cannot say, and players then read to the end.
    size = min(samples * block, 0xFFFFFFFF - _PCM_HEADER_BYTES)
    return b"".join(
        (
            struct.pack("<4sI4s", b"RIFF", _PCM_HEADER_BYTES - 8 + size, b"WAVE"),
            struct.pack("<4sIHH", b"fmt ", 16, 1, CHANNELS),
            struct.pack("<IIHH", CALLER_HZ, CALLER_HZ * block, block, 16),
            struct.pack("<4sI", b"data", size),
        )
    )


@contextmanager
def sound_writer(
    sink: ByteSink, file_format: SoundFormat, samples: int
) -> Iterator[Callable[[bytes], object]]:
    """Write a file of so many samples in each channel; yield what takes stereo mu-law."""
    if file_format == "wav":
        sink.write(pcm_header(samples))
        yield lambda mulaw: sink.write(audioop.ulaw2lin(mulaw, 2))
        return
    import soundfile  # noqa: PLC0415 - libsndfile takes 6 MB: only who has recordings needs it

    with soundfile.SoundFile(
        _Sequential(sink),
        "w",
        samplerate=CALLER_HZ,
        channels=CHANNELS,
        format="OGG",
        subtype="OPUS",
        compression_level=_OPUS_LEVEL,
    ) as file:
        yield lambda mulaw: file.write(
            np.frombuffer(audioop.ulaw2lin(mulaw, 2), np.int16).reshape(-1, CHANNELS)
        )


def peaks(mulaw: bytes) -> bytes:
    """Return the loudest sample of stereo mu-law in each channel: two bytes, 0 to 255."""
    # Mu-law is nearly logarithmic: its 127 steps are what a picture of loudness needs.
    magnitude = 127 - (np.frombuffer(mulaw, np.uint8).reshape(-1, CHANNELS) & 0x7F)
    return bytes(2 * int(loudest) for loudest in magnitude.max(axis=0))


def mulaw_of(source: object) -> Iterator[bytes]:
    """Yield a sound file as stereo mu-law, a second at a time; one channel becomes two.

    `source` is a path or a file that can seek. Raises ValueError for another sampling rate, and
    RuntimeError for what is no sound file.
    """
    import soundfile  # noqa: PLC0415

    with soundfile.SoundFile(source) as file:
        if file.samplerate != CALLER_HZ or file.channels > CHANNELS:
            raise ValueError(f"{file.channels} channels at {file.samplerate} Hz")
        for block in file.blocks(CALLER_HZ, dtype="int16", always_2d=True):
            both = np.repeat(block, CHANNELS, axis=1) if file.channels == 1 else block
            yield audioop.lin2ulaw(np.ascontiguousarray(both, np.int16).tobytes(), 2)


class _Sequential:
    """A sink as the file that libsndfile wants; it writes Ogg in order and seeks nowhere."""

    def __init__(self, sink: ByteSink) -> None:
        self._sink, self._at = sink, 0

    def write(self, data: object) -> int:
        given = bytes(data)  # type: ignore[call-overload] # a buffer of cffi
        self._sink.write(given)
        self._at += len(given)
        return len(given)

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        if (offset, whence) not in ((0, 2), (0, 1), (self._at, 0)):
            raise OSError("a recording is written in order")
        return self._at

    def flush(self) -> None:
        """Nothing to do: the sink has all."""
