"""Every bound of the gateway by subject, with its reason; relations are asserted beside it."""

from __future__ import annotations

from gateway.limits import (
    agents,
    api,
    briefing,
    call,
    images,
    mcp,
    messages,
    model,
    outbound,
    patience,
    phone,
    process,
    records,
    results,
    settings,
    sip,
    sockets,
    store,
    tools,
    web,
)

__all__ = [
    "agents",
    "api",
    "briefing",
    "call",
    "images",
    "mcp",
    "messages",
    "model",
    "outbound",
    "patience",
    "phone",
    "process",
    "records",
    "results",
    "settings",
    "sip",
    "sockets",
    "store",
    "tools",
    "web",
]
