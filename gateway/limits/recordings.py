"""Bounds of recordings: the time line, what waits in memory and on disk, tries to store it."""

from __future__ import annotations

from gateway.limits.agents import MAX_CALL_MAX_S
from gateway.limits.call import FRAME_MS, GROUP_MS

SETTLED_AFTER_MS = 600
"""How old sound is when it is written: until then a `clear`, a mark or a key may change it."""
CALLER_LATE_MAX_MS = 5_000
"""How long the recording waits for sound of the caller that is late; then there is silence."""
CALLER_AHEAD_MAX_MS = 2_000
"""How far ahead of the clock a frame may say that it is, before its own time is not believed."""
KEY_BEFORE_MS = 400
"""How much of the caller's sound before a key is reported is silenced: the tone came first."""
KEY_AFTER_MS = 300
DELAY_MAX_S = 2.0
"""The longest way to the carrier and back that is believed."""
MARKS_MAX = 256
"""Marks of the carrier that a recording waits for."""

WRITE_EVERY_S = 0.5
"""How often what was heard goes to the disk: a process that is killed loses no more than this,
and what has not settled."""
SYNC_EVERY_S = 5.0
"""How often what was written is made safe against a power cut; a killed process loses nothing of
it anyway, since the kernel has it."""
BATCHES_MAX = 2_048
"""Pieces that wait for the disk, of all calls: a minute of fifteen calls, about 20 MB."""
MARKED_MAX = 2_000
"""Pauses and gaps that are named in one recording."""
GAP_MAX_S = 3_600.0
"""The longest silence between two parts of a call that are joined."""

CONSENT_LOOK_S = 1.0
"""How often it is seen whether the caller has heard that the call is recorded."""
CONSENT_TRIES_MAX = 3
"""How often a caller who interrupts it is told that the call is recorded; then it is not."""

FIRST_PAUSE_S = 1.0
"""Before a part that could not be stored is tried again; doubled each time."""
PAUSE_MAX_S = 300.0
JOIN_WAIT_S = 120.0
"""How long the parts of a call that broke off wait for the rest, before they are joined."""
SWEEP_EVERY_S = 3_600.0
"""How often the store is looked through for parts that nobody joined."""
SWEPT_MAX = 1_000
BLOCK_BYTES = 64 << 10
"""Sound that is sealed, read or sent at one go."""
PEAKS_PER_S = 10
"""Points of the waveform."""
RECORDING_MAX_S = 24 * 3_600.0
"""The longest recording: what the parts of one call make together."""
SETTLE_WAIT_S = 60.0
"""How long a process that stops waits for what is on its way to the store."""
CLOSE_WAIT_S = 10.0
"""How long a process that stops waits for what is still to be written to its spool."""

assert SETTLED_AFTER_MS >= KEY_BEFORE_MS
assert SETTLED_AFTER_MS >= GROUP_MS + FRAME_MS  # where the consent ends is known by then
FETCH_BYTES = 256 << 10
STORE_REQUEST_MAX_S = 30
STORE_CONNECT_MAX_S = 5
INFO_MAX_BYTES = 8 << 20
"""What is known of a recording, its waveform included."""
JOINER_NICENESS = 10
"""Encoding gives way to calls."""

assert CLOSE_WAIT_S < JOIN_WAIT_S
assert RECORDING_MAX_S * PEAKS_PER_S * 2 * 4 / 3 < INFO_MAX_BYTES
CARRIER_FILE_MAX_BYTES = round(RECORDING_MAX_S) * 32_000 + (1 << 20)
"""A recording that the carrier made: stereo PCM16 at 8 kHz."""
CARRIER_PAUSE_TRIES = 4
"""How often the carrier is asked to pause a recording: it may not have begun yet."""
CARRIER_FORGET_WAIT_S = 5.0
"""How long whoever forgets a call waits for the carrier to delete its recording."""
CARRIER_REPORT_MAX_S = MAX_CALL_MAX_S + 3_600.0
"""How long after a call has begun its recording is reported at the latest."""
CARRIER_CALLS_MAX = 10_000
"""Recorded SIP calls whose ids are remembered until the carrier reports the recording."""
