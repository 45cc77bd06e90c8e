"""Whether the model's echo of the session means the sound that we are about to send.

Audio that goes up before, or in another format, is heard as noise: speech begins and never stops.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def echoes(asked: Mapping[str, Any], echoed: Mapping[str, Any] | None) -> bool:
    """Each format that was asked for, in and out, stands in the echo. Both are `session.audio`."""
    return all(
        _same(_format(asked, side), _format(echoed or {}, side)) for side in ("input", "output")
    )


def _format(audio: Mapping[str, Any], side: str) -> Mapping[str, Any] | None:
    part = audio.get(side)
    found = part.get("format") if isinstance(part, Mapping) else None
    return found if isinstance(found, Mapping) else None


def _same(asked: Mapping[str, Any] | None, echoed: Mapping[str, Any] | None) -> bool:
    if asked is None:
        return True
    return echoed is not None and all(echoed.get(key) == value for key, value in asked.items())
