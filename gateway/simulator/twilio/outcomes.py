"""Outcomes of calls and dialled legs, and the steps that may replace the TwiML that runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from typing import Final
from uuid import uuid4

from gateway.simulator.twilio.twiml import TwimlDocument

BUSY: Final = frozenset({486, 600})
NO_ANSWER: Final = frozenset({408, 480, 487})


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """End of a call: who ended it, how, and the status that Twilio reports."""

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
    """URL whose TwiML is to run next, as a REST update or a webhook setting names it."""

    url: str
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Trunk:
    """Elastic SIP Trunk of the dialled number: a SIP address in place of TwiML."""

    uri: str
    media: str = "srtp"
    transfer_mode: str = "enable-all"
    disaster_recovery_url: str = ""
    diversion: str = ""
    """The number that forwarded the call, if it was forwarded."""


NextStep = TwimlDocument | Fetch | CallOutcome | Trunk


@dataclass
class DialOutcome:
    """How a dialled leg ended, as reported to the `action` of `<Dial>`."""

    status: str = "failed"
    """`completed`, `busy`, `no-answer` or `failed`."""
    bridged_at_s: float | None = None
    call_sid: str = field(default_factory=lambda: "CA" + uuid4().hex)
    sip_call_id: str = ""
    sip_status: int | None = None
    next_step: NextStep | None = None
    """Replaces the action when the far end had the caller transferred."""

    def bridge(self) -> None:
        """Mark the leg as connected with the caller, from now on."""
        self.status, self.bridged_at_s = "completed", monotonic()

    def fields(self) -> dict[str, str]:
        """Return the form fields that report the leg as it is now."""
        since_s = self.bridged_at_s
        fields = {
            "DialCallSid": self.call_sid,
            "DialCallStatus": self.status,
            "DialCallDuration": str(round(monotonic() - since_s) if since_s else 0),
            "DialBridged": str(since_s is not None).lower(),
        }
        if self.sip_status is not None:
            fields["DialSipCallId"] = self.sip_call_id
            fields["DialSipResponseCode"] = str(self.sip_status)
        return fields


def dial_status(sip_status: int) -> str:
    """Return Twilio's DialCallStatus for a SIP status."""
    if sip_status == 200:
        return "completed"
    if sip_status in BUSY:
        return "busy"
    return "no-answer" if sip_status in NO_ANSWER else "failed"
