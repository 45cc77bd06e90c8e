"""Twilio Media Streams, both ways.

Source: Twilio docs, "Media Streams - WebSocket Messages". Every counter is a JSON *string*;
`sampleRate` and `channels` are numbers. Two-sided, so that the simulator speaks the same types.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct
from pybase64 import b64encode

from gateway.errors import PeerError
from gateway.protocols.lenient import convert_leniently

UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What a text that is none can raise, and one that is nested a thousand deep."""

MULAW_ENCODING: Final = "audio/x-mulaw"


class MediaFormat(Struct, rename="camel"):
    """How the caller's sound is coded; read from `start`, never assumed."""

    encoding: str
    sample_rate: int
    channels: int = 1


class StartBody(Struct, rename="camel"):
    account_sid: str
    stream_sid: str
    call_sid: str
    media_format: MediaFormat
    tracks: list[str] = []
    custom_parameters: dict[str, str] = {}


class MediaBody(Struct, gc=False):
    payload: bytes
    """Raw mu-law; any length."""
    timestamp: str
    """Milliseconds since the stream began: presentation time."""


class SentMediaBody(MediaBody, gc=False):
    """With the fields that are not used here: they would be read fifty times a second."""

    track: str = "inbound"
    chunk: str = "0"


class DtmfBody(Struct):
    digit: str
    track: str = "inbound_track"


class MarkBody(Struct):
    name: str


class StopBody(Struct, rename="camel"):
    account_sid: str = ""
    call_sid: str = ""


class Connected(Struct, tag_field="event", tag="connected"):
    protocol: str = "Call"
    version: str = "1.0.0"


class Start(Struct, tag_field="event", tag="start", rename="camel"):
    stream_sid: str
    start: StartBody
    sequence_number: str = "1"


class Media(Struct, tag_field="event", tag="media", rename="camel", gc=False):
    stream_sid: str
    media: MediaBody


class SentMedia(Struct, tag_field="event", tag="media", rename="camel", gc=False):
    """A frame as Twilio sends it."""

    stream_sid: str
    media: SentMediaBody
    sequence_number: str = "0"


class Dtmf(Struct, tag_field="event", tag="dtmf", rename="camel"):
    stream_sid: str
    dtmf: DtmfBody
    sequence_number: str = "0"


class Mark(Struct, tag_field="event", tag="mark", rename="camel"):
    stream_sid: str
    mark: MarkBody
    sequence_number: str = "0"


class Stop(Struct, tag_field="event", tag="stop", rename="camel"):
    stream_sid: str
    stop: StopBody
    sequence_number: str = "0"


class UnknownMessage(Struct):
    """An event this version does not know: counted, never the end of a call."""

    event: str


class RepairedMessage(Struct):
    """A message that was read without the fields that do not fit: used and counted."""

    message: Any
    fields: tuple[str, ...]


FromTwilio = Connected | Start | Media | Dtmf | Mark | Stop

_from_twilio: msgspec.json.Decoder[FromTwilio] = msgspec.json.Decoder(FromTwilio)
decode: Final = _from_twilio.decode
"""The quick half of `parse`: raises one of UNREADABLE for whatever `parse_odd` is to judge."""
_KNOWN: Final = frozenset({"connected", "start", "media", "dtmf", "mark", "stop"})


class _Head(Struct):
    event: str


_head = msgspec.json.Decoder(_Head)


def parse(
    text: bytes | bytearray | memoryview | str,
) -> FromTwilio | RepairedMessage | UnknownMessage:
    """One message from Twilio. Raises `PeerError` (`junk`, `malformed`)."""
    try:
        return decode(text)
    except UNREADABLE as error:
        return parse_odd(text, error)


def parse_odd(
    text: bytes | bytearray | memoryview | str, cause: Exception
) -> FromTwilio | RepairedMessage | UnknownMessage:
    """Parse one message that `decode` refused for that cause. Raises `PeerError`."""
    try:
        event = _head.decode(text).event
    except UNREADABLE:
        raise PeerError("junk") from cause
    if event in _KNOWN:
        try:
            repaired, fields = convert_leniently(msgspec.json.decode(text), FromTwilio)
        except UNREADABLE:
            # The decoder's message names a path and a type, never a value.
            raise PeerError("malformed", f"{event}: {cause}") from cause
        return RepairedMessage(repaired, fields) if fields else repaired
    return UnknownMessage(event)


class ToTwilio:
    """Encodes what goes to one stream; only documented fields, `streamSid` always."""

    __slots__ = ("_clear", "_mark_head", "_media_head")

    def __init__(self, stream_sid: str) -> None:
        sid = msgspec.json.encode(stream_sid)
        self._media_head = b'{"event":"media","streamSid":' + sid + b',"media":{"payload":"'
        self._mark_head = b'{"event":"mark","streamSid":' + sid + b',"mark":{"name":'
        self._clear = b'{"event":"clear","streamSid":' + sid + b"}"

    def media(self, mulaw: bytes) -> bytes:
        return self._media_head + b64encode(mulaw) + b'"}}'

    def mark(self, name: str) -> bytes:
        return self._mark_head + msgspec.json.encode(name) + b"}}"

    def clear(self) -> bytes:
        return self._clear


# What Twilio receives, as strict as its warnings 31950 and 31951: no other event, no other field.


class OutMediaBody(Struct, forbid_unknown_fields=True):
    payload: bytes


class OutMarkBody(Struct, forbid_unknown_fields=True):
    name: str


class OutMedia(Struct, tag_field="event", tag="media", rename="camel", forbid_unknown_fields=True):
    stream_sid: str
    media: OutMediaBody


class OutMark(Struct, tag_field="event", tag="mark", rename="camel", forbid_unknown_fields=True):
    stream_sid: str
    mark: OutMarkBody


class OutClear(Struct, tag_field="event", tag="clear", rename="camel", forbid_unknown_fields=True):
    stream_sid: str


FromGateway = OutMedia | OutMark | OutClear

_from_gateway: msgspec.json.Decoder[FromGateway] = msgspec.json.Decoder(FromGateway)
_encoder = msgspec.json.Encoder()


def parse_outbound(text: bytes | str, stream_sid: str) -> FromGateway:
    """Parse a message as Twilio does. Raises `PeerError("31951")` for what Twilio would warn of."""
    try:
        message = _from_gateway.decode(text)
    except UNREADABLE as error:
        raise PeerError("31951", str(error)) from error
    if message.stream_sid != stream_sid:
        raise PeerError("31951", "wrong streamSid")
    return message


def encode(message: FromTwilio | SentMedia) -> bytes:
    """A message as Twilio sends it."""
    return _encoder.encode(message)
