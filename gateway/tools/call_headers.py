"""Headers that say for which call a request is made: the call's ids, and a W3C trace context."""

from __future__ import annotations

import secrets
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from gateway.agents.config.call_values import with_call_values
from gateway.tools.python import ToolContext

_PRINTABLE: Final = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


def call_headers(context: ToolContext) -> dict[str, str]:
    """Return the headers of one request; those without a value are left out.

    All requests of one call share a trace id, whichever process makes them.
    Source: W3C Trace Context, `traceparent`, version 00.
    """
    ids = {
        "X-Gateway-Call-Sid": context.call_sid,
        "X-Gateway-Call-Id": context.call_id,
        "X-Gateway-Agent": context.agent,
        "X-Gateway-Direction": context.direction,
    }
    trace_id = sha256(f"gateway {context.call_sid or context.call_id}".encode()).hexdigest()[:32]
    span_id = f"{secrets.randbits(64) or 1:016x}"
    sent = {name: header_value(value) for name, value in ids.items() if value}
    return sent | {"traceparent": f"00-{trace_id}-{span_id}-01"}


def filled_header(text: str, context: ToolContext) -> str:
    """Return the value of an operator's header, with values of the call in it.

    Blanks around it are no part of a header's value, and no client sends them.
    """
    return with_call_values(text, context.value, header_value).strip()


def header_value(value: str) -> str:
    """Return a value as one header can carry it: percent-encoded where it is not plain ASCII."""
    return quote(value, safe=_PRINTABLE)
