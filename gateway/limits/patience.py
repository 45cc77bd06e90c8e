"""Waits that whoever builds a gateway may change, as tests do; the reasons are at the defaults."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.limits import call, mcp, model


@dataclass(frozen=True, slots=True)
class CallPatience:
    """How long a call waits for each of its ends, in seconds."""

    arrival_max_s: float = call.ARRIVAL_WAIT_S
    goodbye_max_s: float = call.GOODBYE_MAX_S
    media_silence_max_s: float = call.MEDIA_SILENCE_MAX_S
    session_max_s: float = model.MODEL_TRY_MAX_S
    reconnect_pauses_s: tuple[float, ...] = model.MODEL_PAUSES_S
    """Before each further try for a session; there are as many tries as pauses."""


@dataclass(frozen=True, slots=True)
class McpPatience:
    """How long an MCP server is waited for, and how long until it is tried again, in seconds."""

    connect_max_s: float = mcp.CONNECT_MAX_S
    ask_max_s: float = mcp.ASK_MAX_S
    pause_first_s: float = mcp.PAUSE_FIRST_S
    pause_max_s: float = mcp.PAUSE_MAX_S


CALL_PATIENCE = CallPatience()
MCP_PATIENCE = McpPatience()
