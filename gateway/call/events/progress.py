"""Progress of a call: who is connected, who leads it, whether it is recorded, how it ended."""

from __future__ import annotations

from typing import Any

from gateway.call.endings import Ending
from gateway.call.events.call_event import CallEvent
from gateway.call.privacy.call_privacy import CallPrivacy


class ModelReady(CallEvent, frozen=True):
    """The session is confirmed; sound may go up."""

    seconds: float
    """Since the call was announced."""
    expires_at: int | None


class ModelDisconnected(CallEvent, frozen=True):
    """The connection to the model was lost in mid-call, and another one is opened."""

    reason: str


class ModelReconnected(CallEvent, frozen=True):
    """The model is reachable again, and knows what was said."""

    seconds: float
    """Since it was lost; 0 for a change that nobody could hear."""
    cause: str
    """`lost`; `hour`: the session was about to end by itself; `agent`: another one leads."""


class SidebandConnected(CallEvent, frozen=True):
    """SIP: the call can be controlled."""

    seconds: float
    """Since the accept."""
    again: bool


class CallerConnected(CallEvent, frozen=True):
    """The caller is on the line."""

    seconds: float
    """From the webhook to the stream's `start`, or on the SIP path to our accept."""


class CalleeRinging(CallEvent, frozen=True):
    """Outbound call: the other end rings."""


class CalleeAnswered(CallEvent, frozen=True):
    """Outbound call: somebody, or something, has taken it."""


class AnswererDetected(CallEvent, frozen=True):
    """Outbound call: the carrier has found out who took it."""

    who: str
    """`human`, `machine`, `fax` or `unknown`."""


class TransferAttempted(CallEvent, frozen=True):
    """A transfer has worked, or has not."""

    outcome: str
    """`done`, or why not: `refused`, `no_outcome`, `caller_spoke`."""


class HandOverAttempted(CallEvent, frozen=True):
    """The model asked for another agent of the file; on `done` that one leads the call."""

    agent: str
    """Who asked."""
    to: str
    """`unknown` for a name that the model made up."""
    outcome: str
    """`done`, or why not: `unknown`, `under_way`, `too_many`, `too_soon`, `ending`, `failed`."""


class AgentChanged(CallEvent, frozen=True):
    """Another agent leads the conversation from now on."""

    before: str
    agent: str
    model: str
    wants_result: bool = False
    """Whether a result is asked for when this agent ends the call."""


class PrivacyChanged(CallEvent, frozen=True):
    """Other privacy switches hold for the whole call: of the agents that took part, the strictest.

    Published before `AgentChanged`.
    """

    privacy: CallPrivacy


class LanguageChanged(CallEvent, frozen=True):
    """The caller's language is another one: what they hear or read beside the model follows."""

    language: str


class RecordingStarted(CallEvent, frozen=True):
    """The caller was told that the call is recorded; sound is kept."""

    ago_s: float
    """Since then."""


class RecordingRefused(CallEvent, frozen=True):
    """The call is not recorded, though its agent asks for it."""

    reason: str
    """`not_heard`: the caller never heard to its end that it would be; `machine`: an answering
    machine was reached before it had been told; `trunk`: the sound passes neither through us nor
    through a `<Dial>`."""


class RecordingPaused(CallEvent, frozen=True):
    """Nothing is recorded until further notice."""

    by: str
    """`tool`, `operator`, `secret`, `machine`, or `agent`: one that records no calls leads now."""


class RecordingResumed(CallEvent, frozen=True):
    """The call is recorded again."""

    by: str


class CallEnded(CallEvent, frozen=True):
    """The call is over; the last event of every call.

    Only a `ToolCompleted` may follow, of a function that was begun and has outlived the call.
    """

    ending: Ending
    reason: str
    arrived: bool
    """Whether the caller ever came; without a caller it was no call."""
    seconds: float
    """Since the caller arrived."""
    waits_s: tuple[float, ...]
    """The caller's wait in each turn."""
    barge_ins: int
    tools: int
    tokens: int

    @property
    def turns(self) -> int:
        return len(self.waits_s)


class ResultFiled(CallEvent, frozen=True):
    """The result of a call that is over was filled in, or was not; follows `CallEnded`."""

    status: str
    """`filed`, `failed` or `skipped`."""
    reason: str
    """Of one that was not filed: no_words, not_json, schema, timeout, refused, ..."""
    tries: int
    fields: dict[str, Any]
    """Every field of the agent's schema; null where no words of the caller's prove it."""
    evidence: dict[str, list[dict[str, str]]]
    """By field: `item_id` and `quote` of the caller's own words."""
    unproven: tuple[str, ...]
    """Fields that are null although the model had a value: it had no words for it."""

    def __repr__(self) -> str:
        """Leave people's words out."""
        return f"ResultFiled(status={self.status!r}, reason={self.reason!r}, tries={self.tries!r})"
