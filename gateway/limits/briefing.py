"""Bounds of what an agent learns about one call from outside."""

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

assert FILLED_MAX_CHARS <= FACT_VALUE_MAX_CHARS <= FACTS_MAX_CHARS
