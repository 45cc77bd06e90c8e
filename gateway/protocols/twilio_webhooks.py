"""What Twilio posts to us, as typed values. Source: Twilio docs, "TwiML Voice: Twilio's Request".

Twilio adds parameters without notice: what is not named here is ignored, never refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway.errors import PeerError

_CALL_SID: Final = re.compile(r"CA[0-9a-fA-F]{32}")
_PARTY_MAX_CHARS: Final = 255

TERMINAL: Final = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
"""Values of CallStatus after which nothing more happens to a call."""


@dataclass(frozen=True, slots=True)
class VoiceRequest:
    """A call that arrives, or one whose last verb has ended."""

    call_sid: str
    caller: str
    """`From`: E.164, `client:NAME` or a SIP address; may be `anonymous` and the like."""
    dialled: str
    status: str


def parse_voice(fields: Mapping[str, str]) -> VoiceRequest:
    """Raises PeerError when what every voice request carries is missing or cannot be true."""
    call_sid = fields.get("CallSid", "")
    if not _CALL_SID.fullmatch(call_sid):
        raise PeerError("malformed", "CallSid is not CA and 32 hexadecimal digits")
    caller, dialled = fields.get("From", ""), fields.get("To", "")
    if not dialled or len(dialled) > _PARTY_MAX_CHARS or len(caller) > _PARTY_MAX_CHARS:
        raise PeerError("malformed", "To is missing, or From or To is too long")
    return VoiceRequest(call_sid, caller, dialled, fields.get("CallStatus", ""))
