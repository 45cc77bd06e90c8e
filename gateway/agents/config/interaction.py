"""Interruptions by the caller, and their silence: when each counts, and what follows."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from gateway import limits
from gateway.agents.config.base import AgentFilePart, wrong


class BargeIn(AgentFilePart):
    """When the caller's voice counts as an interruption; zero leaves it to the model's VAD."""

    min_speech_ms: int = Field(0, ge=0, le=limits.agents.BARGE_IN_SPEECH_MAX_MS)
    protect_greeting_ms: int = Field(0, ge=0, le=limits.agents.PROTECT_GREETING_MAX_MS)


class Idle(AgentFilePart):
    """Nudge and end for a silent caller, both counted from the last sound."""

    nudge_after_s: float = Field(
        limits.agents.IDLE_NUDGE_DEFAULT_S, ge=limits.agents.IDLE_MIN_S, le=limits.agents.IDLE_MAX_S
    )
    end_after_s: float = Field(
        limits.agents.IDLE_END_DEFAULT_S, ge=limits.agents.IDLE_MIN_S, le=limits.agents.IDLE_MAX_S
    )
    nudge: str = Field(
        "The caller has been silent for a while. Ask in one short sentence whether they are "
        "still there.",
        min_length=1,
        max_length=limits.agents.GREETING_MAX_CHARS,
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end_after_s <= self.nudge_after_s:
            raise wrong("end_after_s", "must be more than nudge_after_s")
        return self
