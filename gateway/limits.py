"""Every bound in the house, each with the reason for its value, and the relations between them."""

from __future__ import annotations

# --- Settings ---

MAX_CALLS_DEFAULT = 100
MAX_CALLS_MAX = 10_000
DRAIN_DEFAULT_S = 3600.0
DRAIN_MAX_S = 86_400.0
SECRET_MIN_CHARS = 16
"""A shorter one of the operator's own making can be guessed: `doctor` warns."""

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
HOURS_SPANS_MAX = 8  # of one day
HOURS_DATES_MAX = 400  # a year of them, and the next year's holidays
HOURS_LOOK_AHEAD_DAYS = 35
"""How far it is looked for the next opening: longer holidays are "closed", without an end."""
DIGITS_SENT_MAX = 32  # as Twilio's own SendDigits
MESSAGE_MAX_CHARS = 2_000
MESSAGE_NAME_MAX_CHARS = 100
MESSAGES_MAX = 10  # of one call
KEYS_PAUSE_DEFAULT_S = 2.0
KEYS_PAUSE_MIN_S = 0.5
KEYS_PAUSE_MAX_S = 15.0
KEYS_MAX = 64  # of one entry: no number that people type is longer
SUMMARY_MAX_CHARS = 600
"""What is whispered to whoever takes a call: half a minute of speech."""
SIP_URI_MAX_CHARS = 254  # Twilio: below 255

PRICE_FILE_MAX_BYTES = 1 << 20
SPEND_MIN_USD = 0.01
SPEND_MAX_USD = 1000.0
BUDGET_MAX_USD = 1_000_000.0
SPEND_WARN_SHARE = 0.8
"""Of what a call may cost: from here on the model is told to come to an end."""
SPEND_CHECK_S = 5.0
"""Minutes of the carrier's pass without a word of anybody's."""

# --- TwiML templates ---

TEMPLATE_MAX_BYTES = 65_536

assert MAX_CALL_DEFAULT_S <= MAX_SIP_CALL_S < SESSION_MAX_S
assert LEAD_MIN_MS <= LEAD_DEFAULT_MS <= LEAD_MAX_MS
assert IDLE_MIN_S <= IDLE_NUDGE_DEFAULT_S < IDLE_END_DEFAULT_S <= IDLE_MAX_S
assert VAD_SILENCE_DEFAULT_MS <= VAD_SILENCE_MAX_MS

# --- One call ---

HELD_AUDIO_MAX_MS = 30_000
"""What the caller says while the model cannot hear it; the oldest goes first."""
KEPT_AUDIO_MS = 1_000
"""His last sound, for a session that takes over: speech that its predecessor had not noticed."""
KEPT_TURN_MAX_MS = 15_000
"""The same of a turn that no session has understood yet."""

UNPLAYED_AUDIO_MAX_MS = 600_000
"""Twilio itself drops what is more than ten minutes ahead (warning 31931)."""

MOMENT_MAX_MS = 86_400_000
"""A day: no session is longer. A moment that its sound does not have would poison every latency."""
TOKENS_MAX = 1 << 53
"""What a float still counts one by one."""

FRAME_MS = 20
GROUP_MS = 200
"""One media message and its mark: marks that are further apart make truncation coarse."""

KEY_BOUNCE_S = 0.08
"""ITU-T Q.24: a key is 40 ms of tone and 40 ms of pause, or more; sooner it is an echo."""
TONES_LOOK_S = 0.1
KEYS_SPEECH_S = 0.8
"""Speech for so long after a key is no tone that the model took for it: he has done typing."""
KEYS_LOOK_S = 0.25
"""An entry is complete while the model is away: when to look again."""

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
EARLY_MESSAGES_MAX = 200
"""Of a stream whose token is being looked up: four seconds of frames."""
MEDIA_SILENCE_MAX_S = 2.0
"""Twilio sends fifty frames a second even in silence: two seconds of none is a dead stream."""
TICK_LATE_MAX_S = 0.25
"""A tick that is later finds sockets unread: no conclusion is drawn from their silence."""

