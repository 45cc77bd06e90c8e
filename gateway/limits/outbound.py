"""Bounds of calls out and warm transfers."""

from __future__ import annotations

from gateway.limits.agents import MAX_CALL_MAX_S, RING_MAX_S
from gateway.limits.store import ENDINGS_KEPT_S

DIALS_PER_S = 1.0
"""What Twilio places for an account by default; it would queue the rest."""
DIALS_BURST = 3
DIAL_TOKEN_S = RING_MAX_S + 300.0
"""From the order to the answer, Twilio's queue included."""
DIAL_LATE_S = 15.0
"""Beyond the ring timeout, to which Twilio may add five seconds, until it is asked."""
DIAL_LOOK_S = 1.0
"""How often the shared store is asked what another process was told of a call."""
DIAL_KEPT_S = MAX_CALL_MAX_S + DIAL_TOKEN_S
DETECTION_MAX_S = 30
"""For the carrier to find out who has answered."""
DETECTION_LATE_S = 60.0
"""What it says later than this after the answer is of no use."""
DETECTION_LOOK_S = 0.25
WARM_RING_S = 25
"""How long a person is rung for a caller who waits."""
WARM_WAIT_MAX_S = 150
"""The caller waits no longer for word of him: ringing, the whole summary, and the key."""
WARM_KEPT_S = MAX_CALL_MAX_S + ENDINGS_KEPT_S
"""The two may talk for as long as Twilio lets them, and only then it asks what comes next."""
HOLD_MUSIC_CACHED_S = 86_400

assert DETECTION_MAX_S < DETECTION_LATE_S
