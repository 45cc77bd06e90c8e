"""GA Realtime events of the model's server.

Source: `openai.types.realtime` (GA). Only the fields that the gateway uses are read; the rest of
an event may change without notice. Events that are not listed come back as `UnknownEvent`.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, get_args

import msgspec
from msgspec import Meta, Struct
from pybase64 import b64decode

from gateway.errors import PeerError
from gateway.limits.call import MOMENT_MAX_MS, TOKENS_MAX
from gateway.protocols.lenient import convert_leniently
from gateway.protocols.realtime_event import Event
from gateway.protocols.realtime_mcp import (
    ListedTool,
    McpArgumentsDone,
    McpCallCompleted,
    McpCallFailed,
    McpCallInProgress,
    McpFailure,
    McpListCompleted,
    McpListFailed,
    McpListInProgress,
)

UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What a text that is none can raise, and one that is nested a thousand deep."""

Moment = Annotated[int, Meta(ge=0, le=MOMENT_MAX_MS)]
"""Milliseconds on the time line of a session's sound."""
Tokens = Annotated[int, Meta(ge=0, le=TOKENS_MAX)]


class ErrorBody(Struct):
    type: str | None = None
    code: str | None = None
    message: str | None = None
    param: str | None = None
    event_id: str | None = None
    """The id of *our* event that was refused, when it had one."""


class Error(Event, tag="error"):
    error: ErrorBody


class SessionBody(Struct):
    id: str = ""
    expires_at: int | None = None
    """Unix seconds."""
    model: str | None = None
    audio: dict[str, Any] | None = None


class SessionCreated(Event, tag="session.created"):
    session: SessionBody


class SessionUpdated(Event, tag="session.updated"):
    session: SessionBody


class Part(Struct):
    type: str = ""
    text: str | None = None
    transcript: str | None = None


class Item(Struct):
    """A conversation item, whatever its kind."""

    type: str
    id: str | None = None
    status: str | None = None
    role: str | None = None
    content: list[Part] | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    output: str | None = None
    server_label: str | None = None
    approval_request_id: str | None = None
    tools: list[ListedTool] | None = None
    error: McpFailure | None = None


class ItemAdded(Event, tag="conversation.item.added"):
    item: Item
    previous_item_id: str | None = None


class ItemDone(Event, tag="conversation.item.done"):
    item: Item
    previous_item_id: str | None = None


class ItemDeleted(Event, tag="conversation.item.deleted"):
    item_id: str


class ItemTruncated(Event, tag="conversation.item.truncated"):
    item_id: str
    audio_end_ms: Moment
    content_index: int = 0


class CallerTranscriptDelta(Event, tag="conversation.item.input_audio_transcription.delta"):
    item_id: str
    delta: str = ""


class TranscriptionUsage(Struct):
    """Usage by which a transcript is billed: `duration` in seconds, or `tokens`."""

    type: str = ""
    seconds: Annotated[float, Meta(ge=0, le=MOMENT_MAX_MS)] = 0.0
    input_tokens: Tokens = 0
    output_tokens: Tokens = 0


class CallerTranscriptDone(Event, tag="conversation.item.input_audio_transcription.completed"):
    item_id: str
    transcript: str = ""
    usage: TranscriptionUsage | None = None


class CallerTranscriptFailed(Event, tag="conversation.item.input_audio_transcription.failed"):
    item_id: str
    error: ErrorBody | None = None


class SpeechStarted(Event, tag="input_audio_buffer.speech_started"):
    """`audio_start_ms` counts the audio written to the session, padding included."""

    item_id: str
    audio_start_ms: Moment = 0
    """0, like any impossible moment, is taken for an unknown one: the speech itself counts."""


class SpeechStopped(Event, tag="input_audio_buffer.speech_stopped"):
    """`audio_end_ms`: end of speech on the time line of the audio written."""

    item_id: str
    audio_end_ms: Moment = 0


class Committed(Event, tag="input_audio_buffer.committed"):
    item_id: str
    previous_item_id: str | None = None


class Cleared(Event, tag="input_audio_buffer.cleared"):
    pass


class TimeoutTriggered(Event, tag="input_audio_buffer.timeout_triggered"):
    item_id: str
    audio_start_ms: Moment = 0
    audio_end_ms: Moment = 0


class DtmfReceived(Event, tag="input_audio_buffer.dtmf_event_received"):
    """SIP only. `event` is the key: 0-9 * # A-D."""

    event: str
    received_at: int | None = None


class PlaybackStarted(Event, tag="output_audio_buffer.started"):
    """SIP only: the server plays the sound itself."""

    response_id: str


class PlaybackStopped(Event, tag="output_audio_buffer.stopped"):
    response_id: str


class PlaybackCleared(Event, tag="output_audio_buffer.cleared"):
    response_id: str


class StatusDetails(Struct):
    type: str | None = None
    reason: str | None = None
    error: ErrorBody | None = None


class InputDetails(Struct):
    """Tokens of one kind; `cached_*` are part of the others, never beside them."""

    text_tokens: Tokens = 0
    audio_tokens: Tokens = 0
    image_tokens: Tokens = 0
    cached_tokens: Tokens = 0
    cached_tokens_details: CachedDetails | None = None


