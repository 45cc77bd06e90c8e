"""Bounds of call records and their event stream."""

from __future__ import annotations

from gateway.limits.call import TRANSCRIPT_MAX_CHARS

RECORDS_KEPT_MAX = 200
"""Ended calls in memory: those on their way to the database, and those that ended lately."""
FORGET_WAIT_S = 10.0
"""Wait for calls on their way to the database before a caller is forgotten."""
TOMBSTONE_SPARE_S = 30 * 86_400.0
"""How much longer than records a forgotten name is kept: a spool may come back to life late."""
LATE_CALLS_MAX = 256
"""Ended calls whose result is still being asked for; of more than these it is lost."""
RECORD_SPANS_MAX = 4_000
RECORD_SPAN_GAP_S = 0.25
"""Shortest pause that ends a span of speech in the timeline."""
RECORD_FILE_MAX_BYTES = 8 << 20
EVENT_STREAM_SUBSCRIBERS_MAX = 32
EVENT_STREAM_BACKLOG_MAX = 1_000
"""Events that a subscriber may be behind: at most about half a megabyte."""
EVENT_STREAM_IDLE_S = 15.0
"""How often an idle event stream sends a comment, so that proxies keep it open."""

assert TRANSCRIPT_MAX_CHARS * 12 < RECORD_FILE_MAX_BYTES
ENDED_SHOWN_S = 10.0
"""How long a process shows others how a call of its own has ended."""
BOARD_EVERY_S = 2.0
"""How often a process shows others how its calls are, beside calls that begin and end."""
BOARD_S = 7.0
"""How long what a process shows is believed, should it die."""
BOARD_CALLS_MAX = 500
"""Calls that one process shows, the newest ones."""
REMOTE_ANSWER_MAX_S = 5.0
"""How long an operator's request waits for the process that has the call."""
REMOTE_LOOK_S = 0.05
"""How often the mailbox is read while an answer is awaited."""

assert BOARD_S > 2 * BOARD_EVERY_S
