"""Bounds of the browser phone."""

from __future__ import annotations

CALLS_MAX = 4
SHARE_MAX = 0.5
"""Links go from hand to hand, and the places and the budget are those of callers: so many calls at
once in this process, no more than this share of its places, and none once so much of the day's
budget is used."""
SOCKETS_MAX = 2 * CALLS_MAX
BEGINS_BURST = 6
BEGINS_PER_S = 0.2  # each leaves a record, and records of callers are kept beside it
LINK_DEFAULT_S = 3600.0
LINK_MIN_S = 60.0
LINK_MAX_S = 7 * 86_400.0
GUESSES_BURST = 50
GUESSES_PER_S = 10.0
"""Of everybody who asks for a link that this process does not know: who guesses, for the most."""
