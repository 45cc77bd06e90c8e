"""Bounds of one call: audio, marks, turns, history, endings."""

from __future__ import annotations

from gateway.limits.agents import LEAD_MAX_MS, LEAD_MIN_MS

DIGITS_SENT_MAX = 32  # as Twilio's own SendDigits
MESSAGE_MAX_CHARS = 2_000
MESSAGE_NAME_MAX_CHARS = 100
MESSAGES_MAX = 10  # of one call
SUMMARY_MAX_CHARS = 600
"""Summary spoken to the person who takes a transferred call: half a minute of speech."""
SPEND_WARN_SHARE = 0.8
"""Share of the spend limit of a call from which the model is asked to end it."""
SPEND_CHECK_S = 5.0
"""How often the cost of the carrier's minutes is added to running calls."""
BUFFERED_AUDIO_MAX_MS = 30_000
"""Audio buffered while there is no session; the oldest is dropped first."""
RETAINED_AUDIO_MS = 1_000
"""The caller's latest audio, replayed to a new session: the old one may not have heard it."""
RETAINED_TURN_MAX_MS = 15_000
"""Audio of a caller turn that no session has answered yet, replayed to a new session."""
UNPLAYED_AUDIO_MAX_MS = 600_000
"""Audio sent and not yet played; Twilio drops more than ten minutes (warning 31931)."""
MOMENT_MAX_MS = 86_400_000
"""Largest audio timestamp of the model that is believed: a day, longer than any session."""
TOKENS_MAX = 1 << 53
"""Largest token count of one response that is believed; a float is exact up to it."""
FRAME_MS = 20
GROUP_MS = 200
"""Audio of one media message and its mark: marks further apart make truncation coarse."""
KEY_BOUNCE_S = 0.08
"""Shortest time between two DTMF keys. ITU-T Q.24: 40 ms of tone and 40 ms of pause."""
TONES_LOOK_S = 0.1
KEYS_SPEECH_S = 0.8
"""Speech of this length after a key is no misheard tone: the DTMF entry has ended."""
KEYS_LOOK_S = 0.25
"""How often a complete DTMF entry is offered again while there is no session."""
MARKS_PENDING_MAX = 256
MARKS_LATE_MAX_MS = 500
"""Delay of a mark from which playback counts as slower than the clock."""
UNDERRUN_MIN_MS = 10
"""Shortest gap in playback that counts as an under-run; less is estimation error."""
FRAME_PAYLOAD_MAX_BYTES = 8_000
"""Payload of one media message: a second of mu-law, far above anything seen."""
SOUND_RATE_MAX = 1.25
"""Audio of a caller per time; more than SOUND_BURST_MS beyond it is dropped."""
SOUND_BURST_MS = 10_000
TIMESTAMP_MAX_DIGITS = 12
"""Digits of a media timestamp: milliseconds of thirty years."""
TIMESTAMP_LEAP_S = 5.0
"""Jump of the media timestamp from which the stream's clock counts as restarted."""
SPEECH_AGE_MAX_S = 60.0
"""Oldest start or end of speech in a VAD event that is believed."""
SPEECH_MAX_S = 60.0
"""One turn of the caller of which the server reports nothing but its beginning."""
START_WAIT_S = 5.0
"""From a media stream's handshake to its `start` message."""
MEDIA_SILENCE_MAX_S = 2.0
"""Time without a media message after which a stream is dead; Twilio sends silence too."""
TICK_LATE_MAX_S = 0.25
"""Delay of a timer from which the silence of sockets proves nothing: they were not read."""
ARRIVAL_WAIT_S = 30.0
"""From the answer to the webhook to the stream's `start`; Twilio itself gives up after 15 s."""
GOODBYE_MAX_S = 15.0
"""How long a goodbye may take to begin, and then to make progress, before the call is ended."""
ENDING_MAX_S = 75.0
"""Longest goodbye, however often the caller interrupts it."""
WORK_AFTER_GOODBYE_MAX_S = 10.0
"""How long a call that has said goodbye waits for functions that were begun."""
HANGUP_CONFIRM_MAX_S = 5.0
FINAL_HANGUP_MAX_S = 5.0
"""How long a stopping process waits for its calls to be hung up."""
WARN_BEFORE_END_S = 60.0
TRANSFER_MAX_S = 30.0
"""Wait after a SIP REFER before it counts as failed; providers do not report failures."""
TRANSFERS_MAX = 32
HAND_OVERS_MAX = 8
"""How often the agent of one call changes."""
HAND_BACK_AFTER_TURNS = 2
"""Turns of the caller before an agent may hand back to the one from which it has the call."""
AGENT_CHANGE_MAX_S = 10.0
"""Longest try to have the next agent lead; after the last one the agent there is goes on."""
AGENT_CHANGE_TRIES_MAX = 2
AGENT_CHANGE_PAUSE_S = 0.5
LEGS_MAX = 6
"""How many legs a caller gets after legs that ended badly."""
HISTORY_ITEMS_MAX = 1_000
HISTORY_MAX_CHARS = 64_000
"""Conversation history passed to a new session: an hour of talk, some 16,000 tokens."""
TRANSCRIPT_LINES_MAX = 2_000
TRANSCRIPT_LINE_MAX_CHARS = 4_000
TRANSCRIPT_MAX_CHARS = 200_000
"""Whole transcript of a call: about four hours of talk."""
TURNS_KEPT_MAX = 1_000
ITEMS_CUT_KEPT_MAX = 64
PASSES_MAX = 20
"""How often a caller is sent on by processes that stop before it counts as a leg that failed; each
takes a second or more, and such a process is gone after ten."""
RESUMES_MAX = 3
"""How often a call is resumed after its stream broke; then it goes to a person."""
PICTURES_WAITING_MAX = 4
"""Messages with pictures that are queued while there is no session."""
PICTURE_EVERY_S = 0.25
"""Shortest time between two pictures sent to the model: at most a megabyte a second."""
CAMERA_PAUSE_S = 5.0
"""Pause between camera frames after which the next one asks the model for a response."""

assert GROUP_MS % FRAME_MS == 0
assert LEAD_MIN_MS >= GROUP_MS
assert TIMESTAMP_LEAP_S > MEDIA_SILENCE_MAX_S
assert RETAINED_AUDIO_MS <= RETAINED_TURN_MAX_MS < BUFFERED_AUDIO_MAX_MS
assert MARKS_PENDING_MAX > LEAD_MAX_MS / FRAME_MS
