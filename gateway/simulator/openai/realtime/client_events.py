"""Client events of the GA protocol, read strictly."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from openai.types.realtime import (
    ConversationItemCreateEvent,
    ConversationItemDeleteEvent,
    ConversationItemRetrieveEvent,
    ConversationItemTruncateEvent,
    InputAudioBufferAppendEvent,
    InputAudioBufferClearEvent,
    InputAudioBufferCommitEvent,
    OutputAudioBufferClearEvent,
    ResponseCancelEvent,
    ResponseCreateEvent,
    SessionUpdateEvent,
)
from pydantic import BaseModel

from gateway.simulator.openai.realtime.validation import InvalidValue, check

APPEND_MAX_BYTES: Final = 15 * 1024 * 1024
EVENT_ID_MAX_CHARS: Final = 512

CLIENT_EVENTS: Final[dict[str, type[BaseModel]]] = {
    "conversation.item.create": ConversationItemCreateEvent,
    "conversation.item.delete": ConversationItemDeleteEvent,
    "conversation.item.retrieve": ConversationItemRetrieveEvent,
    "conversation.item.truncate": ConversationItemTruncateEvent,
    "input_audio_buffer.append": InputAudioBufferAppendEvent,
    "input_audio_buffer.clear": InputAudioBufferClearEvent,
    "input_audio_buffer.commit": InputAudioBufferCommitEvent,
    "output_audio_buffer.clear": OutputAudioBufferClearEvent,
    "response.cancel": ResponseCancelEvent,
    "response.create": ResponseCreateEvent,
    "session.update": SessionUpdateEvent,
}


class Append(
    msgspec.Struct, tag_field="type", tag="input_audio_buffer.append", forbid_unknown_fields=True
):
    """The frequent event: JSON, base64 and validation in one pass."""

    audio: bytes
    event_id: str | None = None


_append = msgspec.json.Decoder(Append)
_any = msgspec.json.Decoder()


def read(message: bytes) -> Append | dict[str, Any]:
    """Decode one client event. Raises InvalidValue as the vendor would."""
    try:
        return _append.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _read_other(message)


def _read_other(message: bytes) -> dict[str, Any]:
    try:
        event = _any.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidValue("invalid_json", "The message is not valid JSON.") from None
    if not isinstance(event, dict):
        raise InvalidValue("invalid_event", "An event must be a JSON object.")
    return event


def check_event(event: dict[str, Any]) -> None:
    """Raises InvalidValue unless this is a client event of the GA protocol, field by field."""
    kind = event.get("type")
    if kind is None:
        raise InvalidValue(
            "missing_required_parameter", "Missing required parameter: 'type'.", "type"
        )
    if kind not in CLIENT_EVENTS:
        known = ", ".join(f"'{name}'" for name in CLIENT_EVENTS)
        raise InvalidValue(
            "invalid_event", f"Invalid value: '{kind}'. Supported values are: {known}.", "type"
        )
    if kind == "session.update":
        _require_session_type(event)
    references = _lift_references(event) if kind == "response.create" else []
    check(event, CLIENT_EVENTS[kind])
    if len(event.get("event_id") or "") > EVENT_ID_MAX_CHARS:
        raise InvalidValue("string_above_max_length", "'event_id' is too long.", "event_id")
    if kind == "input_audio_buffer.append":  # the fast path refused it and the types did not
        raise InvalidValue("invalid_value", "'audio' is not valid base64.", "audio")
    if references:
        event["response"]["input"] = references


def _require_session_type(event: dict[str, Any]) -> None:
    session = event.get("session")
    if isinstance(session, dict) and "type" not in session:
        raise InvalidValue(
            "missing_required_parameter",
            "Missing required parameter: 'session.type'.",
            "session.type",
        )


def _lift_references(event: dict[str, Any]) -> list[Any]:
    """Check and remove `item_reference`s: documented for `input`, absent from the types.

    Returns the whole input where it holds references, and leaves the rest to be checked.
    """
    response = event.get("response")
    items = response.get("input") if isinstance(response, dict) else None
    if not isinstance(response, dict) or not isinstance(items, list):
        return []
    references = [i for i in items if isinstance(i, dict) and i.get("type") == "item_reference"]
    for at, item in enumerate(references):
        if set(item) != {"type", "id"} or not isinstance(item["id"], str):
            raise InvalidValue(
                "invalid_value", "An item_reference has an 'id' only.", f"response.input[{at}]"
            )
    if not references:
        return []
    response["input"] = [item for item in items if item not in references]
    return items
