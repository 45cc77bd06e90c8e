"""Every bound of the gateway by subject, with its reason; relations are asserted beside it."""

from __future__ import annotations

from gateway.limits import (
    agents,
    api,
    call,
    images,
    mcp,
    messages,
    model,
    outbound,
    phone,
    process,
    recordings,
    records,
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
    "call",
    "images",
    "mcp",
    "messages",
    "model",
    "outbound",
    "phone",
    "process",
    "recordings",
    "records",
    "settings",
    "sip",
    "sockets",
    "store",
    "tools",
    "web",
]
