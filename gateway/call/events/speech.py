"""Speech of both sides: who spoke when, what was said, how long the caller waited."""

from __future__ import annotations

from gateway.call.events.call_event import CallEvent


class FirstAudioSent(CallEvent, frozen=True):
    """The caller hears the agent for the first time."""

    seconds: float
    """From the webhook."""
    after_arrival_s: float


class TurnMeasured(CallEvent, frozen=True):
    """The caller's wait in one turn, from their last speech to the first sound, and its stages."""

    number: int
    wait_s: float
    detection_s: float
    """End of speech -> the model said so."""
    model_s: float
    """-> first sound from the model."""
    gateway_s: float
    """-> first sound sent to the caller."""
    playback_s: float
    """-> first sound played, known by its mark."""


class CallerSpeechStarted(CallEvent, frozen=True):
    """The caller speaks."""

    ago_s: float
    """How long ago: the model reports it only after a moment."""


class CallerSpeechEnded(CallEvent, frozen=True):
    """The caller has fallen silent."""

    ago_s: float


class ModelSpeechStarted(CallEvent, frozen=True):
    """The caller hears the model, or is about to."""


class ModelSpeechEnded(CallEvent, frozen=True):
    """All that was sent was heard, or cut."""


class BargedIn(CallEvent, frozen=True):
    """The caller interrupted the model."""

    item_id: str | None
    heard_ms: int
    reaction_s: float
    """From the start of the caller's speech to our `clear`."""


class BargeInIgnored(CallEvent, frozen=True):
    """The caller spoke into the model's sentence, and it went on."""

    reason: str
    """`greeting` or `short`."""


class PlaybackUnderRun(CallEvent, frozen=True):
    """The caller's buffer ran dry in the middle of an answer."""

    cause: str
    """`model`: there was nothing to send; `gateway`: there was."""
    gap_s: float


class AudioDropped(CallEvent, frozen=True):
    """Sound was dropped because too much of it waited."""

    reason: str
    """`buffer_full`: too much came before the model was ready; `unplayed`: too long an answer."""
    ms: int


class TranscriptLine(CallEvent, frozen=True):
    """Words of the caller or of the model."""

    who: str
    """`caller` or `model`."""
    text: str
    item_id: str