ARRIVAL_WAIT_S = 30.0
"""From the answer to the webhook to the stream's `start`; Twilio itself gives up after 15 s."""
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
GOODBYE_MAX_S = 15.0
"""How long a goodbye may take to begin, and then to make progress, before the call is ended."""
LEAVING_MAX_S = 75.0
"""All of it, however often the caller speaks into it."""
HANGUP_CONFIRM_MAX_S = 5.0
LAST_THINGS_MAX_S = 5.0
"""For the calls of a stopping process to be hung up."""
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
HANG_UP_FIRST_PAUSE_S = 1.0
"""Doubles with each try: a leg that cannot be hung up is tried for as long as it can last."""
HANG_UP_PAUSE_MAX_S = 60.0
SIP_DECIDE_MAX_S = 2.0
SIP_ACCEPT_MAX_S = 1.5
"""Of it: what is left is for the reject, should the accept not be answered."""
SIP_ACCEPT_TRIES = 2
TURNSTILE_S = 0.003
"""Between two starts that cost the event loop milliseconds: frames of sound pass between them."""
SIP_CROWD_S = 0.05
"""All of a crowd of webhooks are answered before the second of their calls is decided on."""
SIP_EVENT_AGE_MAX_S = 30.0
"""The caller of an older event is gone."""
SIP_CALLS_MAX = 2_000
SIP_LEASE_S = 5.0
"""A SIP call whose process does not renew it for so long belongs to whoever looks next."""
SIP_LOOK_S = 1.0
"""How often each process renews its own, and looks for others."""
SIP_HEADERS_MAX = 128
SIP_TOKEN_S = 60.0
LEGS_MAX = 6
"""How often a caller whose leg ended badly is given another one."""
WEBHOOK_TOLERANCE_S = 300
WEBHOOK_SEEN_S = 900.0
"""Longer than an event can be fresh, its signature's tolerance both ways included."""

MEMORY_ITEMS_MAX = 1_000
MEMORY_MAX_CHARS = 64_000
"""An hour of talk; a new session takes it as some 16,000 tokens."""
TRANSCRIPT_LINES_MAX = 2_000
TRANSCRIPT_LINE_MAX_CHARS = 4_000
TRANSCRIPT_MAX_CHARS = 200_000
"""In all: about four hours of talk."""
TURNS_KEPT_MAX = 1_000
ITEMS_CUT_KEPT_MAX = 64

assert max(GOODBYE_MAX_S, SIP_GOODBYE_MAX_S) < LEAVING_MAX_S
assert SIP_ACCEPT_MAX_S < SIP_DECIDE_MAX_S
assert SIP_LOOK_S < SIP_LEASE_S / 2
assert GROUP_MS % FRAME_MS == 0
assert LEAD_MIN_MS >= GROUP_MS
assert TIMESTAMP_LEAP_S > MEDIA_SILENCE_MAX_S
MODEL_TRIES_MAX_S = MODEL_GIVE_UP_S + 2 * max(MODEL_PAUSES_S) + MODEL_TRY_MAX_S
assert HELD_AUDIO_MAX_MS >= MODEL_TRIES_MAX_S * 1000 + KEPT_AUDIO_MS
assert KEPT_AUDIO_MS <= KEPT_TURN_MAX_MS < HELD_AUDIO_MAX_MS
assert SERVER_SILENCE_MAX_S < RESPONSE_START_MAX_S
assert SERVER_THINKS_MAX_S < RESPONSE_STALL_MAX_S
assert MARKS_PENDING_MAX > LEAD_MAX_MS / FRAME_MS

# --- Sockets ---

CONNECT_MAX_S = 5.0
CLOSE_MAX_S = 2.0
"""For the other end to answer our close; then the connection is cut."""
PING_EVERY_S = 5.0
PONG_MAX_S = 5.0

HANDSHAKE_MAX_BYTES = 64 << 10
"""Head of the model's answer to our handshake; a usual one has less than a thousand."""
SOCKET_MESSAGE_MAX_BYTES = 2 << 20
"""Above this a WebSocket is closed with 1009."""
CALLER_MESSAGE_MAX_BYTES = 96 << 10
"""Above this a message of the carrier's is dropped and counted; a usual one has 400 bytes."""
MODEL_MESSAGE_MAX_BYTES = 16 << 20
MODEL_BACKLOG_MAX_BYTES = 3 << 20
"""Unsent towards the model: twelve seconds of PCM. It does not read any more."""
CALLER_BACKLOG_MAX_BYTES = 256 << 10
"""Unsent towards the carrier, which takes no more than the pacing lead at once."""
FAULTS_MAX = 200
"""Messages of one end of a call that could not be read, before its socket is closed."""

