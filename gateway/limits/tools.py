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

assert HOLD_GROUP_MS % FRAME_MS == 0
assert HOLD_LEAD_MS >= 2 * HOLD_GROUP_MS
