"""Options of the model's session: their bounds, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from gateway.agents.config.session_options import (
    CustomVoice,
    NoiseReduction,
    RetentionRatio,
    SemanticVad,
    ServerVad,
    TokenLimits,
    Transcription,
    TurnDetection,
    Voice,
    with_type,
)


def test_a_bare_name_stands_for_an_object_of_that_type() -> None:
    assert with_type("server_vad") == {"type": "server_vad"}
    given = {"type": "semantic_vad", "eagerness": "low"}
    assert with_type(given) is given
    assert with_type(None) is None


RATIO = {"type": "retention_ratio"}


@pytest.mark.parametrize(
    ("part", "more", "field", "low", "high", "beyond"),
    [
        (ServerVad, {}, "threshold", 0, 1, (-0.01, 1.01)),
        (ServerVad, {}, "idle_timeout_ms", 5000, 30_000, (4999, 30_001)),
        (ServerVad, {}, "silence_duration_ms", 0, 10_000, (-1, 10_001)),
        (ServerVad, {}, "prefix_padding_ms", 0, 5000, (-1, 5001)),
        (NoiseReduction, {"type": "near_field"}, "strength", 0, 10, (-0.1, 10.1)),
        (RetentionRatio, RATIO, "retention_ratio", 0, 1, (-0.01, 1.01)),
        (TokenLimits, {}, "post_instructions", 1, 128_000, (0, 128_001)),
    ],
)
def test_bounds(
    part: type[BaseModel],
    more: dict[str, Any],
    field: str,
    low: float,
    high: float,
    beyond: tuple[float, float],
) -> None:
    for value in (low, high):
        assert getattr(part.model_validate(more | {field: value}), field) == value
    for refused in (*beyond, float("nan"), float("inf"), True, str(low)):
        with pytest.raises(ValidationError):
            part.model_validate(more | {field: refused})


def test_defaults() -> None:
    vad = ServerVad()
    assert (vad.type, vad.silence_duration_ms, vad.threshold) == ("server_vad", 500, None)
    assert Transcription().model == "gpt-transcribe"


def test_the_type_decides_which_keys_there_are() -> None:
    detection: TypeAdapter[ServerVad | SemanticVad] = TypeAdapter(TurnDetection)
    known = detection.validate_python({"type": "semantic_vad", "eagerness": "high"})
    assert known == SemanticVad(type="semantic_vad", eagerness="high")
    for wrong in (
        {"type": "semantic_vad", "threshold": 0.5},
        {"type": "server_vad", "eagerness": "high"},
        {"type": "loud"},
        {"threshold": 0.5},
    ):
        with pytest.raises(ValidationError):
            detection.validate_python(wrong)


def test_a_voice_is_a_name_or_one_of_the_account() -> None:
    voice: TypeAdapter[str | CustomVoice] = TypeAdapter(Voice)
    assert voice.validate_python("v" * 128) == "v" * 128
    assert voice.validate_python({"id": "voice_1"}) == CustomVoice(id="voice_1")
    for wrong in ("", "v" * 129, 5, {"id": ""}, {"id": "v" * 129}, {"name": "voice_1"}):
        with pytest.raises(ValidationError):
            voice.validate_python(wrong)
