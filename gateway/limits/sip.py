"""Bounds of SIP-direct calls and of OpenAI's webhook."""

from __future__ import annotations

from gateway.limits import call

SIDEBAND_MAX_S = 8.0
"""Time without a sideband after which a call is ended: it cannot be controlled."""
SIDEBAND_TRIES = 6
SIDEBAND_FIRST_PAUSE_S = 0.1
"""First pause between tries; doubles: about two seconds for a session being created."""
SIDEBAND_PAUSE_MAX_S = 0.8
SIDEBAND_STEADY_S = 5.0
"""How long a sideband must last to count as steady."""
SIDEBAND_LOSSES_MAX = 3
"""Unsteady sidebands in a row after which the call is ended."""
GOODBYE_MAX_S = 60.0
"""Longest goodbye once it plays; SIP has no marks that report its progress."""
PLAYBACK_MAX_S = 300.0
"""Longest playback of a response whose length is not known; 4,096 tokens of sound are 205 s."""
AUDIO_TOKEN_MAX_S = 0.1
"""Length of a token of sound that is billed: 50 ms, and twice that when it is spoken slowly."""
PLAYBACK_SPARE_S = 10.0
"""Time after that in which the server may still report the end."""
RESPONSES_KEPT_MAX = 32
"""Responses of which it is remembered that they are done."""
HANG_UP_FIRST_PAUSE_S = 1.0
"""First pause between tries to hang up a leg; doubles with each try."""
HANG_UP_PAUSE_MAX_S = 60.0
DECIDE_MAX_S = 2.0
ACCEPT_MAX_S = 1.5
"""Part of DECIDE_MAX_S for the accept; the rest is for a reject if it times out."""
ACCEPT_TRIES = 2
ACCEPT_FIRST_PAUSE_S = 0.1
CONTROL_FIRST_PAUSE_S = 0.5
"""Pause before a hang-up or a transfer is asked for again; the next one is twice as long."""
CROWD_S = 0.05
"""Delay of decisions in a burst of webhooks, so that all are answered first."""
EVENT_AGE_MAX_S = 30.0
"""Age from which an incoming call event is ignored: its caller has hung up."""
CALLS_MAX = 2_000
LEASE_S = 5.0
"""Lease of a process on a SIP call; without renewal another process takes the call."""
LOOK_S = 1.0
"""How often each process renews its leases and looks for expired ones."""
HEADERS_MAX = 128
TOKEN_S = 60.0
WEBHOOK_TOLERANCE_S = 300
CLOCK_SKEW_WARN_S = 5.0
"""Difference between this clock and a webhook's time of sending that is logged."""
WEBHOOK_SEEN_S = 900.0
"""How long webhook ids are remembered: longer than a signature stays valid."""

assert max(call.GOODBYE_MAX_S, GOODBYE_MAX_S) < call.ENDING_MAX_S
assert ACCEPT_MAX_S < DECIDE_MAX_S
assert ACCEPT_FIRST_PAUSE_S < ACCEPT_MAX_S / ACCEPT_TRIES
assert LOOK_S < LEASE_S / 2
