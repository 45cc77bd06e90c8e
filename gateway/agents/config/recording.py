"""Whether the calls of an agent are recorded, and what the caller is told first."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from gateway import limits
from gateway.agents.config.base import AgentFilePart

PAUSES_RECORDING: Final = "pause_recording"
"""Built-in tool by which the model pauses a recording."""

RecordingFormat = Literal["opus", "wav"]


class Recording(AgentFilePart):
    """A stereo recording: left the caller, right what was played to them."""

    consent: str = Field(min_length=1, max_length=limits.agents.GREETING_MAX_CHARS)
    """Said before anything is kept, in the language of the agent."""
    format: RecordingFormat = "opus"
    keys: Literal["keep", "silence"] = "keep"
    """Whether the tones of keys that the caller presses stay in the recording."""
    delete_at_carrier: bool = True
    """On the SIP path, where the carrier records: whether its copy is deleted once we have it."""
