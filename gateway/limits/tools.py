"""Bounds of function calls and approvals."""

from __future__ import annotations

from gateway.limits.call import FRAME_MS

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
