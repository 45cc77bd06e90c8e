"""Bounds of the model's session: connecting, responses, rollover, load shedding."""

from __future__ import annotations

from gateway.limits.call import BUFFERED_AUDIO_MAX_MS, RETAINED_AUDIO_MS

MODEL_TRY_MAX_S = 2.5
"""For one try to have a session: connected, and confirmed."""
MODEL_PAUSES_S = (0.0, 0.3, 0.8, 1.5, 2.5)
"""Before each further try; then it is given up."""
MODEL_GIVE_UP_S = 8.0
"""No further try begins so long after the first: the caller has heard nothing meanwhile."""
RENEW_SPREAD_S = 0.1
"""By chance, before any: a server that lost all calls at once gets them back one by one."""
MODEL_STEADY_S = 10.0
"""A session that lasted for so long is not the failure of the same try."""
SERVER_SILENCE_MAX_S = 3.0
"""Without a single event of the server's while one is due."""
SERVER_THINKS_MAX_S = 10.0
"""The same within a response: a model that reasons says nothing meanwhile."""
ROLL_BEFORE_S = 120.0
"""Before the end of its hour, the next session is opened."""
ROLL_BEFORE_SHARE = 1 / 3
"""Of a session that is shorter than usual."""
ROLL_QUIET_MAX_SHARE = 2 / 3
"""Of that time for a quiet moment; then the change comes anyway."""
ROLL_LOOK_S = 0.5
HAND_OVER_QUIET_MAX_S = 12.0
"""The same for a call that leaves a stopping process."""
RESPONSE_START_MAX_S = 8.0
"""From the end of the caller's turn, or our `response.create`, to `response.created`."""
RESPONSE_STALL_MAX_S = 30.0
"""Within a response that began: without a sound, and without its end."""
RESPONSE_RETRIES_MAX = 2
RESPONSES_QUEUED_MAX = 8
START_PAUSE_S = 0.003
"""Between two starts that cost the event loop milliseconds: frames of sound pass between them."""
MODEL_TRIES_MAX_S = MODEL_GIVE_UP_S + 2 * max(MODEL_PAUSES_S) + MODEL_TRY_MAX_S
SHED_BELOW_RATIO = 0.05
"""Of the model's rate limit left: what is there belongs to the calls that are running."""
SHED_MAX_S = 60.0
BREAKER_FAILURES = 5
BREAKER_PROBE_FIRST_S = 2.0
BREAKER_PROBE_MAX_S = 30.0

assert BUFFERED_AUDIO_MAX_MS >= MODEL_TRIES_MAX_S * 1000 + RETAINED_AUDIO_MS
assert SERVER_SILENCE_MAX_S < RESPONSE_START_MAX_S
assert SERVER_THINKS_MAX_S < RESPONSE_STALL_MAX_S