assert FRAME_PAYLOAD_MAX_BYTES * 4 / 3 < CALLER_MESSAGE_MAX_BYTES < SOCKET_MESSAGE_MAX_BYTES

# --- Doors ---

REQUEST_HEAD_MAX_BYTES = 64 << 10
"""Twilio's have about a thousand; uvicorn by itself has no bound."""
REQUEST_HEAD_WAIT_S = 10.0
KEEP_ALIVE_S = 75.0
"""A connection that is used again is closed by whoever uses it, and not by us while a request is on
its way: longer than the minute after which load balancers give an idle one up."""
WEBHOOK_BODY_MAX_BYTES = 64 << 10
WEBHOOK_BODY_WAIT_S = 5.0
WEBHOOK_FIELDS_MAX = 256
WEBHOOK_REMEMBERED_S = 60.0
"""Twilio gives a voice webhook 15 s in all, retries included."""
STREAM_TOKEN_S = 60.0
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
RESUMES_MAX = 3
"""How often a call whose stream broke is taken up again; then a person has it."""
SHED_BELOW_RATIO = 0.05
"""Of the model's rate limit left: what is there belongs to the calls that are running."""
SHED_MAX_S = 60.0
BREAKER_FAILURES = 5
BREAKER_PROBE_FIRST_S = 2.0
BREAKER_PROBE_MAX_S = 30.0
VOICEMAIL_MAX_S = 120
REST_TRIES = 3
REST_TIMEOUT_S = 5.0
LAG_PROBE_S = 0.1
TIMER_GRAIN_S = 0.002
"""The event loop counts whole milliseconds, and rounds: without this a timer comes too early, and
again in each turn of the loop until its time has come."""
CERTIFICATE_CHECK_S = 6 * 3600.0
CERTIFICATE_FIRST_S = 60.0
"""Not at once: a pod that starts is not yet reached by its public address."""
DRAIN_REPORT_S = 5.0
DRAIN_HAND_OVER_S = 10.0
"""Before the deadline: from here on, each call leaves in its next quiet moment."""
DRAIN_LEAVE_MAX_S = 5.0
"""After it, for the last ones to be taken over."""

assert ARRIVAL_WAIT_S < STREAM_TOKEN_S
assert STATE_EVERY_S < STATE_GROWING_EVERY_S
assert LEASE_RENEW_S < LEASE_S / 2

# --- Records and operators ---

RECORDS_KEPT_MAX = 200
"""Ended calls in memory; older ones are on the disk only."""
RECORD_SPANS_MAX = 4_000
RECORD_SPAN_GAP_S = 0.25
"""A shorter pause is none: the same speech goes on."""
RECORD_FILE_MAX_BYTES = 8 << 20
ARCHIVE_PENDING_MAX = 256
ARCHIVE_FILES_MAX = 20_000
"""Records on the disk; the oldest go first."""
FEED_SUBSCRIBERS_MAX = 32
FEED_BACKLOG_MAX = 1_000
"""Messages that a watcher may be behind: at most about half a megabyte."""
FEED_IDLE_S = 15.0
"""A stream on which nothing happens says so, or proxies would end it."""

assert TRANSCRIPT_MAX_CHARS * 12 < RECORD_FILE_MAX_BYTES

# --- Calls out ---

RING_DEFAULT_S = 25
RING_MIN_S = 5
RING_MAX_S = 600  # Twilio's
DIALS_PER_S = 1.0
"""What Twilio places for an account by default; it would queue the rest."""
DIALS_BURST = 3
DIAL_COUNTRIES_MAX = 250
DIAL_TOKEN_S = RING_MAX_S + 300.0
"""From the order to the answer, Twilio's queue included."""
DIAL_LATE_S = 15.0
"""Beyond the ring timeout, to which Twilio may add five seconds, until it is asked."""
DIAL_LOOK_S = 1.0
"""How often the shared store is asked what another process was told of a call."""
DIAL_KEPT_S = MAX_CALL_MAX_S + DIAL_TOKEN_S
DETECTION_MAX_S = 30
"""For the carrier to find out who has answered."""
DETECTION_LATE_S = 60.0
"""What it says later than this after the answer is of no use."""
DETECTION_LOOK_S = 0.25
IDEMPOTENCY_KEY_MAX_CHARS = 128
IDEMPOTENCY_KEPT_S = 86_400.0

