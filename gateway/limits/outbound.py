"""Bounds of calls out and warm transfers."""

from __future__ import annotations

from gateway.limits.agents import MAX_CALL_MAX_S, RING_MAX_S
from gateway.limits.store import ENDINGS_KEPT_S

DIALS_PER_S = 1.0
"""Calls that Twilio places for an account by default; it would queue the rest."""
DIALS_BURST = 3
DIAL_TOKEN_S = RING_MAX_S + 300.0
"""From the order to the answer, Twilio's queue included."""
DIAL_LATE_S = 15.0
"""Wait beyond the ring timeout before Twilio is asked for the status."""
DIAL_LOOK_S = 1.0
"""How often the shared store is asked for status callbacks of other processes."""
DIAL_KEPT_S = MAX_CALL_MAX_S + DIAL_TOKEN_S
DETECTION_MAX_S = 30
"""How long the carrier may take to detect who has answered."""
DETECTION_LATE_S = 60.0
"""Time after the answer from which a detection result is ignored."""
DETECTION_LOOK_S = 0.25
SCREENING_TURNS = 3
"""Turns of whoever has answered in which a telephone's assistant is looked for."""
SCREENING_WAIT_S = 60.0
"""How long a person is waited for whose telephone was told who is calling."""
SCREENING_LOOK_S = 5.0
WARM_RING_S = 25
"""How long the phone of the person in a warm transfer rings."""
WARM_WAIT_MAX_S = 150
"""Longest wait of the caller in a warm transfer: ringing, summary and key press."""
WARM_KEPT_S = MAX_CALL_MAX_S + ENDINGS_KEPT_S
"""How long a warm transfer is remembered: the longest call and what follows it."""
HOLD_MUSIC_CACHED_S = 86_400

assert DETECTION_MAX_S < DETECTION_LATE_S
