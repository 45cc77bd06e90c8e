"""Bounds of the delivery of events."""

from __future__ import annotations

ATTEMPT_MAX_S = 15.0
"""Longest attempt, as Standard Webhooks advises a receiver to answer within."""
LEASE_S = 60.0
"""Time after which another process sends what this one has taken and not reported on."""
AT_ONCE = 8
"""Attempts of one process at the same time."""
FIRST_PAUSE_S = 5.0
PAUSE_MAX_S = 3_600.0
"""Pauses double from the first to this one."""
GIVE_UP_S = 86_400.0
"""An event is tried for so long, and parked then."""
RETRY_AFTER_MAX_S = 3_600.0
DOWN_PAUSE_MAX_S = 30.0
"""Longest rest of a process after attempts in a row that found no receiver."""
LOOK_EVERY_S = 5.0
"""How often a process looks for what is due again, or was left by another one."""
STATS_EVERY_S = 15.0
SETTLE_S = 20.0
"""How long `call.ended` waits after an end that another stream or process may resume."""
DELIVERED_KEPT_S = 86_400.0
"""How long the id of a delivered event is kept, so that it is not added again."""
EVENT_MAX_BYTES = 8 << 20
ANSWER_MAX_BYTES = 64 << 10
PAGE_MAX = 500
PAGE_DEFAULT = 100
ERROR_MAX_CHARS = 60

assert ATTEMPT_MAX_S * 2 < LEASE_S
assert FIRST_PAUSE_S < PAUSE_MAX_S < GIVE_UP_S
