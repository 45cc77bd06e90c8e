"""The strict check of a session against the `openai` package's own types.

Those types let unknown fields pass, which is right for what a server sends and wrong here. They
stand in `realtime_session.json`, written by `make session-types`: the package takes longer to
import than everything else in the process, and the check is over before the first call.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any, Final

from gateway.agents.config.base import suggestion

Path = tuple[str | int, ...]
Problem = tuple[Path, str]
Schema = Mapping[str, Any]

# Fields of the beta protocol, which is switched off, and where each went.
_BETA: Final[Mapping[str, str]] = {
    "modalities": "output_modalities",
    "voice": "audio.output.voice",
    "speed": "audio.output.speed",
    "input_audio_format": "audio.input.format",
    "output_audio_format": "audio.output.format",
    "input_audio_transcription": "audio.input.transcription",
    "input_audio_noise_reduction": "audio.input.noise_reduction",
    "turn_detection": "audio.input.turn_detection",
    "max_response_output_tokens": "max_output_tokens",
    "reasoning_effort": "reasoning.effort",
}
_GONE: Final = frozenset({"temperature"})


class SessionSchema:
    """The vendor's types of a session, as JSON Schema.

    Whoever checks a file reads them once, and does not retain them: nothing is checked while
    the gateway runs.
    """

    def __init__(self) -> None:
        here = files("gateway.agents.file")
        self.table: Any = json.loads(here.joinpath("realtime_session.json").read_bytes())

    def problems(self, session: Mapping[str, Any]) -> Iterator[Problem]:
        """Each field that is unknown, missing or of the wrong type, with its path."""
        return _Check(self.table["$defs"]).against(self.table, session, ())

    def voices(self) -> list[str]:
        """Return the names of the vendor's voices; its types let any other text pass."""
        of_output = self.table["$defs"]["realtime_audio_config_output.RealtimeAudioConfigOutput"]
        members = of_output["properties"]["voice"]["anyOf"]
        return [str(name) for member in members for name in member.get("enum", ())]


class _Check:
    """Interprets the part of JSON Schema that the table uses."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions

    def against(self, schema: Schema, value: Any, path: Path) -> Iterator[Problem]:
        if "$ref" in schema:
            model = self._definitions[schema["$ref"].removeprefix("#/$defs/")]
            yield from self._model(model, value, path)
        elif "anyOf" in schema:
            yield from self._union(schema["anyOf"], value, path)
        elif "enum" in schema:
            if not any(value == name and type(value) is type(name) for name in schema["enum"]):
                yield path, f"must be {_choice(schema['enum'])}"
        elif schema.get("type") in ("array", "object"):
            yield from self._items(schema, value, path)
        elif not _fits(value, schema.get("type")):
            yield path, f"must be {_KINDS[schema['type']]}"

    def _model(self, schema: Schema, value: Any, path: Path) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield path, "must be an object"
            return
        fields = schema["properties"]
        for key, inner in value.items():
            if key in fields:
                yield from self.against(fields[key], inner, (*path, key))
            else:
                yield (*path, key), _unknown(key, fields, at_top=not path)
        for key in schema["required"]:
            if key not in value:
                yield (*path, key), "is missing"

    def _union(self, schemas: list[Schema], value: Any, path: Path) -> Iterator[Problem]:
        """No problem when one member fits, else those of the member that comes nearest."""
        members = [one for one in schemas if one.get("type") != "null"]
        found = [list(self.against(member, value, path)) for member in members]
        if (value is None and len(members) < len(schemas)) or not all(found):
            return
        yield from min(found, key=_distance)

    def _items(self, schema: Schema, value: Any, path: Path) -> Iterator[Problem]:
        if schema["type"] == "array":
            if not isinstance(value, list):
                yield path, "must be a list"
                return
            inner, items = schema["items"], list[Any](enumerate(value))
        else:
            if not isinstance(value, dict):
                yield path, "must be an object"
                return
            inner, items = schema["additionalProperties"], list[Any](value.items())
        for key, item in items:
            yield from self.against(inner, item, (*path, key))


def _distance(found: list[Problem]) -> tuple[bool, int, int]:
    """Deep problems mean that the outside fitted; a wrong `type` means another member."""
    wrong_type = any(path and path[-1] == "type" for path, _ in found)
    return wrong_type, -max(len(path) for path, _ in found), len(found)


_KINDS: Final[Mapping[str, str]] = {
    "string": "text",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "null": "null",
}
_TYPES: Final[Mapping[str, type]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "null": type(None),
}


def _fits(value: Any, kind: str | None) -> bool:
    if kind is None:
        return True
    if kind == "number":
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is _TYPES[kind]


def _unknown(key: str, fields: Mapping[str, Any], *, at_top: bool) -> str:
    if at_top and key in _GONE:
        return "was part of the beta protocol and is gone: remove it"
    if at_top and key in _BETA:
        return f"was part of the beta protocol: it is {_BETA[key]} now"
    return f"is unknown here{suggestion(key, fields)}"


def _choice(names: list[Any]) -> str:
    texts = [str(name) for name in names]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}"
