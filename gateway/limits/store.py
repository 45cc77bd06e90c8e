"""Bounds of shared state, leases and messages between processes."""

from __future__ import annotations

REMEMBERED_MAX = 50_000
ENDINGS_KEPT_S = 600.0
STATE_EVERY_S = 0.2
"""How often what changed of the calls is written: as much may be forgotten by a killed process."""
STATE_GROWING_EVERY_S = 1.0
"""The same while nothing but the model's sentence grows: all of the call is written each time."""
STATE_SPARE_S = 600.0
"""A call's state is kept for so long beyond its greatest length."""
SOUND_KEPT_S = 10.0
"""The last seconds of a stream that broke: for the next one, or nobody."""
STATES_MAX = 2_000
"""In memory, of calls that ended badly a short while ago."""
STORE_MAX_S = 0.5
"""For Redis to answer; no audio ever waits for it."""
STORE_PAUSE_S = 1.0
"""Between two looks whether it is back."""
STORE_CONNECTIONS_MAX = 16
LEASE_S = 20.0
LEASE_RENEW_S = 5.0
PRESENCE_EVERY_S = 2.0
PRESENCE_S = 7.0
"""How long a process that says nothing more is believed to have a call."""
MAILBOX_EVERY_S = 0.25
MAILBOX_MESSAGE_S = 30.0
MAILBOX_MAX = 64
"""For one process; the oldest go first."""
MAILBOX_BATCH_MAX = 16
PICTURED_CALLS_MAX = 5_000
"""Of which it is known how much they have shown; the oldest are forgotten first."""

assert STATE_EVERY_S < STATE_GROWING_EVERY_S
assert LEASE_RENEW_S < LEASE_S / 2
assert PRESENCE_S > 2 * PRESENCE_EVERY_S
