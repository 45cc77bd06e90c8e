"""Configuration of a session: its defaults, merging of updates, and the vendor's ranges."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

from gateway.simulator.openai.realtime.outbox import JournalWriter
from gateway.simulator.openai.realtime.validation import InvalidValue

REASONING_MODELS: Final = frozenset({"gpt-realtime-2", "gpt-realtime-2.1", "gpt-realtime-2.1-mini"})
MODELS: Final = REASONING_MODELS | {
    "gpt-realtime",
    "gpt-realtime-2025-08-28",
    "gpt-realtime-1.5",
    "gpt-realtime-mini",
    "gpt-realtime-mini-2025-10-06",
    "gpt-realtime-mini-2025-12-15",
}
VOICES: Final = frozenset(
    {"alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"}
)
TRANSCRIBERS: Final = frozenset(
    {
        "whisper-1",
        "gpt-transcribe",
        "gpt-live-transcribe",
        "gpt-4o-mini-transcribe",
        "gpt-4o-mini-transcribe-2025-12-15",
        "gpt-4o-transcribe",
        "gpt-4o-transcribe-diarize",
        "gpt-realtime-whisper",
    }
)
LANGUAGE_LISTS: Final = frozenset({"gpt-transcribe", "gpt-live-transcribe"})

SERVER_VAD: Final[dict[str, Any]] = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,  # the documents say 500, the vendor's own example of this shows 200
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
SEMANTIC_VAD: Final[dict[str, Any]] = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}
FORMATS: Final[dict[str, dict[str, Any]]] = {
    "audio/pcm": {"type": "audio/pcm", "rate": 24_000},
    "audio/pcmu": {"type": "audio/pcmu"},
    "audio/pcma": {"type": "audio/pcma"},
}


def initial(
    session_id: str, model: str, expires_at: int, format_: str = "audio/pcm"
) -> dict[str, Any]:
    """Return the session object of `session.created`."""
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": "You are a helpful assistant.",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": expires_at,
        "include": None,
        "audio": {
            "input": {
                "format": FORMATS[format_],
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": SERVER_VAD,
            },
            "output": {"format": FORMATS[format_], "voice": "marin", "speed": 1.0},
        },
    }


def without_formats(update: dict[str, Any], log: JournalWriter) -> dict[str, Any]:
    """Return an update without formats, which SIP negotiates; asking for one is a violation."""
    after = deepcopy(update)
    for side in ("input", "output"):
        if (after.get("audio") or {}).get(side) and after["audio"][side].pop("format", None):
            place = f"session.audio.{side}.format"
            message = f"Leave '{place}' out: SIP negotiates it."
            log("violation", code="format_on_sip", message=message, param=place)
    return after


def merged(session: dict[str, Any], update: dict[str, Any], *, spoken: bool) -> dict[str, Any]:
    """Return the session after an update that fits the types: only the fields present change.

    Raises InvalidValue for what the types allow and the vendor does not.
    """
    refuse(update, session["model"], "session")
    if update["type"] != "realtime":
        raise InvalidValue("invalid_value", "This is a realtime session.", "session.type")
    if "model" in update and update["model"] != session["model"]:
        raise InvalidValue("invalid_value", "The model of a session is fixed.", "session.model")
    after = deepcopy(session)
    audio = update.get("audio") or {}
    for key, value in update.items():
        if key != "audio":
            after[key] = deepcopy(value)
    _merge_input(after["audio"]["input"], audio.get("input") or {})
    _merge_output(after["audio"]["output"], audio.get("output") or {})
    if spoken and after["audio"]["output"]["voice"] != session["audio"]["output"]["voice"]:
        raise InvalidValue(
            "cannot_update_voice",
            "Cannot update a conversation's voice if assistant audio is present.",
            "session.audio.output.voice",
        )
    if session["tracing"] is not None and after["tracing"] != session["tracing"]:
        raise InvalidValue("invalid_value", "Tracing cannot be changed once on.", "session.tracing")
    return after


def _merge_input(into: dict[str, Any], update: dict[str, Any]) -> None:
    for key, value in update.items():
        before: Any = into.get(key)
        if key == "format":
            into[key] = _format(value, before)
        elif value is None:
            into[key] = None
        elif key == "turn_detection":
            into[key] = _turn_detection(value, before)
        elif key == "noise_reduction":
            into[key] = {"strength": 1.0, **(before or {}), **value}
        else:
            into[key] = {**(before or {}), **value}


def _merge_output(into: dict[str, Any], update: dict[str, Any]) -> None:
    for key, value in update.items():
        if key == "format":
            into[key] = _format(value, into[key])
        elif value is not None:
            into[key] = value


def _format(value: dict[str, Any] | None, before: dict[str, Any]) -> dict[str, Any]:
    return FORMATS[(value or {}).get("type") or before["type"]]


def _turn_detection(value: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    defaults = SERVER_VAD if value["type"] == "server_vad" else SEMANTIC_VAD
    kept = before if before and before["type"] == value["type"] else {}
    given = {key: item for key, item in value.items() if item is not None}
    if "idle_timeout_ms" in value:
        given["idle_timeout_ms"] = value["idle_timeout_ms"]
    return {**defaults, **kept, **given}


def refuse(settings: dict[str, Any], model: str, path: str) -> None:
    """Raises InvalidValue for values that fit the types and are out of range."""
    audio = settings.get("audio") or {}
    _refuse_input(audio.get("input") or {}, f"{path}.audio.input")
    _refuse_output(audio.get("output") or {}, f"{path}.audio.output")
    tokens = settings.get("max_output_tokens")
    if isinstance(tokens, int):
        _within(tokens, 1, 4096, f"{path}.max_output_tokens")
    if len(settings.get("output_modalities") or ["audio"]) != 1:
        name = f"{path}.output_modalities"
        raise InvalidValue("invalid_value", "Either ['audio'] or ['text'], not both.", name)
    for key in ("reasoning", "parallel_tool_calls"):
        if settings.get(key) is not None and model not in REASONING_MODELS:
            name = f"{path}.{key}"
            raise InvalidValue("invalid_value", f"'{key}' is not supported by {model}.", name)
    for at, tool in enumerate(settings.get("tools") or []):
        _refuse_tool(tool, f"{path}.tools[{at}]")


def _refuse_input(audio: dict[str, Any], path: str) -> None:
    vad = audio.get("turn_detection") or {}
    _within(vad.get("threshold"), 0, 1, f"{path}.turn_detection.threshold")
    _within(vad.get("prefix_padding_ms"), 0, 60_000, f"{path}.turn_detection.prefix_padding_ms")
    _within(vad.get("silence_duration_ms"), 0, 60_000, f"{path}.turn_detection.silence_duration_ms")
    _within(vad.get("idle_timeout_ms"), 5_000, 30_000, f"{path}.turn_detection.idle_timeout_ms")
    hears = audio.get("transcription") or {}
    name = hears.get("model")
    if name is not None and name not in TRANSCRIBERS:
        place = f"{path}.transcription.model"
        raise InvalidValue("invalid_value", f"Unknown transcription model '{name}'.", place)
    for key in ("keywords", "languages"):
        if hears.get(key) is not None and name is not None and name not in LANGUAGE_LISTS:
            place = f"{path}.transcription.{key}"
            raise InvalidValue("invalid_value", f"'{key}' is not supported by {name}.", place)


def _refuse_output(audio: dict[str, Any], path: str) -> None:
    _within(audio.get("speed"), 0.25, 1.5, f"{path}.speed")
    voice = audio.get("voice")
    if isinstance(voice, str) and voice not in VOICES:
        known = ", ".join(f"'{name}'" for name in sorted(VOICES))
        message = f"Invalid value: '{voice}'. Supported values are: {known}."
        raise InvalidValue("invalid_value", message, f"{path}.voice")


def _refuse_tool(tool: dict[str, Any], path: str) -> None:
    if tool.get("type") == "function" and not tool.get("name"):
        name = f"{path}.name"
        raise InvalidValue(
            "missing_required_parameter", f"Missing required parameter: '{name}'.", name
        )
    places = [key for key in ("server_url", "connector_id", "tunnel_id") if tool.get(key)]
    if tool.get("type") == "mcp" and len(places) != 1:
        message = "One of 'server_url', 'connector_id' or 'tunnel_id' is required."
        raise InvalidValue("invalid_value", message, path)


def _within(value: Any, low: float, high: float, path: str) -> None:
    if value is not None and not low <= value <= high:
        code = "integer_below_min_value" if value < low else "integer_above_max_value"
        if isinstance(value, float):
            code = code.replace("integer", "decimal")
        message = f"Invalid '{path}': expected a value between {low} and {high}, got {value}."
        raise InvalidValue(code, message, path)
