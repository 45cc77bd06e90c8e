"""Bounds of both WebSockets."""

from __future__ import annotations

from gateway.limits.call import FRAME_PAYLOAD_MAX_BYTES

CONNECT_MAX_S = 5.0
CLOSE_MAX_S = 2.0
"""For the other end to answer our close; then the connection is cut."""
PING_EVERY_S = 5.0
PONG_MAX_S = 5.0
HANDSHAKE_MAX_BYTES = 64 << 10
"""Head of the model's answer to our handshake; a usual one has less than a thousand."""
SOCKET_MESSAGE_MAX_BYTES = 2 << 20
"""Above this a WebSocket is closed with 1009."""
CALLER_MESSAGE_MAX_BYTES = 96 << 10
"""Above this a message of the carrier's is dropped and counted; a usual one has 400 bytes."""
MODEL_MESSAGE_MAX_BYTES = 16 << 20
MODEL_BACKLOG_MAX_BYTES = 3 << 20
"""Unsent towards the model: twelve seconds of PCM. It does not read any more."""
CALLER_BACKLOG_MAX_BYTES = 256 << 10
"""Unsent towards the carrier, which takes no more than the pacing lead at once."""
FAULTS_MAX = 200
"""Messages of one end of a call that could not be read, before its socket is closed."""
TIMER_GRAIN_S = 0.002
"""The event loop counts whole milliseconds, and rounds: without this a timer comes too early, and
again in each turn of the loop until its time has come."""

assert FRAME_PAYLOAD_MAX_BYTES * 4 / 3 < CALLER_MESSAGE_MAX_BYTES < SOCKET_MESSAGE_MAX_BYTES