WARM_RING_S = 25
"""How long a person is rung for a caller who waits."""
WARM_WAIT_MAX_S = 150
"""The caller waits no longer for word of him: ringing, the whole summary, and the key."""
WARM_KEPT_S = MAX_CALL_MAX_S + ENDINGS_KEPT_S
"""The two may talk for as long as Twilio lets them, and only then it asks what comes next."""
HOLD_MUSIC_CACHED_S = 86_400

assert DETECTION_MAX_S < DETECTION_LATE_S

CALL_ID_MAX_CHARS = 256
API_REQUESTS_BURST = 200
API_REQUESTS_PER_S = 50.0
API_ACTIONS_BURST = 30
API_ACTIONS_PER_S = 5.0
API_BODY_MAX_BYTES = 16 << 10
API_BODY_WAIT_S = 20.0
API_CALLS_DEFAULT = 100
API_CALLS_MAX = 500
API_SAY_MAX_CHARS = 1_000
API_ABOUT_MAX_CHARS = 300

IMAGE_BODY_MAX_BYTES = 12 << 20
"""A telephone's photo as it is."""
IMAGE_PIXELS_MAX = 64_000_000
IMAGE_SIDE_MAX_PX = 1_024
IMAGE_SENT_MAX_BYTES = 256 << 10
"""On a socket that also carries the caller's voice: a moment's worth."""
IMAGES_AT_ONCE_MAX = 2

assert IMAGE_SENT_MAX_BYTES * 4 / 3 < MODEL_BACKLOG_MAX_BYTES / 2
assert API_SAY_MAX_CHARS * 12 < API_BODY_MAX_BYTES

# --- Photos and texts ---

PICTURES_WAITING_MAX = 4
PICTURE_EVERY_S = 0.25
"""At most a megabyte a second on its way to the model, beside the caller's voice."""
"""Messages that wait for a model that is being had again."""
PICTURES_MAX = 30
"""Of one call; each stays in the conversation, and is billed with every further response."""
CAMERA_FRAMES_MAX = 900
"""Of one call: a quarter of an hour, at one a second. The model has one of them at a time."""
CAMERA_FRAME_MAX_BYTES = 1 << 20
CAMERA_SIDE_MAX_PX = 768
CAMERA_PAUSE_S = 5.0
"""After so long without a frame the next one begins another showing, and is answered."""
CAMERA_BURST = 3
CAMERA_PER_S = 1.25
PHOTOS_BURST = 5
PHOTOS_PER_S = 0.5
PHOTO_TOKEN_BYTES = 16
PHOTO_LOOKS_BURST = 100
PHOTO_LOOKS_PER_S = 50.0

# --- Browser telephone ---

PHONE_CALLS_MAX = 4
PHONE_SHARE_MAX = 0.5
"""Links go from hand to hand, and the places and the budget are those of callers: so many calls at
once in this process, no more than this share of its places, and none once so much of the day's
budget is used."""
PHONE_SOCKETS_MAX = 2 * PHONE_CALLS_MAX
PHONE_BEGINS_BURST = 6
PHONE_BEGINS_PER_S = 0.2  # each leaves a record, and records of callers are kept beside it
PHONE_LINK_DEFAULT_S = 3600.0
PHONE_LINK_MIN_S = 60.0
PHONE_LINK_MAX_S = 7 * 86_400.0
PHONE_GUESSES_BURST = 50
PHONE_GUESSES_PER_S = 10.0
"""Of everybody who asks for a link that this process does not know: who guesses, for the most."""
MEDIA_PER_MESSAGE_MAX = 10
"""Twilio: MediaUrl0 to MediaUrl9."""
MEDIA_FETCH_MAX_S = 15.0
MEDIA_TRIES = 3
MEDIA_REDIRECTS_MAX = 3
MEDIA_AT_ONCE_MAX = 4
"""In the whole process, each with IMAGE_BODY_MAX_BYTES at the most."""
MESSAGE_REMEMBERED_S = 3_600.0
MESSAGE_ANSWERED_EVERY_S = 600.0
"""A text that belongs to no call is answered so often: two machines would answer for ever."""
TEXT_IN_MAX_CHARS = 1_600
"""Twilio's own bound on a message."""
TEXT_OUT_MAX_CHARS = 480
TEXTS_MAX = 10
"""That the model may send in one call."""

