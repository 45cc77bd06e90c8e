"""Bounds of MCP servers."""

from __future__ import annotations

SERVERS_MAX = 16
"""MCP servers of one agent."""
LABEL_MAX_CHARS = 32
"""Server label: half of a function's name, the other half is the tool's."""
TOOLS_MAX = 64
"""Tools of one server that an agent may use; more would crowd out the model's instructions."""
AGENT_TOOLS_MAX = 96
"""Tools of all private servers together that are offered to one agent."""
AGENT_TOOLS_MAX_CHARS = 48_000
"""Their names, descriptions and schemas; the vendor takes 16,384 tokens with the instructions."""
LISTED_MAX = 512
"""Tools of one server that are read, before those that no agent may use are left out."""
LEFT_OUT_LOGGED_MAX = 20
"""Tools of one list that are named in the log when they are left out; the rest is counted."""
PAGES_MAX = 20
"""Pages of a server's `tools/list`."""
RESPONSE_MAX_BYTES = 2 << 20
"""One answer of a server; it may contain a picture, which is left out."""
RESPONSE_PARTS_MAX = 12_000
"""Commas and objects of one answer: decoding one takes up to 0.4 us of every call's time. A list of
128 tools with ten parameters each has ten thousand."""
MESSAGES_PER_S = 200
"""Messages of one server that are read in a second; a server has no reason to send a tenth."""
MESSAGES_BURST = 1_000
"""How many more may come at once."""
REQUESTS_PER_S = 2
"""Requests of a server, such as pings, that are answered in a second; others are dropped."""
REQUESTS_BURST = 20
"""How many more may come at once: each is a task until its answer is sent."""
EVENT_LINES_MAX = 4_096
"""Line ends in one piece of a stream of events, of 64 KiB: all its lines are read in one step."""
RESUME_PAUSE_S = 0.5
"""Pause before a broken answer is asked for again; a server may name another, even none."""
SCHEMA_MAX_CHARS = 16_000
SCHEMA_MAX_DEPTH = 64
DESCRIPTION_MAX_CHARS = 1_000
START_MAX_S = 3.0
"""How long the start of the process waits for MCP servers to connect."""
CONNECT_MAX_S = 10.0
ASK_MAX_S = 5.0
LOOK_EVERY_S = 5.0
"""How often a connected server is checked; until then its tools are still offered."""
NEEDED_MAX_S = 2.0
"""How long a tool call waits for a lost server to be reconnected."""
PAUSE_FIRST_S = 0.5
"""First pause before a lost server is tried again; doubles with each try."""
PAUSE_MAX_S = 15.0
CLOSE_MAX_S = 7.0
"""How long the end of a connection is waited for: the package ends a server's process in 6.5 s."""
STEADY_S = 10.0
"""How long a connection must last for the pause to start from the first one again."""
STDERR_LINE_MAX_BYTES = 400
STDERR_LINES_KEPT = 3
"""Last lines of a server process's stderr that are logged when it ends."""
LIST_GRACE_S = 1.0
"""How long a hosted server may take to list its tools before the model is informed."""
GO_ON_GRACE_S = 0.3
"""Wait after a hosted call's result for the model to respond by itself."""
CALLS_MAX = 32
"""Hosted MCP calls of one call that are tracked at once."""
