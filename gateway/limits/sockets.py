"""Bounds of both WebSockets."""

from __future__ import annotations

from gateway.limits.call import (
    FRAME_MS,
    FRAME_PAYLOAD_MAX_BYTES,
    MARKS_PENDING_MAX,
    MEDIA_SILENCE_MAX_S,
    START_WAIT_S,
)

CONNECT_MAX_S = 5.0
CLOSE_MAX_S = 2.0
"""How long the peer may take to answer our close frame."""
PING_EVERY_S = 5.0
PONG_MAX_S = 5.0
HANDSHAKE_MAX_BYTES = 64 << 10
"""Head of the model server's handshake response; a usual one has less than 1,000."""
SOCKET_MESSAGE_MAX_BYTES = 256 << 10
"""Message size above which a WebSocket is closed with 1009."""
CALLER_MESSAGE_MAX_BYTES = 16 << 10
"""Carrier message above which it is dropped and counted; a usual one has 400 bytes."""
MODEL_MESSAGE_MAX_BYTES = 16 << 20
"""Message size above which the model's socket is closed with 1009."""
MODEL_EVENT_MAX_BYTES = 1 << 20
"""Event above which it is dropped and counted. Pictures and sessions that come back have a third
of it."""
MODEL_SOUND_MAX_BYTES = 4 << 20
"""The same for a delta of sound, whose base64 is decoded at a gigabyte a second: 65 s of it."""
MODEL_EVENT_LARGE_BYTES = 64 << 10
"""Event above which its parts are counted before it is decoded, and nothing in it is repaired."""
MODEL_EVENT_PARTS_MAX = 16_000
"""Commas and objects of a large event: decoding one costs up to 0.2 us, and nothing else of a call
happens meanwhile. With the bound on bytes that is less than 5 ms."""
MODEL_BACKLOG_MAX_BYTES = 3 << 20
"""Unsent data above which the model's socket counts as lost: twelve seconds of PCM."""
CALLER_BACKLOG_MAX_BYTES = 256 << 10
"""Unsent data above which the carrier's socket counts as lost."""
FAULTS_MAX = 200
"""Unreadable messages of one peer after which its socket is closed."""
TURN_MESSAGES_MAX = 32
"""Messages of one socket that are handled in one turn of the event loop: less than 5 ms."""
TURN_MAX_BYTES = 16 << 10
"""Bytes of one socket that are taken apart in one turn of the event loop."""
CALLER_MESSAGES_PER_S = 100.0
"""Rate of a caller's messages, half of it frames; faster ones use up CALLER_BURST_S."""
CALLER_BYTES_PER_S = 60_000.0
"""Rate of a caller's bytes; Twilio sends a third of it."""
CALLER_FRAME_MAX_BYTES = 600
"""Longest frame that counts as one of 20 ms: 100 of them a second are CALLER_BYTES_PER_S."""
WIDE_BYTES_PER_S = 150_000.0
"""The same for a browser's PCM at 24 kHz, which has 70,000."""
CALLER_BURST_S = 10.0
"""How much more may come at once: what TCP sends again after it was stuck comes together."""
TIMER_GRAIN_S = 0.002
"""Added to timers: the event loop rounds to milliseconds and would fire them too early."""

assert CALLER_BURST_S > MEDIA_SILENCE_MAX_S + START_WAIT_S
assert CALLER_MESSAGES_PER_S * CALLER_BURST_S > MARKS_PENDING_MAX + 1000 / FRAME_MS * CALLER_BURST_S
assert FRAME_PAYLOAD_MAX_BYTES * 4 / 3 < CALLER_MESSAGE_MAX_BYTES < SOCKET_MESSAGE_MAX_BYTES
assert CALLER_FRAME_MAX_BYTES * CALLER_MESSAGES_PER_S <= CALLER_BYTES_PER_S
assert MODEL_EVENT_LARGE_BYTES < MODEL_EVENT_MAX_BYTES < MODEL_SOUND_MAX_BYTES
assert MODEL_SOUND_MAX_BYTES < MODEL_MESSAGE_MAX_BYTES
assert MODEL_EVENT_PARTS_MAX * 0.2e-6 < 0.005