LINE_EVERY_S = 2.0
LINE_S = 7.0
"""How long a process that says nothing more is believed to have a call."""
RELAY_EVERY_S = 0.25
LETTER_S = 30.0
LETTERS_MAX = 64
"""For one process; the oldest go first."""
LETTERS_AT_ONCE_MAX = 16
PICTURED_CALLS_MAX = 5_000
"""Of which it is known how much they have shown; the oldest are forgotten first."""

assert LINE_S > 2 * LINE_EVERY_S
assert TEXT_OUT_MAX_CHARS <= TEXT_IN_MAX_CHARS
assert CAMERA_FRAME_MAX_BYTES <= IMAGE_BODY_MAX_BYTES
assert CAMERA_SIDE_MAX_PX <= IMAGE_SIDE_MAX_PX

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
TOOL_THREADS_MAX = 32
"""Of one function that is not async; one that hangs keeps its place until it does not."""
FILLER_AFTER_DEFAULT_MS = 1_500
FILLER_AFTER_MAX_MS = 60_000
HOLD_LEAD_MS = 200
"""Of the sound to wait by: no more than this is thrown away when the model speaks."""
HOLD_GROUP_MS = 100
FUNCTIONS_MAX = 64

# --- MCP ---

MCP_SERVERS_MAX = 16
"""Of one agent."""
MCP_LABEL_MAX_CHARS = 32
"""Half of a function's name: the other half is the tool's."""
MCP_TOOLS_MAX = 64
"""Of one server; more would crowd the model's instructions out."""
MCP_PAGES_MAX = 20
"""Of its list of them."""
MCP_RESPONSE_MAX_BYTES = 2 << 20
"""A picture may be in it, which nobody hears of."""
MCP_SCHEMA_MAX_CHARS = 16_000
MCP_DESCRIPTION_MAX_CHARS = 1_000
MCP_START_MAX_S = 3.0
"""For servers to be had before the first call; the process starts without the others."""
MCP_CONNECT_MAX_S = 10.0
MCP_ASK_MAX_S = 5.0
MCP_LOOK_EVERY_S = 5.0
"""So long at most a new call is offered the tools of a server that has just died."""
MCP_NEEDED_MAX_S = 2.0
"""For a server that is not there to be tried once more, since a call asks for it."""
MCP_PAUSE_FIRST_S = 0.5
"""Before a server that was lost is tried again; doubles with each try."""
MCP_PAUSE_MAX_S = 15.0
MCP_STEADY_S = 10.0
"""A server that was lost sooner after it was had did not hold."""
MCP_STDERR_LINE_MAX_BYTES = 400
MCP_STDERR_LINES_KEPT = 3
"""Of what a process says before it ends; it has no other way into the log."""
MCP_LIST_GRACE_S = 1.0
"""A server whose tools are not listed by then is late, and the model is told; nobody has finished
his first sentence before."""
MCP_GO_ON_GRACE_S = 0.3
"""What came of a hosted call is in: if the model does not go on by itself by then, it is asked."""
MCP_CALLS_MAX = 32
"""Hosted ones of one call, out at once; more are the server's own business."""
APPROVALS_MAX = 8
"""Of one call, at once; one more is denied."""
APPROVALS_KEPT_MAX = 64
"""Answers that are remembered, so that the same one may be given twice."""
APPROVAL_WAIT_DEFAULT_S = 30.0
APPROVAL_WAIT_MIN_S = 1.0
APPROVAL_WAIT_MAX_S = 300.0
APPROVAL_FILLER_EVERY_S = 12.0
"""A caller who waits for somebody's leave hears so now and then."""
APPROVAL_ID_MAX_CHARS = 128
TOOL_SHOWN_MAX_CHARS = 96
"""Of a tool's name in a record: a label, and what the model wrote."""

assert HOLD_GROUP_MS % FRAME_MS == 0
assert HOLD_LEAD_MS >= 2 * HOLD_GROUP_MS
