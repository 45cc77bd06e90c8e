"""Bounds of one call: audio, marks, turns, history, endings."""

from __future__ import annotations

from gateway.limits.agents import LEAD_MAX_MS, LEAD_MIN_MS

DIGITS_SENT_MAX = 32  # as Twilio's own SendDigits
MESSAGE_MAX_CHARS = 2_000
MESSAGE_NAME_MAX_CHARS = 100
MESSAGES_MAX = 10  # of one call
SUMMARY_MAX_CHARS = 600
"""What is whispered to whoever takes a call: half a minute of speech."""
SPEND_WARN_SHARE = 0.8
"""Of what a call may cost: from here on the model is told to come to an end."""
SPEND_CHECK_S = 5.0
"""Minutes of the carrier's pass without a word of anybody's."""
BUFFERED_AUDIO_MAX_MS = 30_000
"""What the caller says while the model cannot hear it; the oldest goes first."""
RETAINED_AUDIO_MS = 1_000
"""His last sound, for a session that takes over: speech that its predecessor had not noticed."""
RETAINED_TURN_MAX_MS = 15_000
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
GOODBYE_MAX_S = 15.0
"""How long a goodbye may take to begin, and then to make progress, before the call is ended."""
ENDING_MAX_S = 75.0
"""All of it, however often the caller speaks into it."""
HANGUP_CONFIRM_MAX_S = 5.0
FINAL_HANGUP_MAX_S = 5.0
"""For the calls of a stopping process to be hung up."""
WARN_BEFORE_END_S = 60.0
TRANSFER_MAX_S = 30.0
"""A SIP provider never tells that a transfer failed: after this the model has the caller back."""
TRANSFERS_MAX = 32
LEGS_MAX = 6
"""How often a caller whose leg ended badly is given another one."""
HISTORY_ITEMS_MAX = 1_000
HISTORY_MAX_CHARS = 64_000
"""An hour of talk; a new session takes it as some 16,000 tokens."""
TRANSCRIPT_LINES_MAX = 2_000
TRANSCRIPT_LINE_MAX_CHARS = 4_000
TRANSCRIPT_MAX_CHARS = 200_000
"""In all: about four hours of talk."""
TURNS_KEPT_MAX = 1_000
ITEMS_CUT_KEPT_MAX = 64
RESUMES_MAX = 3
"""How often a call whose stream broke is taken up again; then a person has it."""
PICTURES_WAITING_MAX = 4
PICTURE_EVERY_S = 0.25
"""At most a megabyte a second on its way to the model, beside the caller's voice."""
"""Messages that wait for a model that is being had again."""
CAMERA_PAUSE_S = 5.0
"""After so long without a frame the next one begins another showing, and is answered."""

assert GROUP_MS % FRAME_MS == 0
assert LEAD_MIN_MS >= GROUP_MS
assert TIMESTAMP_LEAP_S > MEDIA_SILENCE_MAX_S
assert RETAINED_AUDIO_MS <= RETAINED_TURN_MAX_MS < BUFFERED_AUDIO_MAX_MS
assert MARKS_PENDING_MAX > LEAD_MAX_MS / FRAME_MS
