"""Reading of a session's configuration: formats, turn detection, transcription.

Audio that goes up in another format than the model expects is heard as noise: speech begins and
never stops. So nothing goes up before the model's echo of the session was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self


@dataclass(frozen=True, slots=True)
class TurnRules:
    """Rules for turns that follow from a session's configuration."""

    vad_silence_s: float
    """How long a caller is silent before the server's VAD says so; 0 where nobody can know."""
    server_interrupts: bool
    """Whether the caller's voice cancels a response by itself."""
    detection: Mapping[str, Any]
    """`turn_detection` as it was asked for; empty without one."""
    transcriber: str
    """The model that writes down what the caller says; "" without one."""

    @classmethod
    def of(cls, session: Mapping[str, Any]) -> Self:
        return cls(
            vad_silence_s(session),
            server_interrupts(session),
            _turn_detection(session),
            transcriber(session),
        )


_PCM_RATE_HZ: Final = 24000
"""Rate of PCM whose format names none: the vendor has no other."""


def echoes(asked: Mapping[str, Any], echoed: Mapping[str, Any] | None) -> bool:
    """Return whether the echo has each format that was asked for; both are `session.audio`."""
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
    if echoed is None:
        return False
    if echoed.get("type") == "audio/pcm" and echoed.get("rate") is None:
        echoed = {**echoed, "rate": _PCM_RATE_HZ}
    return all(echoed.get(key) == value for key, value in asked.items())


def vad_silence_s(session: Mapping[str, Any]) -> float:
    """Return how long the server's VAD waits for silence; 0 where nobody can know."""
    return float(_turn_detection(session).get("silence_duration_ms", 0)) / 1000


def server_answers(session: Mapping[str, Any]) -> bool:
    """Return whether a turn of the caller's makes a response by itself."""
    detection = _turn_detection(session)
    return bool(detection) and detection.get("create_response") is not False


def server_interrupts(session: Mapping[str, Any]) -> bool:
    """Return whether the caller's voice cancels a response by itself."""
    detection = _turn_detection(session)
    return bool(detection) and detection.get("interrupt_response") is not False


def transcriber(session: Mapping[str, Any]) -> str:
    """Return the model that writes down what the caller says; "" without one."""
    asked = session.get("audio", {}).get("input", {}).get("transcription") or {}
    return str(asked.get("model", ""))


def _turn_detection(session: Mapping[str, Any]) -> Mapping[str, Any]:
    return session.get("audio", {}).get("input", {}).get("turn_detection") or {}