class CachedDetails(Struct):
    text_tokens: Tokens = 0
    audio_tokens: Tokens = 0
    image_tokens: Tokens = 0


class OutputDetails(Struct):
    text_tokens: Tokens = 0
    audio_tokens: Tokens = 0


class Usage(Struct):
    total_tokens: Tokens = 0
    input_tokens: Tokens = 0
    output_tokens: Tokens = 0
    input_token_details: InputDetails | None = None
    output_token_details: OutputDetails | None = None


class Response(Struct):
    id: str
    status: str = ""
    """in_progress, completed, cancelled, failed or incomplete."""
    status_details: StatusDetails | None = None
    output: list[Item] | None = None
    usage: Usage | None = None
    conversation_id: str | None = None
    metadata: dict[str, str] | None = None


class ResponseCreated(Event, tag="response.created"):
    response: Response


class ResponseDone(Event, tag="response.done"):
    response: Response


class OutputItemAdded(Event, tag="response.output_item.added"):
    response_id: str
    item: Item
    output_index: int = 0


class OutputItemDone(Event, tag="response.output_item.done"):
    response_id: str
    item: Item
    output_index: int = 0


class AudioDelta(Event, tag="response.output_audio.delta"):
    """The hot one: `delta` is decoded from base64 by the codec."""

    response_id: str
    item_id: str
    delta: bytes
    output_index: int = 0
    content_index: int = 0


class AudioDone(Event, tag="response.output_audio.done"):
    response_id: str
    item_id: str
    content_index: int = 0


class TranscriptDelta(Event, tag="response.output_audio_transcript.delta"):
    response_id: str
    item_id: str
    delta: str


class TranscriptDone(Event, tag="response.output_audio_transcript.done"):
    response_id: str
    item_id: str
    transcript: str = ""


class RateLimit(Struct):
    name: str
    limit: float | None = None
    remaining: float | None = None
    reset_seconds: float | None = None


class RateLimitsUpdated(Event, tag="rate_limits.updated"):
    rate_limits: list[RateLimit]


class Ignored(Struct):
    """Event of the protocol that needs no answer."""

    type: str


class UnknownEvent(Struct):
    """An event that this version does not know: counted, never the end of a call."""

    type: str


class RepairedEvent(Struct):
    """An event that was read without the fields that do not fit: used and counted."""

    event: Any


Known = (
    Error | SessionCreated | SessionUpdated | ItemAdded | ItemDone | ItemDeleted | ItemTruncated
    | CallerTranscriptDelta | CallerTranscriptDone | CallerTranscriptFailed
    | SpeechStarted | SpeechStopped | Committed | Cleared | TimeoutTriggered | DtmfReceived
    | PlaybackStarted | PlaybackStopped | PlaybackCleared
    | ResponseCreated | ResponseDone | OutputItemAdded | OutputItemDone
    | AudioDelta | AudioDone | TranscriptDelta | TranscriptDone | RateLimitsUpdated
    | McpListInProgress | McpListCompleted | McpListFailed
    | McpArgumentsDone | McpCallInProgress | McpCallCompleted | McpCallFailed
)  # fmt: skip

ServerEvent = Known | Ignored | UnknownEvent | RepairedEvent

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
_PLACEHOLDER_BASE64: Final = b"soundOfThisDelta"
_PLACEHOLDER: Final = b64decode(_PLACEHOLDER_BASE64)
_sound_decoder: msgspec.json.Decoder[AudioDelta] = msgspec.json.Decoder(AudioDelta)


class _Head(Struct):
    type: str


_head = msgspec.json.Decoder(_Head)


def parse(text: bytes | bytearray | memoryview | str) -> ServerEvent:
    """One event from the model's server. Raises `PeerError` (`junk`, `malformed`)."""
    if type(text) is bytes and len(text) > _LONG_BYTES:
        sound = _sound(text)
        if sound is not None:
            return sound
    try:
        return _decoder.decode(text)
    except UNREADABLE as error:
        return _other(text, error)


def _sound(text: bytes) -> AudioDelta | None:
    """A long delta of sound; None for any other text, which the strict decoder is to judge.

    That decoder reads base64 byte by byte, and it is nearly all of the text. So it gets the event
    with a placeholder in the place of the sound, which comes back only where it was the delta of
    this event: it stands in the text once, and nothing else can mean it, since nothing is escaped.
    """
    key = text.find(_DELTA)
    if key < 0:
        return None
    start = key + len(_DELTA)
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
    if kind in _KNOWN:
        return RepairedEvent(_retyped(text, kind))
    if kind.strip() in _KNOWN:  # the official DTMF example has a leading blank in its type
        return _retyped(text, kind.strip())
    return UnknownEvent(kind)


def _retyped(text: bytes | bytearray | memoryview | str, kind: str) -> ServerEvent:
    try:
        document = msgspec.json.decode(text)
        document["type"] = kind
        event: Known = convert_leniently(document, Known)
    except UNREADABLE as error:
        raise PeerError("malformed", f"{kind}: {error}") from error
    return event


_encoder = msgspec.json.Encoder()


def encode(event: Known) -> bytes:
    """An event as a server sends it (used by the far ends to practise with)."""
    return _encoder.encode(event)
