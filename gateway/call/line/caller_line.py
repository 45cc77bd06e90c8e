"""The caller's end of a call: one of two objects, chosen where the call is made."""

from __future__ import annotations

from gateway.call.line.media_line import MediaLine
from gateway.call.line.sip_line import SipLine

CallerLine = MediaLine | SipLine
