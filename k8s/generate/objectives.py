"""Numbers that alerts and dashboards share. Those of money and of addresses are yours to set.

What a turn takes on a healthy day, from the caller's last word to the first sound: 500 ms of
silence until the turn is over (the default of `turn_detection`), 300 to 700 ms until the model's
first sound, 100 to 200 ms on the way to the caller. A turn with a tool takes a second more.
"""

from __future__ import annotations

from typing import Final

RUNBOOK_URL: Final = "https://git.example.com/gateway/docs/operations/runbook.md"
"""Where the runbook can be read; each alert links to its heading there."""

WAIT_GOAL_S: Final = 1.2
"""A wait that callers do not notice as one. A bound of the histogram's buckets."""
WAIT_PROMISE_S: Final = 2.0
"""A wait that few turns may exceed. A bound of the histogram's buckets."""
SLOW_TURNS_MAX: Final = 0.05
"""Share of turns that may take longer than promised."""
MIN_TURNS: Final = 20
"""With fewer turns no share is believed."""

MODEL_STAGE_GOAL_S: Final = 0.8
GATEWAY_STAGE_GOAL_S: Final = 0.05
PLAYBACK_STAGE_GOAL_S: Final = 0.5
"""What half of all turns may spend in each stage after the turn's end was detected; `detection`
is left out, since the agent's `turn_detection` decides it."""

BAD_ENDINGS_MAX: Final = 0.01
"""Share of calls that may end by a failure."""
BAD_ENDINGS_COUNTED: Final = 3
"""With fewer failures nobody is woken: one in a quiet night is a large share of few calls."""

USD_PER_CALL_HOUR: Final = 30
"""What an hour of conversation may cost; a few dollars to fifteen are usual, by model."""

CERTIFICATE_DAYS: Final = 7
"""Renewal is late then: cert-manager renews when a third of a certificate's time is left."""

DESCRIPTORS_LEFT_MIN: Final = 300
"""Descriptors left at which somebody is woken: at 256 plain HTTP is refused."""

EVENT_AGE_MAX_S: Final = 900
"""Age of an undelivered event after which somebody looks at the receiver."""
