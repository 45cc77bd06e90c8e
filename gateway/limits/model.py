"""Bounds of the model's session: connecting, responses, rollover, load shedding."""

from __future__ import annotations

from gateway.limits.call import BUFFERED_AUDIO_MAX_MS, RETAINED_AUDIO_MS

MODEL_TRY_MAX_S = 2.5
"""One try to open a session: connected, and `session.created` received."""
MODEL_PAUSES_S = (0.0, 0.3, 0.8, 1.5, 2.5)
"""Pauses before each further try; after the last the session counts as lost."""
MODEL_GIVE_UP_S = 8.0
"""Time after the first try from which no further one begins: the caller hears nothing."""
RENEW_SPREAD_S = 0.1
"""Random pause before any try: calls lost at once do not reconnect at once."""
MODEL_STEADY_S = 10.0
"""How long a session must last for its loss to start a new series of tries."""
SERVER_SILENCE_MAX_S = 3.0
"""Time without any event of the model's server while one is due."""
SERVER_THINKS_MAX_S = 10.0
"""Time without any event within a response: a reasoning model is silent meanwhile."""
ROLL_BEFORE_S = 120.0
"""How long before the end of a session's hour the next one is opened."""
ROLL_BEFORE_SHARE = 1 / 3
"""The same as a share of a session that is shorter than an hour."""
ROLL_QUIET_MAX_SHARE = 2 / 3
"""Share of that time in which the change waits for a quiet moment."""
ROLL_LOOK_S = 0.5
HAND_OVER_QUIET_MAX_S = 12.0
"""How long a call that leaves a stopping process waits for a quiet moment."""
RESPONSE_START_MAX_S = 8.0
"""From the end of the caller's turn, or our `response.create`, to `response.created`."""
RESPONSE_STALL_MAX_S = 30.0
"""Time without audio and without `response.done` within a response that began."""
RESPONSE_OVER_MAX_S = 4.0
"""From the end of an answer's playback to its `response.done`, which the server has sent before.
It may also think about a function call that follows: then this response ends later, and one that
is asked for meanwhile is refused and asked for again."""
RESPONSE_RETRIES_MAX = 2
RETRY_PAUSE_FIRST_S = 0.5
"""After a failed response for which the server names no wait; doubles with each retry."""
RETRY_HOLD_TONE_FROM_S = 1.0
"""A shorter pause is heard as the model thinking: no hold tone."""
RETRY_PAUSE_MAX_S = 20.0
"""A caller listens to a hold tone for no longer; if the server names more, failover comes now."""
ERROR_WORDS_MAX_CHARS = 300
"""Of the vendor's message of an error that stands in the log."""
RESPONSES_QUEUED_MAX = 8
START_PAUSE_S = 0.003
"""Pause between two call starts, which block the event loop for milliseconds each."""
MODEL_TRIES_MAX_S = MODEL_GIVE_UP_S + 2 * max(MODEL_PAUSES_S) + MODEL_TRY_MAX_S
SHED_BELOW_RATIO = 0.05
"""Share of the model's rate limit below which new calls are shed for running ones."""
SHED_MAX_S = 60.0
BREAKER_FAILURES = 5
BREAKER_LOOK_S = 0.5
"""How often it is looked whether a probe is due."""
BREAKER_PROBE_FIRST_S = 2.0
BREAKER_PROBE_MAX_S = 30.0

assert BUFFERED_AUDIO_MAX_MS >= MODEL_TRIES_MAX_S * 1000 + RETAINED_AUDIO_MS
assert SERVER_SILENCE_MAX_S < RESPONSE_START_MAX_S
assert SERVER_THINKS_MAX_S < RESPONSE_STALL_MAX_S
assert SERVER_SILENCE_MAX_S < RESPONSE_OVER_MAX_S < RESPONSE_START_MAX_S
