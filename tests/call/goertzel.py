"""Keys read out of a telephone's sound: Goertzel's filter over 20 ms, nothing of ours in it."""

from __future__ import annotations

import math

LOW_HZ = (697, 770, 852, 941)
HIGH_HZ = (1209, 1336, 1477, 1633)
PAD = ("123A", "456B", "789C", "*0#D")
WINDOW = 160
THRESHOLD = 0.1
"""Of the window's energy, for each of the two tones."""


def linear(code: int) -> int:
    """One sample of mu-law (ITU-T G.711)."""
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 0x07)) - 0x84
    return -magnitude if code & 0x80 else magnitude


def power(samples: list[int], hz: float) -> float:
    """The share of the energy that is at that frequency; half of it for one of two equal tones."""
    turn = 2 * math.cos(2 * math.pi * hz / 8000)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + turn * last - before
    energy = sum(sample * sample for sample in samples) or 1.0
    return 2 * (last**2 + before**2 - turn * last * before) / (energy * len(samples))


def keys(mulaw: bytes) -> list[tuple[str, int, int]]:
    """(key, from ms, to ms) of each."""
    found: list[tuple[str, int, int]] = []
    for at in range(0, len(mulaw) - WINDOW + 1, WINDOW):
        key, ms = _key([linear(code) for code in mulaw[at : at + WINDOW]]), at // 8
        if key and found and found[-1][0] == key and found[-1][2] == ms:
            found[-1] = (key, found[-1][1], ms + 20)
        elif key:
            found.append((key, ms, ms + 20))
    return found


def _key(samples: list[int]) -> str:
    if max(map(abs, samples)) < 500:
        return ""
    low, high = ([power(samples, hz) for hz in group] for group in (LOW_HZ, HIGH_HZ))
    if max(low) < THRESHOLD or max(high) < THRESHOLD:
        return ""
    return PAD[low.index(max(low))][high.index(max(high))]


def level_dbfs(mulaw: bytes) -> float:
    samples = [linear(code) for code in mulaw]
    return 10 * math.log10(sum(s * s for s in samples) / len(samples) / 32768**2)
