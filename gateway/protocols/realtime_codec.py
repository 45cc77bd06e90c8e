"""Codec of the model's socket: JSON to the events of `realtime_server`, and back.

What is essential in an event is strict; fields that only refine it are left out where they do not
fit, and the event is a `RepairedEvent`. Events that are not listed come back as `UnknownEvent`.
"""

from __future__ import annotations

from typing import Final, get_args

import msgspec
from msgspec import Struct
from pybase64 import b64decode

from gateway.errors import PeerError
from gateway.limits.sockets import (
    MODEL_EVENT_LARGE_BYTES,
    MODEL_EVENT_MAX_BYTES,
    MODEL_EVENT_PARTS_MAX,
    MODEL_SOUND_MAX_BYTES,
)
from gateway.protocols.lenient import convert_leniently
from gateway.protocols.realtime_server import (
    AudioDelta,
    Ignored,
    Known,
    RepairedEvent,
    ServerEvent,
    UnknownEvent,
)

UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What a text that is none can raise, and one that is nested a thousand deep."""

IGNORED: Final = frozenset(
    {
        "conversation.created",
        "conversation.item.created",
        "conversation.item.retrieved",
        "conversation.item.input_audio_transcription.segment",
        "response.content_part.added",
        "response.content_part.done",
        "response.output_text.delta",
        "response.output_text.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.mcp_call_arguments.delta",
    }
)
"""Part of the protocol, of no use here: their content also comes in another event."""

_decoder: msgspec.json.Decoder[Known] = msgspec.json.Decoder(Known)
_KNOWN: Final = frozenset(str(k.__struct_config__.tag) for k in get_args(Known))


_LONG_BYTES: Final = 600
_DELTA: Final = b'"delta":"'
_DELTA_SPACED: Final = b'"delta": "'
_PLACEHOLDER_BASE64: Final = b"soundOfThisDelta"
_PLACEHOLDER: Final = b64decode(_PLACEHOLDER_BASE64)
_sound_decoder: msgspec.json.Decoder[AudioDelta] = msgspec.json.Decoder(AudioDelta)


class _Head(Struct):
    type: str


_head = msgspec.json.Decoder(_Head)


def parse(text: bytes | bytearray | memoryview | str) -> ServerEvent:
    """One event from the model's server.

    Raises `PeerError` (`junk`, `malformed`, `oversized_message`).
    """
    if len(text) > _LONG_BYTES:
        if type(text) is bytearray:  # of several frames
            text = bytes(text)
        if type(text) is bytes and len(text) <= MODEL_SOUND_MAX_BYTES:
            sound = _sound(text)
            if sound is not None:
                return sound
        if len(text) > MODEL_EVENT_LARGE_BYTES:
            _check_size(text)
    try:
        return _decoder.decode(text)
    except UNREADABLE as error:
        return _other(text, error)


def _check_size(text: bytes | bytearray | memoryview | str) -> None:
    """Raise PeerError for an event that would hold up all calls while it is decoded."""
    if len(text) > MODEL_EVENT_MAX_BYTES:
        raise PeerError("oversized_message")
    data = text.encode("utf-8", "replace") if isinstance(text, str) else bytes(text)
    if data.count(b",") + data.count(b"{") > MODEL_EVENT_PARTS_MAX:
        raise PeerError("oversized_message")


def _sound(text: bytes) -> AudioDelta | None:
    """A long delta of sound; None for any other text, which the strict decoder is to judge.

    That decoder reads base64 byte by byte, and it is nearly all of the text. So it gets the event
    with a placeholder in the place of the sound, which comes back only where it was the delta of
    this event: it stands in the text once, and nothing else can mean it, since nothing is escaped.
    """
    key, length = text.find(_DELTA), len(_DELTA)
    if key < 0:
        key, length = text.find(_DELTA_SPACED), len(_DELTA_SPACED)
        if key < 0:
            return None
    start = key + length
    end = text.find(b'"', start)
    short = text[:start] + _PLACEHOLDER_BASE64 + text[end:]
    if b"\\" in short or short.count(_PLACEHOLDER_BASE64) > 1:
        return None
    try:
        event = _sound_decoder.decode(short)
        if event.delta != _PLACEHOLDER:
            return None
        # By position: keywords cost as much again. True: nothing but base64 is accepted.
        event.delta = b64decode(memoryview(text)[start:end], None, True)
    except (*UNREADABLE, ValueError):
        return None
    return event


def _other(text: bytes | bytearray | memoryview | str, cause: Exception) -> ServerEvent:
    try:
        kind = _head.decode(text).type
    except UNREADABLE:
        raise PeerError("junk") from cause
    if kind in IGNORED:
        return Ignored(kind)
    known = kind.strip()  # the official DTMF example has a leading blank in its type
    if known not in _KNOWN:
        return UnknownEvent(kind)
    if len(text) > MODEL_EVENT_LARGE_BYTES:
        raise PeerError("malformed", f"{kind}: {cause}") from cause
    event, fields = _retyped(text, known)
    return event if kind != known and not fields else RepairedEvent(event, fields)


def _retyped(
    text: bytes | bytearray | memoryview | str, kind: str
) -> tuple[Known, tuple[str, ...]]:
    try:
        document = msgspec.json.decode(text)
        document["type"] = kind
        event, fields = convert_leniently(document, Known)
    except UNREADABLE as error:
        raise PeerError("malformed", f"{kind}: {error}") from error
    return event, fields


_encoder = msgspec.json.Encoder()


def encode(event: Known) -> bytes:
    """An event as a server sends it (used by the far ends to practise with)."""
    return _encoder.encode(event)
