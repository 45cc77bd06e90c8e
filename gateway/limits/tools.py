"""Bounds of function calls and approvals."""

from __future__ import annotations

from gateway.limits.call import FRAME_MS

URL_MAX_CHARS = 2_000
TOOL_HEADERS_MAX = 32
TOOL_TIMEOUT_DEFAULT_S = 10.0
TOOL_TIMEOUT_MAX_S = 120.0
TOOL_RESULT_MAX_CHARS = 8_000
"""Tool result passed to the model; the rest is cut, with a note for the model."""
TOOL_RESPONSE_MAX_BYTES = 256 << 10
TOOL_ARGUMENTS_MAX_CHARS = 16_000
PATTERN_MAX_BYTES = 4 << 20
"""Compiled `pattern` of an operator's schema: a text is held against it in the event loop, and how
long that takes grows with both. Eighty of all Unicode letters need less."""
PATTERN_CACHE_MAX_BYTES = 2 * PATTERN_MAX_BYTES
"""What matching a pattern may remember. With less than the pattern is large it remembers nothing:
`(a{1,200}){1,200}` took a minute for 16,000 letters, and 0.1 ms with this."""
TOOL_REDIRECTS_MAX = 3
TOOLS_AT_ONCE_MAX = 8
"""Tools of one call that run at once; more are answered with an error."""
TOOL_THREADS_MAX = 32
"""Threads of one synchronous function; a hanging one occupies its thread."""
FILLER_AFTER_DEFAULT_MS = 1_500
FILLER_AFTER_MAX_MS = 60_000
HOLD_LEAD_MS = 200
"""Hold tone sent ahead; at most so much is discarded when the model speaks."""
HOLD_GROUP_MS = 100
CALL_IDS_KEPT_MAX = 1_000
"""Function calls of one call that are remembered, so that none is done twice."""
FUNCTIONS_MAX = 64
APPROVALS_MAX = 8
"""Pending approval requests of one call; one more is denied."""
APPROVALS_KEPT_MAX = 64
"""Answered approval requests that are remembered, so that an answer can be repeated."""
APPROVAL_WAIT_DEFAULT_S = 30.0
APPROVAL_WAIT_MIN_S = 1.0
APPROVAL_WAIT_MAX_S = 300.0
APPROVAL_FILLER_EVERY_S = 12.0
"""How often a caller hears that an approval is still pending."""
APPROVAL_ID_MAX_CHARS = 128
TOOL_SHOWN_MAX_CHARS = 96
"""Tool name in a record: the server's label and what the model wrote."""
FUNCTION_ERROR_MAX_CHARS = 300
"""Of an error in an operator's module, in the sentence that refuses it."""
SECRET_DIGITS_MAX = 32
SECRET_ATTEMPTS_DEFAULT = 2
SECRET_ATTEMPTS_MAX = 5
SECRET_KEY_WAIT_DEFAULT_S = 8
"""Time for the next key; then what was typed so far is the entry."""
SECRET_KEY_WAIT_MAX_S = 60
SECRET_FUNCTION_TIMEOUT_DEFAULT_S = 6.0
SECRET_FUNCTION_TIMEOUT_MAX_S = 10.0
"""Twilio waits 15 s for the document that follows, our own work included."""
SECRET_ANSWER_MAX_BYTES = 16_384
SECRET_ANSWER_MAX_CHARS = 600
"""Each text of an answer that the model is told."""
SECRET_ENTRY_KEPT_S = 900.0
"""How long a caller may type, prompts and attempts together."""
SECRET_INPUTS_MAX = 6
"""Secret inputs of one call."""
SECRET_KINDS_MAX = 8
"""Secret inputs that an agent may ask for, of each kind."""
SECRET_ECHO_MIN_DIGITS = 3
"""Digits from which an answer that repeats what was typed is refused: fewer occur by chance."""

assert HOLD_GROUP_MS % FRAME_MS == 0
assert HOLD_LEAD_MS >= 2 * HOLD_GROUP_MS
assert SECRET_FUNCTION_TIMEOUT_DEFAULT_S <= SECRET_FUNCTION_TIMEOUT_MAX_S < 15
