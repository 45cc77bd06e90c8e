"""Bounds of `before:`, which is asked before the first word of a call."""

from __future__ import annotations

from gateway.limits.briefing import FACTS_MAX_CHARS

TIMEOUT_DEFAULT_MS = 1_200
TIMEOUT_MIN_MS = 50
TIMEOUT_MAX_MS = 3_000
"""A caller hears the line ring for so much longer at most."""
SIP_WAIT_MAX_S = 1.2
"""The same of a call over a trunk, whose webhook asks to be decided on within two seconds."""
ANSWER_MAX_BYTES = 64 << 10
GREETING_MAX_CHARS = 1_000
SENTENCE_MAX_CHARS = 500
CACHE_DEFAULT_S = 60.0
CACHE_MAX_S = 600.0
CACHED_MAX = 2_000
"""Answers in memory; the oldest are forgotten first."""
AT_ONCE_MAX = 100
"""Requests of one agent that are under way; a call beyond that goes on without."""
FAILURES_MAX = 5
"""Requests in a row that failed, after which it is not asked for a while."""
PAUSE_S = 10.0
"""How long it is not asked then."""
EARLIER_WAIT_S = 0.2
"""How long the history may take to find the caller's earlier calls."""
SIP_HEADERS_MAX = 32
SIP_HEADER_MAX_CHARS = 512

assert TIMEOUT_MIN_MS < TIMEOUT_DEFAULT_MS < TIMEOUT_MAX_MS
assert EARLIER_WAIT_S < TIMEOUT_DEFAULT_MS / 1000
assert FACTS_MAX_CHARS * 6 < ANSWER_MAX_BYTES
