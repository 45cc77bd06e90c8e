"""Faults between Twilio and the gateway: malformed messages, jitter, stalls, broken sockets."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Literal

Malformed = Literal["binary", "junk", "unknown_event", "wrong_stream_sid", "bad_payload", "huge"]

HUGE_BYTES = 1024 * 1024
STRANGER = "MZ" + "f" * 32


def malformed(kind: Malformed, stream_sid: str) -> str | bytes:
    """Return a message that breaks the protocol in one named way."""
    match kind:
        case "binary":
            return b"\x00\xff" * 80
        case "junk":
            return '{"event":"media","streamSid":'
        case "unknown_event":
            return json.dumps({"event": "weather", "streamSid": stream_sid, "weather": {}})
        case "wrong_stream_sid":
            return _media(STRANGER, "/" * 216)
        case "bad_payload":
            return _media(stream_sid, "not base64 at all!")
        case "huge":
            return _media(stream_sid, "/" * HUGE_BYTES)


def _media(stream_sid: str, payload: str) -> str:
    media = {"track": "inbound", "chunk": "0", "timestamp": "0", "payload": payload}
    return json.dumps(
        {"event": "media", "sequenceNumber": "0", "streamSid": stream_sid, "media": media}
    )


@dataclass
class Faults:
    """Bad network of one call: jitter of each frame, one stall, one broken socket."""

    jitter_ms: float = 0.0
    stall_at_s: float | None = None
    stall_ms: float = 0.0
    drop_socket_after_s: float | None = None
    chance: random.Random = field(default_factory=lambda: random.Random(0), repr=False)
    socket_dropped: bool = False

    def delay_ms(self, now_ms: float) -> float:
        """Return the delay of the next frame; frames behind a stall arrive in a burst."""
        delay_ms = self.chance.uniform(0.0, self.jitter_ms) if self.jitter_ms else 0.0
        if self.stall_at_s is not None and now_ms >= self.stall_at_s * 1000:
            delay_ms += self.stall_ms
            self.stall_at_s = None
        return delay_ms

    def stall(self, stall_ms: float) -> None:
        """Delay the next frame once."""
        self.stall_at_s, self.stall_ms = 0.0, stall_ms

    def drops_socket(self, stream_age_s: float) -> bool:
        """Return whether the socket breaks now."""
        after = self.drop_socket_after_s
        return after is not None and not self.socket_dropped and stream_age_s >= after
