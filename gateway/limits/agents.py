"""Bounds of the agents file and its defaults."""

from __future__ import annotations

AGENTS_FILE_MAX_BYTES = 1 << 20
VERSION_CHARS = 12
"""Of the hash of the file's bytes by which a version of it is known."""
VERSIONS_MAX = 8
"""Versions of the file that calls of one process may use at once: each has its own connections."""
OLD_VERSION_KEPT_S = 120.0
"""An older version is closed so long after its last call: a call may come back, a function end."""
FILE_PROBLEMS_MAX = 20
"""Problems of an agents file that are told at once."""
AGENTS_FILE_MAX_DEPTH = 32
AGENT_NAME_MAX_CHARS = 64
HAND_OVER_MAX = 16  # agents that one agent may hand over to
LANGUAGE_MAX_CHARS = 35  # of a BCP 47 tag, as its RFC 5646 advises
GREETING_MAX_CHARS = 4_000
# Instructions and tools share 16,384 tokens in a 32k session; four characters each is generous.
INSTRUCTIONS_MAX_CHARS = 65_536
PROMPT_TOKENS_MAX = 16_384
VOICE_MAX_CHARS = 128
SESSION_MAX_S = 3600.0  # the Realtime API ends a session after 60 minutes
MAX_CALL_DEFAULT_S = 1800.0
MAX_CALL_MIN_S = 5.0
MAX_CALL_MAX_S = 14_100.0  # Twilio ends a call after four hours
MAX_SIP_CALL_S = 3540.0  # one session, and a minute of it for the goodbye
LEAD_DEFAULT_MS = 1000
LEAD_MIN_MS = 200
LEAD_MAX_MS = 5000
BARGE_IN_SPEECH_MAX_MS = 2_000
PROTECT_GREETING_MAX_MS = 30_000
IDLE_MIN_S = 1.0
IDLE_MAX_S = 600.0
IDLE_NUDGE_DEFAULT_S = 15.0
IDLE_END_DEFAULT_S = 30.0
VAD_SILENCE_DEFAULT_MS = 500  # set explicitly: the vendor's pages say 500, its examples 200
VAD_SILENCE_MAX_MS = 10_000
VAD_PREFIX_PADDING_MAX_MS = 5_000
VAD_IDLE_TIMEOUT_MIN_MS = 5_000
VAD_IDLE_TIMEOUT_MAX_MS = 30_000
NOISE_REDUCTION_STRENGTH_MAX = 10.0
SPEED_MIN = 0.25
SPEED_MAX = 1.5
OUTPUT_TOKENS_MAX = 4096  # the schema's range; "inf" allows what the model allows
CONTEXT_TOKENS_MAX = 128_000
QUEUE_NAME_MAX_CHARS = 64
DAY_MIN = 24 * 60
HOURS_SPANS_MAX = 8  # of one day
HOURS_DATES_MAX = 400  # a year of them, and the next year's holidays
HOURS_LOOK_AHEAD_DAYS = 35
"""How many days ahead opening hours are searched."""
KEYS_PAUSE_DEFAULT_S = 2.0
KEYS_PAUSE_MIN_S = 0.5
KEYS_PAUSE_MAX_S = 15.0
KEYS_MAX = 64  # of one DTMF entry
SIP_URI_MAX_CHARS = 254  # Twilio: below 255
SPEND_MIN_USD = 0.01
SPEND_MAX_USD = 1000.0
TEMPLATE_MAX_BYTES = 65_536
VOICEMAIL_MAX_S = 120
RING_DEFAULT_S = 25
RING_MIN_S = 5
RING_MAX_S = 600  # Twilio's
DIAL_COUNTRIES_MAX = 250

assert MAX_CALL_DEFAULT_S <= MAX_SIP_CALL_S < SESSION_MAX_S
assert LEAD_MIN_MS <= LEAD_DEFAULT_MS <= LEAD_MAX_MS
assert IDLE_MIN_S <= IDLE_NUDGE_DEFAULT_S < IDLE_END_DEFAULT_S <= IDLE_MAX_S
assert VAD_SILENCE_DEFAULT_MS <= VAD_SILENCE_MAX_MS

RETAIN_DAYS_MIN = 1
RETAIN_DAYS_MAX = 3_650
