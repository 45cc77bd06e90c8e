"""The strict check of a session against the `openai` package's own types.

Those types let unknown fields pass, which is right for what a server sends and wrong here.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from openai.types.realtime import RealtimeSessionCreateRequest
from pydantic import BaseModel

Path = tuple[str | int, ...]
Problem = tuple[Path, str]

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


def problems(session: Mapping[str, Any]) -> Iterator[Problem]:
    """Each field that is unknown, missing or of the wrong type, with its path."""
    return _check(session, RealtimeSessionCreateRequest, ())


def _check(value: Any, kind: Any, path: Path) -> Iterator[Problem]:
    origin = get_origin(kind)
    if origin is Annotated:
        yield from _check(value, get_args(kind)[0], path)
    elif origin in (Union, UnionType):
        yield from _check_union(value, get_args(kind), path)
    elif origin is Literal:
        if not any(value == name and type(value) is type(name) for name in get_args(kind)):
            yield path, f"must be {_choice(get_args(kind))}"
    elif origin in (list, dict):
        yield from _check_items(value, origin, get_args(kind)[-1], path)
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        yield from _check_model(value, kind, path)
    elif not _fits(value, kind):
        yield path, f"must be {_KINDS[kind]}"


def _check_model(value: Any, kind: type[BaseModel], path: Path) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield path, "must be an object"
        return
    fields = {field.alias or name: field for name, field in kind.model_fields.items()}
    for key, inner in value.items():
        if key in fields:
            yield from _check(inner, fields[key].annotation, (*path, key))
        else:
            yield (*path, key), _unknown(key, fields, at_top=not path)
    for key, field in fields.items():
        if field.is_required() and key not in value:
            yield (*path, key), "is missing"


def _check_union(value: Any, kinds: tuple[Any, ...], path: Path) -> Iterator[Problem]:
    """No problem when one member fits, else those of the member that comes nearest."""
    found = [list(_check(value, kind, path)) for kind in kinds if kind is not NoneType]
    if (value is None and NoneType in kinds) or not all(found):
        return
    yield from min(found, key=_distance)


def _distance(found: list[Problem]) -> tuple[bool, int, int]:
    """Deep problems mean that the outside fitted; a wrong `type` means another member."""
    wrong_type = any(path and path[-1] == "type" for path, _ in found)
    return wrong_type, -max(len(path) for path, _ in found), len(found)


def _check_items(value: Any, shape: Any, kind: Any, path: Path) -> Iterator[Problem]:
    if not isinstance(value, shape):
        yield path, "must be a list" if shape is list else "must be an object"
        return
    for key, inner in enumerate(value) if shape is list else value.items():
        yield from _check(inner, kind, (*path, key))


_KINDS: Final[dict[Any, str]] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    object: "plain data",
    Any: "plain data",
    NoneType: "null",
}


def _fits(value: Any, kind: Any) -> bool:
    if kind in (object, Any):
        return True
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is kind


def _unknown(key: str, fields: Mapping[str, Any], *, at_top: bool) -> str:
    if at_top and key in _GONE:
        return "was part of the beta protocol and is gone: remove it"
    if at_top and key in _BETA:
        return f"was part of the beta protocol: it is {_BETA[key]} now"
    near = difflib.get_close_matches(key, fields, n=1)
    return f"is unknown here (did you mean {near[0]}?)" if near else "is unknown here"


def _choice(names: tuple[Any, ...]) -> str:
    texts = [str(name) for name in names]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}"
