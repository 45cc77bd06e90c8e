"""Speech by espeak-ng, written to stdout as its rate (four bytes) and PCM16.

A script and not a function: the library is one global voice, and its callback belongs to
whoever set it last, so a test process that also runs the simulator's voice must not touch it.
"""

from __future__ import annotations

import ctypes
import struct
import sys

import espeakng_loader

_RETRIEVAL = 1
_CHARS_UTF8 = 1
_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


def synthesise(text: str, voice: str) -> tuple[int, bytes]:
    """The rate, and the samples."""
    espeak = ctypes.CDLL(espeakng_loader.get_library_path())
    hz = espeak.espeak_Initialize(_RETRIEVAL, 0, espeakng_loader.get_data_path().encode(), 0)
    pieces: list[bytes] = []

    @_CALLBACK
    def heard(samples: object, count: int, _events: object) -> int:
        if samples and count:
            pieces.append(ctypes.string_at(samples, 2 * count))
        return 0

    espeak.espeak_SetSynthCallback(heard)
    words = text.encode() + b"\0"
    refused = espeak.espeak_SetVoiceByName(voice.encode()) or espeak.espeak_Synth(
        words, len(words), 0, 0, 0, _CHARS_UTF8, None, None
    )
    if hz <= 0 or refused or espeak.espeak_Synchronize():
        sys.exit("espeak-ng did not speak")
    return hz, b"".join(pieces)


if __name__ == "__main__":
    rate, pcm = synthesise(*sys.argv[1:])
    sys.stdout.buffer.write(struct.pack("<I", rate) + pcm)
