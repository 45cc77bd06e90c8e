"""Every bound in the house, each with the reason for its value, and the relations between them."""

from __future__ import annotations

# --- Settings ---

MAX_CALLS_DEFAULT = 100
MAX_CALLS_MAX = 10_000
DRAIN_DEFAULT_S = 3600.0
DRAIN_MAX_S = 86_400.0

# --- Agents file ---

AGENTS_FILE_MAX_BYTES = 1 << 20
AGENTS_FILE_MAX_DEPTH = 32
AGENT_NAME_MAX_CHARS = 64
GREETING_MAX_CHARS = 4_000
# Instructions and tools share 16,384 tokens in a 32k session; four characters each is generous.
INSTRUCTIONS_MAX_CHARS = 65_536
VOICE_MAX_CHARS = 128

SESSION_MAX_S = 3600.0  # the Realtime API ends a session after 60 minutes
MAX_CALL_DEFAULT_S = 1800.0
MAX_CALL_MIN_S = 5.0
MAX_CALL_MAX_S = 3540.0  # leaves a minute of the session for the goodbye

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

SIP_URI_MAX_CHARS = 254  # Twilio: below 255

# --- TwiML templates ---

TEMPLATE_MAX_BYTES = 65_536

assert MAX_CALL_DEFAULT_S <= MAX_CALL_MAX_S < SESSION_MAX_S
assert LEAD_MIN_MS <= LEAD_DEFAULT_MS <= LEAD_MAX_MS
assert IDLE_MIN_S <= IDLE_NUDGE_DEFAULT_S < IDLE_END_DEFAULT_S <= IDLE_MAX_S
assert VAD_SILENCE_DEFAULT_MS <= VAD_SILENCE_MAX_MS

# --- One call ---

HELD_AUDIO_MAX_MS = 10_000
"""The caller's first words, kept until the model can hear them; the oldest go first."""

UNPLAYED_AUDIO_MAX_MS = 600_000
"""Twilio itself drops what is more than ten minutes ahead (warning 31931)."""

MOMENT_MAX_MS = 86_400_000
"""A day: no session is longer. A moment that its sound does not have would poison every latency."""
TOKENS_MAX = 1 << 53
"""What a float still counts one by one."""

FRAME_MS = 20
GROUP_MS = 200
"""One media message and its mark: marks that are further apart make truncation coarse."""

MARKS_PENDING_MAX = 256
MARKS_LATE_MAX_MS = 500
"""How late a mark may be before it shows that the telephone plays slower than the clock."""
UNDERRUN_MIN_MS = 10
"""A shorter gap is the error of the estimate, not a hole in the sound."""
FRAME_PAYLOAD_MAX_BYTES = 64_000
"""Eight seconds of mu-law in one message: far above anything seen, far below harm."""

TIMESTAMP_MAX_DIGITS = 12
"""Milliseconds of thirty years."""
TIMESTAMP_LEAP_S = 5.0
"""A frame that is later than this did not wait on its way: the stream's time has begun anew."""
SPEECH_AGE_MAX_S = 60.0
"""The model tells of speech that began or ended just now; an older moment is not believed."""

START_WAIT_S = 5.0
MEDIA_SILENCE_MAX_S = 2.0
"""Twilio sends fifty frames a second even in silence: two seconds of none is a dead stream."""
TICK_LATE_MAX_S = 0.25
"""A tick that is later finds sockets unread: no conclusion is drawn from their silence."""

ARRIVAL_WAIT_S = 30.0
"""From the answer to the webhook to the stream's `start`; Twilio itself gives up after 15 s."""
MODEL_READY_MAX_S = 10.0
RESPONSE_START_MAX_S = 8.0
"""From the end of the caller's turn, or our `response.create`, to `response.created`."""
RESPONSE_STALL_MAX_S = 30.0
"""Within a response that began: without a sound, and without its end."""
RESPONSE_RETRIES_MAX = 2
RESPONSES_QUEUED_MAX = 8
GOODBYE_MAX_S = 15.0
"""How long a goodbye may take to begin, and then to make progress, before the call is ended."""
HANGUP_CONFIRM_MAX_S = 5.0
WARN_BEFORE_END_S = 60.0
TRANSFER_MAX_S = 30.0
"""A SIP provider never tells that a transfer failed: after this the model has the caller back."""
TRANSFERS_MAX = 32

