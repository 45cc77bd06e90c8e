"""Bounds of call records and their event stream."""

from __future__ import annotations

from gateway.limits.call import TRANSCRIPT_MAX_CHARS

RECORDS_KEPT_MAX = 200
"""Ended calls in memory; older ones are on the disk only."""
RECORD_SPANS_MAX = 4_000
RECORD_SPAN_GAP_S = 0.25
"""A shorter pause is none: the same speech goes on."""
RECORD_FILE_MAX_BYTES = 8 << 20
ARCHIVE_PENDING_MAX = 256
ARCHIVE_FILES_MAX = 20_000
"""Records on the disk; the oldest go first."""
FEED_SUBSCRIBERS_MAX = 32
FEED_BACKLOG_MAX = 1_000
"""Messages that a watcher may be behind: at most about half a megabyte."""
FEED_IDLE_S = 15.0
"""A stream on which nothing happens says so, or proxies would end it."""

assert TRANSCRIPT_MAX_CHARS * 12 < RECORD_FILE_MAX_BYTES
