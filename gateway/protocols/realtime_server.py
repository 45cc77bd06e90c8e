"""GA Realtime events of the model's server.

Source: `openai.types.realtime` (GA). Only the fields that the gateway uses are read; the rest of
an event may change without notice. Events that are not listed come back as `UnknownEvent`.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from gateway.limits.call import MOMENT_MAX_MS, TOKENS_MAX
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
    fields: tuple[str, ...] = ()


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
