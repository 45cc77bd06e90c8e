"""Webhooks of OpenAI. Source: `openai.types.webhooks`, guide "Telephony and SIP".

Everything of an event stands under `data`. SIP headers come as they were in the INVITE: any case,
repeated, and made by whoever sent it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import Struct

from gateway.errors import PeerError
from gateway.protocols.caller_id import known_party
from gateway.protocols.lenient import convert_leniently

CALL_INCOMING: Final = "realtime.call.incoming"
LIVE_INCOMING: Final = "live.transport.incoming"
"""The same call, offered to another product; the first answer wins."""

_CALL_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_VALUE_MAX_CHARS: Final = 1024
_NAME_MAX_CHARS: Final = 64
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACKETED: Final = re.compile(r"<([^<>]*)>")
_SIP: Final = re.compile(
    r"(?P<scheme>sips?):(?P<user>[^@:;?<>\s]+)(?:[:;][^@<>\s]*)?"
    r"@(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])",
    re.IGNORECASE,
)
_TEL: Final = re.compile(r"tel:(?P<user>[^@:;?<>\s]+)", re.IGNORECASE)
_NUMBER: Final = re.compile(r"\+?[0-9]{3,15}")
_VISUAL: Final = str.maketrans("", "", "-.()")
_YEAR_9999_S: Final = 253_402_300_799


class SipHeader(Struct):
    """Header of the INVITE; one without a readable name or value is left out."""

    name: str | None = None
    value: str | None = None


class CallData(Struct):
    call_id: str
    sip_headers: list[SipHeader] = []
    sip_media_security: str | None = None


class _Event(Struct):
    type: str
    created_at: Annotated[int, msgspec.Meta(ge=0, le=_YEAR_9999_S)] = 0
    data: msgspec.Raw = msgspec.Raw(b"{}")


@dataclass(frozen=True, slots=True)
class IncomingCall:
    call_id: str
    created_at: int
    """Unix seconds."""
    headers: Sequence[tuple[str, str]]
    """In order, repeated ones kept; names in lower case."""
    media_security: str | None
    """`srtp`, `rtp`, another word, or None: left out when unknown."""
    left_out: tuple[str, ...] = ()
    """Names of fields that could not be read; a SIP header without a name or value is one."""

    def values(self, name: str) -> list[str]:
        return [value for header, value in self.headers if header == name.lower()]

    def first(self, name: str) -> str:
        return next(iter(self.values(name)), "")

    @property
    def dialled(self) -> Iterator[str]:
        """The numbers and addresses that may have been dialled, likeliest first."""
        for name in ("To", "Diversion"):
            for value in self.values(name):
                yield from filter(None, (number_of(value), _address_of(value)))

    @property
    def caller(self) -> str:
        """The caller's number or SIP user, "" where it is withheld."""
        return known_party(number_of(self.first("From")))


def parse(body: bytes, most_headers: int) -> IncomingCall | str:
    """An incoming call, or the type of any other event. Raises PeerError (`malformed`)."""
    try:
        event = msgspec.json.decode(body, type=_Event)
        if event.type != CALL_INCOMING:
            return event.type
        data, left_out = convert_leniently(msgspec.json.decode(event.data), CallData)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PeerError("malformed", str(error)) from error
    if not _CALL_ID.fullmatch(data.call_id) or len(data.sip_headers) > most_headers:
        raise PeerError("malformed", "call_id is not an id, or there are too many SIP headers")
    headers = tuple(
        (header.name.strip().lower(), header.value.strip())
        for header in data.sip_headers
        if header.name is not None and header.value is not None
    )
    named = sum(name.startswith("sip_headers.") for name in left_out)
    unnamed = ("sip_headers",) * (len(data.sip_headers) - len(headers) - named)
    return IncomingCall(
        data.call_id, event.created_at, headers, data.sip_media_security, left_out + unnamed
    )


def number_of(value: str) -> str:
    """The number, or else the user, in a SIP header like `"Ann" <sip:+15550100@h;x=y>;tag=z`.

    "" where there is none: a display name is nobody's number, and neither is a host.
    """
    found = _uri(value)
    if found is None:
        return ""
    user = found["user"].replace("%2B", "+").replace("%2b", "+")
    digits = user.translate(_VISUAL)
    if not _NUMBER.fullmatch(digits):
        return user
    return digits if digits.startswith("+") else f"+{digits}"


def _address_of(value: str) -> str:
    """The address without password, port and parameters: `sip:desk@example.com`."""
    found = _uri(value)
    if found is None or found.re is _TEL:
        return ""
    return f"{found['scheme']}:{found['user']}@{found['host']}"


def _uri(value: str) -> re.Match[str] | None:
    plain = _QUOTED.sub("", value[:_VALUE_MAX_CHARS])
    bracketed = _BRACKETED.search(plain)
    uri = (bracketed[1] if bracketed else plain).strip()
    found = _SIP.match(uri) or _TEL.match(uri)
    return None if found is None or len(found["user"]) > _NAME_MAX_CHARS else found
