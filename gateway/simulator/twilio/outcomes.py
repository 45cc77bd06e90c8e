"""How a call ends, and what may take the place of the TwiML that runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.simulator.twilio.twiml import TwimlDocument


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """Who ended the call, and how."""

    by: str
    """`gateway`, `caller` or `failure`."""
    how: str
    status: str = "completed"


HUNG_UP: Final = CallOutcome("caller", "hung_up")
COMPLETED: Final = CallOutcome("gateway", "completed_by_rest")
CANCELED: Final = CallOutcome("gateway", "canceled_by_rest", "canceled")
END_OF_DOCUMENT: Final = CallOutcome("gateway", "end_of_document")
APPLICATION_ERROR: Final = CallOutcome("failure", "application_error", "failed")


@dataclass(frozen=True, slots=True)
class Fetch:
    """A REST update that names a URL: its TwiML replaces what runs."""

    url: str
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Trunk:
    """How the dialled number's Elastic SIP Trunk is set up: no TwiML, but a SIP address."""

    uri: str
    media: str = "srtp"
    transfer_mode: str = "enable-all"
    disaster_recovery_url: str = ""
    diversion: str = ""
    """Who had forwarded the call, if anybody."""


NextStep = TwimlDocument | Fetch | CallOutcome | Trunk
