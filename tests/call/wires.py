"""Messages on either wire, held to oracles that are not ours."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import msgspec
from openai.types.realtime import RealtimeClientEvent
from pydantic import BaseModel, TypeAdapter

from gateway.call.commands import SendToCaller, SendToModel
from gateway.call.context import Out
from gateway.protocols import media_stream

STREAM_SID: Final = "MZ" + "5" * 32
CALL_SID: Final = "CA" + "7" * 32
ACCOUNT_SID: Final = "AC" + "3" * 32

_SEEN_ENOUGH: Final = ("stream_sid", "sequence_number", "output_index", "content_index", "track")

_client_event: TypeAdapter[Any] = TypeAdapter(RealtimeClientEvent)


@lru_cache(maxsize=512)
def to_model(data: bytes) -> dict[str, Any]:
    """A client event as the vendor's own types read it; what they do not know is refused."""
    unknown = list(_unknown_fields(_client_event.validate_json(data)))
    assert not unknown, f"fields that GA does not have: {unknown} in {data[:400]!r}"
    event: dict[str, Any] = msgspec.json.decode(data)
    return event


def _unknown_fields(part: Any, path: str = "") -> Iterator[str]:
    if isinstance(part, BaseModel):
        yield from (f"{path}.{name}" for name in part.model_extra or {})
        for name in part.model_fields_set:
            yield from _unknown_fields(getattr(part, name, None), f"{path}.{name}")
    elif isinstance(part, list):
        for at, element in enumerate(part):
            yield from _unknown_fields(element, f"{path}[{at}]")


def to_caller(data: bytes) -> media_stream.FromGateway:
    """A message as Twilio takes it: a warning of its (31950, 31951) is a failure here."""
    return media_stream.parse_outbound(data, STREAM_SID)


def show(out: Out) -> str:
    """One line of the screenplay."""
    if isinstance(out, SendToModel):
        return f"model <- {_brief(to_model(out.data))}"
    if isinstance(out, SendToCaller):
        return f"caller <- {_message(to_caller(out.data))}"
    return repr(out)


def _brief(event: dict[str, Any]) -> str:
    rest = {key: value for key, value in event.items() if key not in ("type", "event_id")}
    if "audio" in rest:
        rest["audio"] = f"{len(rest['audio'])} characters"
    if "session" in rest:
        rest["session"] = "..."
    return f"{event['type']} {rest}"


def _message(message: media_stream.FromGateway) -> str:
    if isinstance(message, media_stream.OutMedia):
        return f"media of {len(message.media.payload) / 8:g} ms"
    if isinstance(message, media_stream.OutMark):
        return f"mark {message.mark.name}"
    return "clear"


def shown(event: object) -> str:
    """The same for what happens."""
    if not isinstance(event, msgspec.Struct):
        return repr(event)
    told = (
        f"{key}={_short(value)}"
        for key, value in msgspec.structs.asdict(event).items()
        if value is not None and key not in _SEEN_ENOUGH
    )
    return f"{type(event).__name__}({', '.join(told)})"


def _short(value: object) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    text = shown(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
