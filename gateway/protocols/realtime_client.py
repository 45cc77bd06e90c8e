"""GA Realtime client events, encoded for the model's server.

Source: `openai.types.realtime.RealtimeClientEvent` (GA). Each function returns the bytes of one
text message. `event_id` is echoed in an error about that event, so what may fail carries one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from pybase64 import b64encode

_encode = msgspec.json.Encoder().encode


_APPEND_HEAD: Final = b'{"type":"input_audio_buffer.append","audio":"'
_APPEND_TAIL: Final = b'"}'


def append(audio: bytes) -> bytes:
    """The hot one: never acknowledged, at most 15 MiB."""
    return b"".join((_APPEND_HEAD, b64encode(audio), _APPEND_TAIL))


def session_update(session: Mapping[str, Any], event_id: str) -> bytes:
    """`session` must hold `type`; only the fields that are present change."""
    return _encode({"type": "session.update", "event_id": event_id, "session": session})


def response_create(event_id: str, response: Mapping[str, Any] | None = None) -> bytes:
    event: dict[str, Any] = {"type": "response.create", "event_id": event_id}
    if response:
        event["response"] = response
    return _encode(event)


def response_cancel(event_id: str, response_id: str | None = None) -> bytes:
    event = {"type": "response.cancel", "event_id": event_id}
    if response_id is not None:
        event["response_id"] = response_id
    return _encode(event)


def item_create(item: Mapping[str, Any], event_id: str, after: str | None = None) -> bytes:
    """At the end of the conversation, or behind another item; `root` is its beginning."""
    event = {"type": "conversation.item.create", "event_id": event_id, "item": item}
    if after is not None:
        event["previous_item_id"] = after
    return _encode(event)


def item_delete(item_id: str, event_id: str) -> bytes:
    return _encode({"type": "conversation.item.delete", "event_id": event_id, "item_id": item_id})


def item_truncate(item_id: str, audio_end_ms: int, event_id: str) -> bytes:
    """Beyond the audio that was generated for the item this is an error: clamp before."""
    return _encode(
        {
            "type": "conversation.item.truncate",
            "event_id": event_id,
            "item_id": item_id,
            "content_index": 0,
            "audio_end_ms": audio_end_ms,
        }
    )


def input_commit(event_id: str) -> bytes:
    """Makes a turn of the caller of what the buffer holds, and no response."""
    return _encode({"type": "input_audio_buffer.commit", "event_id": event_id})


def input_clear(event_id: str) -> bytes:
    """Drops what the buffer holds."""
    return _encode({"type": "input_audio_buffer.clear", "event_id": event_id})


def output_clear(event_id: str) -> bytes:
    """SIP only; `response.cancel` goes first."""
    return _encode({"type": "output_audio_buffer.clear", "event_id": event_id})
