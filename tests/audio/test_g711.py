"""G.711 against the formula of the recommendation, worked out here and not by audioop."""

from __future__ import annotations

import struct
import subprocess
import sys

import pytest

from gateway.audio import g711


def expanded(code: int) -> int:
    """ITU-T G.711 table 2a: an inverted sign, segment and step; 14 bits, here in 16."""
    code ^= 0xFF
    segment, step = (code >> 4) & 7, code & 15
    magnitude = (((2 * step) + 33) << segment) - 33
    return 4 * (-magnitude if code & 0x80 else magnitude)


GOLDEN = [expanded(code) for code in range(256)]


def test_every_code_expands_as_the_recommendation_says() -> None:
    pcm = g711.mulaw_to_pcm(bytes(range(256)))
    assert list(struct.unpack("<256h", pcm)) == GOLDEN
    assert (GOLDEN[0x00], GOLDEN[0x80], GOLDEN[0x7F], GOLDEN[0xFF]) == (-32124, 32124, 0, 0)


def test_every_code_survives_the_round_trip() -> None:
    codes = bytes(range(256))
    again = g711.pcm_to_mulaw(g711.mulaw_to_pcm(codes))
    # Only minus zero is lost: there is one zero in PCM.
    assert again == codes.replace(b"\x7f", b"\xff")


@pytest.mark.parametrize("sample", [-32768, -32124, -1000, -3, 0, 3, 1000, 32124, 32767])
def test_a_sample_is_compressed_to_the_nearest_level(sample: int) -> None:
    code = g711.pcm_to_mulaw(struct.pack("<h", sample))[0]
    nearest = min(abs(sample - level) for level in GOLDEN)
    # A truncating encoder decides on 14 bits: it may miss the nearest by less than one of them.
    assert abs(sample - GOLDEN[code]) <= nearest + 4


def test_silence_is_zero() -> None:
    assert g711.mulaw_to_pcm(g711.MULAW_SILENCE) == b"\0\0"
    assert g711.pcm_to_mulaw(b"\0\0") == g711.MULAW_SILENCE


def test_half_a_sample_is_refused() -> None:
    with pytest.raises(g711.audioop.error):
        g711.pcm_to_mulaw(b"\0\0\0")


@pytest.mark.parametrize(
    ("pcm", "peak"), [(b"", 0), (struct.pack("<2h", 5, -7), 7), (struct.pack("<h", -32768), 32768)]
)
def test_peak(pcm: bytes, peak: int) -> None:
    assert g711.pcm_peak(pcm) == peak


def test_import_is_silent_where_warnings_are_errors() -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", "import gateway.audio.g711"], check=True)


def test_bytes_per_ms_agree_with_the_rates() -> None:
    assert g711.MULAW_BYTES_PER_MS * 1000 == g711.CALLER_HZ
    assert g711.PCM24_BYTES_PER_MS * 1000 == 2 * g711.MODEL_HZ
