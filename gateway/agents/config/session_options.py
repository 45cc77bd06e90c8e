"""Options of the model's session: turn detection, transcription, voice, truncation."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from gateway import limits
from gateway.agents.config.base import AgentFilePart

DEFAULT_VOICE: Final = "marin"


def with_type(value: Any) -> Any:
    """Return `{"type": name}` for a bare name, which leaves all else to the defaults."""
    return {"type": value} if isinstance(value, str) else value


class ServerVad(AgentFilePart):
    """Turns by loudness and silence."""

    type: Literal["server_vad"] = "server_vad"
    threshold: float | None = Field(None, ge=0, le=1)
    prefix_padding_ms: int | None = Field(None, ge=0, le=limits.agents.VAD_PREFIX_PADDING_MAX_MS)
    silence_duration_ms: int = Field(
        limits.agents.VAD_SILENCE_DEFAULT_MS, ge=0, le=limits.agents.VAD_SILENCE_MAX_MS
    )
    idle_timeout_ms: int | None = Field(
        None, ge=limits.agents.VAD_IDLE_TIMEOUT_MIN_MS, le=limits.agents.VAD_IDLE_TIMEOUT_MAX_MS
    )
    create_response: bool | None = None
    interrupt_response: bool | None = None


class SemanticVad(AgentFilePart):
    """Turns by what was said."""

    type: Literal["semantic_vad"]
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


class NoiseReduction(AgentFilePart):
    """Filtering of the caller's sound before turn detection and model."""

    type: Literal["near_field", "far_field"]
    strength: float | None = Field(None, ge=0, le=limits.agents.NOISE_REDUCTION_STRENGTH_MAX)


class Transcription(AgentFilePart):
    """Transcription of the caller's speech."""

    model: str = Field("gpt-transcribe", min_length=1)
    language: str | None = None
    languages: list[str] | None = None
    keywords: list[str] | None = None
    prompt: str | None = None
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None


class TokenLimits(AgentFilePart):
    """Where the conversation is cut."""

    post_instructions: int | None = Field(None, ge=1, le=limits.agents.CONTEXT_TOKENS_MAX)


class RetentionRatio(AgentFilePart):
    """Cut more than needed, and so less often: the rest stays cached."""

    type: Literal["retention_ratio"]
    retention_ratio: float = Field(ge=0, le=1)
    token_limits: TokenLimits | None = None


class CustomVoice(AgentFilePart):
    """A voice of the account's own."""

    id: str = Field(min_length=1, max_length=limits.agents.VOICE_MAX_CHARS)


Voice = Annotated[str, Field(min_length=1, max_length=limits.agents.VOICE_MAX_CHARS)] | CustomVoice
TurnDetection = Annotated[ServerVad | SemanticVad, Field(discriminator="type")]
