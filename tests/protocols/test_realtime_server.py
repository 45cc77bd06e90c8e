"""Types of the model's events, beside the vendor's own."""

from __future__ import annotations

import inspect
import json
from typing import get_args

from msgspec import Struct
from openai.types.realtime import RealtimeServerEvent

from gateway.protocols import realtime_codec as codec
from gateway.protocols import realtime_server as wire

VENDORS = {
    get_args(arm.model_fields["type"].annotation)[0]: arm
    for arm in get_args(get_args(RealtimeServerEvent)[0])
}
OURS = {str(kind.__struct_config__.tag): kind for kind in get_args(wire.Known)}


def test_every_event_is_one_of_the_vendors() -> None:
    assert set(OURS) <= set(VENDORS)


def test_every_field_is_one_of_the_vendors() -> None:
    for tag, kind in OURS.items():
        unknown = set(kind.__struct_fields__) - set(VENDORS[tag].model_fields) - {"event_id"}
        assert not unknown, f"{tag}: {unknown}"


def test_no_number_is_made_up() -> None:
    """What the server does not tell of is nothing, or unknown: no token, no moment, no index."""
    structs = [kind for kind in vars(wire).values() if inspect.isclass(kind)]
    defaults = {
        f"{kind.__name__}.{name}": default
        for kind in structs
        if issubclass(kind, Struct)
        for name, default in zip(
            reversed(kind.__struct_fields__), reversed(kind.__struct_defaults__), strict=False
        )
    }
    assert {"Usage.total_tokens", "SpeechStarted.audio_start_ms"} <= defaults.keys()
    assert [name for name, default in defaults.items() if default] == []


def test_an_event_at_the_very_beginning_is_whole() -> None:
    """Nothing is amiss in a moment, a count or a length of zero, or of less than a second."""
    for event in (
        {"type": "input_audio_buffer.speech_started", "item_id": "i", "audio_start_ms": 0},
        {"type": "conversation.item.truncated", "item_id": "i", "audio_end_ms": 0},
    ):
        assert not isinstance(codec.parse(json.dumps(event)), wire.RepairedEvent)
    for seconds in (0, 0.4):
        usage = {"type": "duration", "seconds": seconds, "input_tokens": 0}
        kind = "conversation.item.input_audio_transcription.completed"
        done = codec.parse(json.dumps({"type": kind, "item_id": "i", "usage": usage}))
        assert isinstance(done, wire.CallerTranscriptDone)
        assert done.usage is not None
        assert done.usage.seconds == seconds
