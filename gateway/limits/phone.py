"""Bounds of the browser phone."""

from __future__ import annotations

CALLS_MAX = 4
SHARE_MAX = 0.5
"""Largest share of the call limit, and of the day's budget, that browser calls may use.

Links can be passed on, and both are meant for callers."""
SOCKETS_MAX = 2 * CALLS_MAX
BEGINS_BURST = 6
BEGINS_PER_S = 0.2  # each leaves a record, and records of callers are kept beside it
LINK_DEFAULT_S = 3600.0
LINK_MIN_S = 60.0
LINK_MAX_S = 7 * 86_400.0
RESUME_S = 60.0
"""How long after its longest time a call's browser may still come back."""
RESUMES_MAX = 20
"""How often one call is resumed: a telephone in a train loses its connection again and again."""
FEED_EVERY_S = 0.2
"""How often a browser is sent what was said since."""
ORIGINS_MAX = 32
GUESSES_BURST = 50
GUESSES_PER_S = 10.0
"""Requests with unknown links, of all clients together."""
