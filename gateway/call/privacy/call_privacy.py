"""Privacy switches of one call: those of its agent, and the strictest of all that took part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, Self, get_args

import msgspec

from gateway.agents.config.agent import Agent
from gateway.agents.config.privacy import RedactSwitch

Kept = Literal["none", "metadata", "transcript"]
_STRICTEST_FIRST: Final[tuple[Kept, ...]] = get_args(Kept)
_SWITCHES: Final[tuple[RedactSwitch, ...]] = get_args(RedactSwitch)


class CallPrivacy(msgspec.Struct, frozen=True, array_like=True):
    """Switches: how much of a call is kept, what is taken out of it before, and for how long."""

    record: Kept = "metadata"
    preset: str = "default"
    """`privacy` of the agent; of several that differ all that set anything, like `hipaa+pci`."""
    redact: tuple[RedactSwitch, ...] = ()
    retain_days: int | None = None
    """None for as long as the gateway keeps everything."""
    transcribed: bool = True
    """Whether the caller's words are written down at all."""

    @classmethod
    def of(cls, agent: Agent) -> Self:
        return cls(
            record=agent.record,
            preset=agent.privacy,
            redact=tuple(agent.redact),
            retain_days=agent.retain_days,
            transcribed=agent.transcription is not None,
        )

    def strictest(self, other: CallPrivacy) -> CallPrivacy:
        """Return the switches of a call to which both apply: each as the stricter has it."""
        days = [one for one in (self.retain_days, other.retain_days) if one is not None]
        redact = ordered((*self.redact, *other.redact))
        return CallPrivacy(
            record=min(self.record, other.record, key=_STRICTEST_FIRST.index),
            preset=_joined(self.preset, other.preset),
            redact=self.redact if set(redact) == set(self.redact) else redact,
            retain_days=min(days, default=None),
            transcribed=self.transcribed or other.transcribed,  # what was written down was
        )


def ordered(switches: Sequence[str]) -> tuple[RedactSwitch, ...]:
    """Return each switch once, in the order of the reference."""
    return tuple(one for one in _SWITCHES if one in switches)


def _joined(*presets: str) -> str:
    named = {name for preset in presets for name in preset.split("+")} - {"default"}
    return "+".join(sorted(named)) or "default"
