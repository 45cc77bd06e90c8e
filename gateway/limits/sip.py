"""Bounds of SIP-direct calls and of OpenAI's webhook."""

from __future__ import annotations

from gateway.limits import call

SIDEBAND_MAX_S = 8.0
"""Without a sideband for so long a call cannot be steered, and is ended."""
SIDEBAND_TRIES = 6
SIDEBAND_FIRST_PAUSE_S = 0.1
"""Doubles with each try: about two seconds in all for a session that is just being made."""
SIDEBAND_PAUSE_MAX_S = 0.8
SIDEBAND_STEADY_S = 5.0
"""A sideband that was lost sooner after it was had did not hold."""
SIDEBAND_LOSSES_MAX = 3
"""How many in a row may not hold, before the call is ended."""
GOODBYE_MAX_S = 60.0
"""Once it plays; without marks nobody tells of its progress."""
HANG_UP_FIRST_PAUSE_S = 1.0
"""Doubles with each try: a leg that cannot be hung up is tried for as long as it can last."""
HANG_UP_PAUSE_MAX_S = 60.0
DECIDE_MAX_S = 2.0
ACCEPT_MAX_S = 1.5
"""Of it: what is left is for the reject, should the accept not be answered."""
ACCEPT_TRIES = 2
CROWD_S = 0.05
"""All of a crowd of webhooks are answered before the second of their calls is decided on."""
EVENT_AGE_MAX_S = 30.0
"""The caller of an older event is gone."""
CALLS_MAX = 2_000
LEASE_S = 5.0
"""A SIP call whose process does not renew it for so long belongs to whoever looks next."""
LOOK_S = 1.0
"""How often each process renews its own, and looks for others."""
HEADERS_MAX = 128
TOKEN_S = 60.0
WEBHOOK_TOLERANCE_S = 300
WEBHOOK_SEEN_S = 900.0
"""Longer than an event can be fresh, its signature's tolerance both ways included."""

assert max(call.GOODBYE_MAX_S, GOODBYE_MAX_S) < call.ENDING_MAX_S
assert ACCEPT_MAX_S < DECIDE_MAX_S
assert LOOK_S < LEASE_S / 2
