"""Webhooks of Twilio as typed values. Source: Twilio docs, "TwiML Voice: Twilio's Request".

Twilio adds parameters without notice: what is not named here is ignored, never refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from gateway.errors import PeerError
from gateway.limits.messages import MEDIA_PER_MESSAGE_MAX, TEXT_IN_MAX_CHARS
from gateway.limits.tools import URL_MAX_CHARS
from gateway.protocols.caller_id import known_party

_RECORDING_SID: Final = re.compile(r"RE[0-9a-fA-F]{32}")
_DATE_MAX_CHARS: Final = 64
_CALL_SID: Final = re.compile(r"CA[0-9a-fA-F]{32}")
_MESSAGE_SID: Final = re.compile(r"[SM]M[0-9a-fA-F]{32}")
_PARTY_MAX_CHARS: Final = 255
_SIP_HEADER: Final = "SipHeader_"
_CHANNEL: Final = "whatsapp:"

TERMINAL: Final = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
"""Values of CallStatus after which nothing more happens to a call."""


RETRIED: Final = "#rc=2&rp=all"
"""Connection overrides of an address whose answer decides what a caller hears next. By default
Twilio asks again only where it could not connect, and a process that dies while it is asked would
cost the call. So it asks twice more after any failure, with one idempotency token.

Source: Twilio docs, "Webhooks (HTTP callbacks): Connection Overrides".
"""


@dataclass(frozen=True, slots=True)
class VoiceRequest:
    """A call that arrives, or one whose last verb has ended."""

    call_sid: str
    caller: str
    """`From`: E.164, `client:NAME` or a SIP address; "" where the number is withheld."""
    dialled: str
    status: str
    outbound: bool = False
    """We called: `caller` is the person all the same, and `dialled` our number."""
    attestation: str = ""
    """STIR/SHAKEN, in Twilio's words: `TN-Validation-Passed-A`."""
    sip_headers: tuple[tuple[str, str], ...] = ()
    """Headers of a call that came by SIP, named as they were sent."""

    def turned(self) -> VoiceRequest:
        """The same call seen from us, who placed it: Twilio has our number in `From`."""
        return replace(self, caller=self.dialled, dialled=self.caller, outbound=True)


def parse_voice(fields: Mapping[str, str]) -> VoiceRequest:
    """Raises PeerError when what every voice request carries is missing or cannot be true."""
    call_sid = fields.get("CallSid", "")
    if not _CALL_SID.fullmatch(call_sid):
        raise PeerError("malformed", "CallSid is not CA and 32 hexadecimal digits")
    caller, dialled = fields.get("From", ""), fields.get("To", "")
    if not dialled or len(dialled) > _PARTY_MAX_CHARS or len(caller) > _PARTY_MAX_CHARS:
        raise PeerError("malformed", "To is missing, or From or To is too long")
    return VoiceRequest(
        call_sid,
        known_party(caller),
        dialled,
        fields.get("CallStatus", ""),
        attestation=fields.get("StirVerstat", "")[:_PARTY_MAX_CHARS],
        sip_headers=tuple(
            (name.removeprefix(_SIP_HEADER), value)
            for name, value in fields.items()
            if name.startswith(_SIP_HEADER)
        ),
    )


@dataclass(frozen=True, slots=True)
class MessageRequest:
    """A text, with or without pictures: SMS, MMS or WhatsApp."""

    message_sid: str
    sender: str
    """E.164, whatever the channel."""
    to: str
    text: str
    media: tuple[str, ...]
    """Addresses of what came with it."""


def parse_message(fields: Mapping[str, str]) -> MessageRequest:
    """Raises PeerError when what every message carries is missing or cannot be true."""
    message_sid = fields.get("MessageSid", "")
    if not _MESSAGE_SID.fullmatch(message_sid):
        raise PeerError("malformed", "MessageSid is not SM or MM and 32 hexadecimal digits")
    sender, to = fields.get("From", ""), fields.get("To", "")
    if not sender or not to or max(len(sender), len(to)) > _PARTY_MAX_CHARS:
        raise PeerError("malformed", "From or To is missing or too long")
    count = fields.get("NumMedia", "0")
    if not re.fullmatch(r"[0-9]{1,3}", count):
        raise PeerError("malformed", "NumMedia is not a number")
    urls = (fields.get(f"MediaUrl{n}", "") for n in range(min(int(count), MEDIA_PER_MESSAGE_MAX)))
    return MessageRequest(
        message_sid,
        sender.removeprefix(_CHANNEL),
        to.removeprefix(_CHANNEL),
        fields.get("Body", "").strip()[:TEXT_IN_MAX_CHARS],
        tuple(url[:URL_MAX_CHARS] for url in urls),
    )


_ANSWERED_BY: Final = {
    "human": "human",
    "machine_start": "machine",
    "machine_end_beep": "machine",
    "machine_end_silence": "machine",
    "machine_end_other": "machine",
    "fax": "fax",
}


@dataclass(frozen=True, slots=True)
class Detection:
    """Result of answering machine detection in a call that the gateway placed."""

    call_sid: str
    who: str
    """`human`, `machine`, `fax` or `unknown`."""


def parse_detection(fields: Mapping[str, str]) -> Detection:
    """The callback of asynchronous answering machine detection. Raises PeerError."""
    call_sid = fields.get("CallSid", "")
    if not _CALL_SID.fullmatch(call_sid):
        raise PeerError("malformed", "CallSid is not CA and 32 hexadecimal digits")
    return Detection(call_sid, _ANSWERED_BY.get(fields.get("AnsweredBy", ""), "unknown"))


@dataclass(frozen=True, slots=True)
class CarrierRecording:
    """A recording of a `<Dial>` that the carrier has finished, or could not make."""

    call_sid: str
    recording_sid: str
    complete: bool
    """Whether it can be fetched."""
    started_at: str
    """RFC 2822; "" if Twilio does not say."""


def parse_recording(fields: Mapping[str, str]) -> CarrierRecording:
    """The callback of a recording. Raises PeerError."""
    call_sid, recording_sid = fields.get("CallSid", ""), fields.get("RecordingSid", "")
    if not _CALL_SID.fullmatch(call_sid):
        raise PeerError("malformed", "CallSid is not CA and 32 hexadecimal digits")
    if not _RECORDING_SID.fullmatch(recording_sid):
        raise PeerError("malformed", "RecordingSid is not RE and 32 hexadecimal digits")
    complete = fields.get("RecordingStatus", "completed") == "completed"
    return CarrierRecording(
        call_sid, recording_sid, complete, fields.get("RecordingStartTime", "")[:_DATE_MAX_CHARS]
    )
