"""Bounds of what an agent learns about one call from outside, and of `before:`, which is asked."""

from __future__ import annotations

from gateway.limits.outbound import DIAL_KEPT_S

ABOUT_MAX_CHARS = 2_000
FACTS_MAX = 32
FACT_VALUE_MAX_CHARS = 1_000
FACTS_MAX_CHARS = 8_000
"""Names and values together: about 2,000 tokens, which every response of the call is billed."""
FILLED_MAX_CHARS = 200
"""A fact that stands in the greeting or the instructions."""
BRIEFING_KEPT_S = DIAL_KEPT_S

BEFORE_TIMEOUT_DEFAULT_MS = 1_200
BEFORE_TIMEOUT_MIN_MS = 50
BEFORE_TIMEOUT_MAX_MS = 3_000
"""A caller hears the line ring for so much longer at most."""
BEFORE_SIP_WAIT_MAX_S = 1.2
"""The same of a call over a trunk, whose webhook asks to be decided on within two seconds."""
BEFORE_ANSWER_MAX_BYTES = 64 << 10
BEFORE_GREETING_MAX_CHARS = 1_000
BEFORE_SENTENCE_MAX_CHARS = 500
BEFORE_CACHE_DEFAULT_S = 60.0
BEFORE_CACHE_MAX_S = 600.0
BEFORE_CACHED_MAX = 2_000
"""Answers in memory; the oldest are forgotten first."""
BEFORE_AT_ONCE_MAX = 100
"""Requests of one agent that are under way; a call beyond that goes on without."""
BEFORE_FAILURES_MAX = 5
"""Requests in a row that failed, after which it is not asked for a while."""
BEFORE_PAUSE_S = 10.0
"""How long it is not asked then."""
BEFORE_EARLIER_WAIT_S = 0.2
"""How long the history may take to find the caller's earlier calls."""
BEFORE_SIP_HEADERS_MAX = 32
BEFORE_SIP_HEADER_MAX_CHARS = 512

assert FILLED_MAX_CHARS <= FACT_VALUE_MAX_CHARS <= FACTS_MAX_CHARS
assert BEFORE_TIMEOUT_MIN_MS < BEFORE_TIMEOUT_DEFAULT_MS < BEFORE_TIMEOUT_MAX_MS
assert BEFORE_EARLIER_WAIT_S < BEFORE_TIMEOUT_DEFAULT_MS / 1000
assert FACTS_MAX_CHARS * 6 < BEFORE_ANSWER_MAX_BYTES
