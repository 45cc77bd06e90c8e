"""Streams that are always drawn alike, and a digest of what each time line wrote.

Times are sums and quotients of doubles, which IEEE 754 rounds alike on every machine. See
`tests/rigs/references.py` for what references are for.

    PYTHONPATH=tests:tests/rigs python -m audio.reference_timelines --show calm-03
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import Final

from references import Dice, References

from gateway.audio import stereo_timeline as line
from gateway.audio.stereo_timeline import StereoTimeline

_BEGAN: Final = 4_096.5
_FRAME: Final = 160


def _drawn(dice: Dice, *, wild: bool) -> Iterator[str]:
    """Yield what each step wrote; of a wild stream neither times nor orders make sense."""
    written, now, stamp, marks, frames = StereoTimeline(), _BEGAN, 0, 0, 0

    def jitter() -> float:
        return dice.one_of(0.0, 0.001, 0.0125, 0.05, -0.01) if wild else dice.one_of(0.0, 0.003)

    def control(now: float) -> line.Entry:
        kind = dice.one_of(line.KEEP, line.KEEP, line.KEY, line.PAUSED, line.RESUMED, line.LOST)
        back = dice.one_of(0.0, 0.2, 1.0, 9.0) if wild else dice.one_of(0.0, 0.2)
        return kind, now, now - back if kind in (line.KEEP, line.LOST) else None

    for _ in range(40):
        entries: list[line.Entry] = []
        for _ in range(dice.one_of(1, 5, 10, 25, 60)):
            now, frames = now + 0.02, (frames + 1) % 99
            if not dice.seldom():
                odd = wild and dice.seldom()
                told = dice.one_of(0, stamp + 900, stamp - 700, 10**14) if odd else stamp
                sound = bytes([frames]) * (_FRAME if not odd else dice.one_of(1, 40, 320))
                entries.append((line.CALLER, now + jitter(), (str(max(0, told)), sound)))
            stamp += 20
            if dice.seldom():
                marks += 1
                size = dice.one_of(40, 160, 800, 4_000, 16_000)
                entries.append((line.PLAYED, now, bytes([100 + marks % 99]) * size))
                entries.append((line.MARKED, now, str(marks)))
            if dice.seldom() and marks:
                late = dice.one_of(0, 0, 1, 3)
                entries.append((line.ACKNOWLEDGED, now + jitter(), str(marks - late)))
            if dice.seldom() and dice.one_of(True, False):
                entries.append((line.CLEARED, now, None))
            if dice.seldom():
                entries.append(control(now))
        now += dice.one_of(0.0, 3.0, 8.0) if wild and dice.seldom() else 0.0
        written.add(entries)
        if dice.one_of(True, False):
            yield _shown(written.settled(now))
            yield _told(written)
    yield _shown(written.end(now))
    yield _told(written)


def _told(written: StereoTimeline) -> str:
    kept_from_s = written.kept_from_s
    return f"{written.take_marks()} from {kept_from_s and round(kept_from_s, 7)}"


def _shown(stereo: bytes) -> str:
    """Return both tracks as runs of one code, and a digest of them."""
    tracks = (
        " ".join(f"{code}x{len(list(same))}" for code, same in groupby(stereo[side::2]))
        for side in (0, 1)
    )
    return "\n".join((blake2b(stereo, digest_size=4).hexdigest(), *tracks))


REFERENCES: Final = References(
    Path(__file__).with_suffix(".txt"),
    "audio.reference_timelines",
    {
        "calm": (15, lambda dice: _drawn(dice, wild=False)),
        "wild": (25, lambda dice: _drawn(dice, wild=True)),
    },
)

if __name__ == "__main__":
    sys.exit(REFERENCES.main())
