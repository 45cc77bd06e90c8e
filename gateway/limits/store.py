"""Bounds of shared state, leases and messages between processes."""

from __future__ import annotations

REMEMBERED_MAX = 50_000
ENDINGS_KEPT_S = 600.0
STATE_EVERY_S = 0.2
"""How often changed snapshots are written; a killed process loses at most so much."""
STATE_GROWING_EVERY_S = 1.0
"""The same while only the model's current sentence grows."""
STATE_SPARE_S = 600.0
"""How long a snapshot outlives the longest possible call."""
SOUND_KEPT_S = 10.0
"""How long the last audio of a broken stream is kept for the next one."""
STATES_MAX = 2_000
"""Snapshots in memory of calls that ended badly."""
STORE_MAX_S = 0.5
"""How long Redis may take to answer; no audio waits for it."""
STORE_PAUSE_S = 1.0
"""Pause before Redis is tried again after it failed."""
STORE_CONNECTIONS_MAX = 16
"""Connections of one process to Redis; further requests wait for one, within STORE_MAX_S."""
LEASE_S = 20.0
LEASE_RENEW_S = 5.0
PRESENCE_EVERY_S = 2.0
PRESENCE_S = 7.0
"""How long a process that does not renew its presence counts as having a call."""
MAILBOX_EVERY_S = 0.25
MAILBOX_MESSAGE_S = 30.0
MAILBOX_MAX = 64
"""Messages for one process; the oldest are dropped first."""
MAILBOX_BATCH_MAX = 16
TRACES_KEPT_S = 86_400.0
"""How long the names of a caller's calls and keys are kept, by which they are forgotten."""
BARRED_S = 86_400.0
"""How long nothing is put under the name of a call that was forgotten."""
NOTED_MAX = 1_000
"""Names of one caller's in memory, where there is no Redis; the oldest are dropped first."""
PICTURED_CALLS_MAX = 5_000
"""Calls whose picture counts are remembered; the oldest are forgotten first."""

assert STATE_EVERY_S < STATE_GROWING_EVERY_S
assert LEASE_RENEW_S < LEASE_S / 2
assert PRESENCE_S > 2 * PRESENCE_EVERY_S
