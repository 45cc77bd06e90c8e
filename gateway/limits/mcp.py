"""Bounds of MCP servers."""

from __future__ import annotations

SERVERS_MAX = 16
"""Of one agent."""
LABEL_MAX_CHARS = 32
"""Half of a function's name: the other half is the tool's."""
TOOLS_MAX = 64
"""Of one server; more would crowd the model's instructions out."""
PAGES_MAX = 20
"""Of its list of them."""
RESPONSE_MAX_BYTES = 2 << 20
"""A picture may be in it, which nobody hears of."""
SCHEMA_MAX_CHARS = 16_000
DESCRIPTION_MAX_CHARS = 1_000
START_MAX_S = 3.0
"""For servers to be had before the first call; the process starts without the others."""
CONNECT_MAX_S = 10.0
ASK_MAX_S = 5.0
LOOK_EVERY_S = 5.0
"""So long at most a new call is offered the tools of a server that has just died."""
NEEDED_MAX_S = 2.0
"""For a server that is not there to be tried once more, since a call asks for it."""
PAUSE_FIRST_S = 0.5
"""Before a server that was lost is tried again; doubles with each try."""
PAUSE_MAX_S = 15.0
STEADY_S = 10.0
"""A server that was lost sooner after it was had did not hold."""
STDERR_LINE_MAX_BYTES = 400
STDERR_LINES_KEPT = 3
"""Of what a process says before it ends; it has no other way into the log."""
LIST_GRACE_S = 1.0
"""A server whose tools are not listed by then is late, and the model is told; nobody has finished
his first sentence before."""
GO_ON_GRACE_S = 0.3
"""What came of a hosted call is in: if the model does not go on by itself by then, it is asked."""
CALLS_MAX = 32
"""Hosted ones of one call, out at once; more are the server's own business."""
