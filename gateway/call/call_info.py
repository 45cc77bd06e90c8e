"""Caller, number and agent of a call, as known from its first webhook on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

CallPath = Literal["media-streams", "sip", "browser"]
BROWSER: Final = "browser"
"""The path of a media stream without a carrier."""


@dataclass(frozen=True, slots=True)
class CallInfo:
    """Facts about a call that are known before a word is spoken."""

    call_sid: str
    """Twilio's; "" for a call that came over a trunk without it."""
    caller: str
    dialled: str
    agent: str
    path: CallPath
    call_id: str = ""
    """OpenAI's, on the SIP path."""
    direction: str = "inbound"
    """`inbound` or `outbound`, seen from us."""

    @property
    def has_carrier(self) -> bool:
        """Whether somebody could bring the caller back, or connect them elsewhere."""
        return self.path != BROWSER

    @property
    def key(self) -> str:
        """The key of the call in this process."""
        if self.direction == "outbound":
            return self.call_sid  # it was known before there was a leg to the model
        return self.call_id or self.call_sid

    @property
    def slot_key(self) -> str:
        """The key under which the call counts for its agent and caller: one for all legs."""
        return self.call_sid or self.call_id