# --- SIP ---

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
SIP_GOODBYE_MAX_S = 60.0
"""Once it plays; without marks nobody tells of its progress."""
SIP_DECIDE_MAX_S = 2.0
SIP_EVENT_AGE_MAX_S = 30.0
"""The caller of an older event is gone."""
SIP_CALLS_MAX = 2_000
SIP_HEADERS_MAX = 128
SIP_TOKEN_S = 60.0
LEGS_MAX = 4
"""How often a caller whose leg ended badly is given another one."""
WEBHOOK_TOLERANCE_S = 300
WEBHOOK_SEEN_S = 900.0
"""Longer than an event can be fresh, its signature's tolerance both ways included."""

TRANSCRIPT_LINES_MAX = 2_000
TRANSCRIPT_LINE_MAX_CHARS = 4_000
TURNS_KEPT_MAX = 1_000
ITEMS_CUT_KEPT_MAX = 64

assert GROUP_MS % FRAME_MS == 0
assert LEAD_MIN_MS >= GROUP_MS
assert TIMESTAMP_LEAP_S > MEDIA_SILENCE_MAX_S
assert HELD_AUDIO_MAX_MS / 1000 >= MODEL_READY_MAX_S
assert MARKS_PENDING_MAX > LEAD_MAX_MS / FRAME_MS

# --- Sockets ---

CONNECT_MAX_S = 5.0
CLOSE_MAX_S = 2.0
"""For the other end to answer our close; then the connection is cut."""
PING_EVERY_S = 20.0
PONG_MAX_S = 20.0

HANDSHAKE_MAX_BYTES = 64 << 10
"""Head of the model's answer to our handshake; a usual one has less than a thousand."""
SOCKET_MESSAGE_MAX_BYTES = 2 << 20
"""Above this a WebSocket is closed with 1009."""
CALLER_MESSAGE_MAX_BYTES = 96 << 10
"""Above this a message of the carrier's is dropped and counted; a usual one has 400 bytes."""
MODEL_MESSAGE_MAX_BYTES = 16 << 20
MODEL_BACKLOG_MAX_BYTES = 1 << 20
"""Unsent towards the model: twelve seconds of PCM. It does not read any more."""
CALLER_BACKLOG_MAX_BYTES = 256 << 10
"""Unsent towards the carrier, which takes no more than the pacing lead at once."""
FAULTS_MAX = 200
"""Messages of one call that could not be read, before its socket is closed."""

assert FRAME_PAYLOAD_MAX_BYTES * 4 / 3 < CALLER_MESSAGE_MAX_BYTES < SOCKET_MESSAGE_MAX_BYTES

# --- Doors ---

WEBHOOK_BODY_MAX_BYTES = 64 << 10
WEBHOOK_BODY_WAIT_S = 5.0
WEBHOOK_FIELDS_MAX = 256
WEBHOOK_REMEMBERED_S = 60.0
"""Twilio gives a voice webhook 15 s in all, retries included."""
STREAM_TOKEN_S = 60.0
REMEMBERED_MAX = 50_000
ENDINGS_KEPT_S = 600.0
REST_TRIES = 3
REST_TIMEOUT_S = 5.0
MODEL_CONNECT_TRIES = 2
LAG_PROBE_S = 0.1
DRAIN_REPORT_S = 5.0

assert ARRIVAL_WAIT_S < STREAM_TOKEN_S
assert MODEL_CONNECT_TRIES * CONNECT_MAX_S <= MODEL_READY_MAX_S

# --- Tools ---

URL_MAX_CHARS = 2_000
TOOL_HEADERS_MAX = 32
TOOL_TIMEOUT_DEFAULT_S = 10.0
TOOL_TIMEOUT_MAX_S = 120.0
TOOL_RESULT_MAX_CHARS = 8_000
"""What a result may take of the model's context; the rest is cut, and the model is told so."""
TOOL_RESPONSE_MAX_BYTES = 256 << 10
TOOL_ARGUMENTS_MAX_CHARS = 16_000
TOOL_REDIRECTS_MAX = 3
TOOLS_AT_ONCE_MAX = 8
"""Of one call; more are answered with an error in words."""
FILLER_AFTER_DEFAULT_MS = 1_500
FUNCTIONS_MAX = 64
