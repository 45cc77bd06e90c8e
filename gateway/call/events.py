"""Call events: facts about a call that metrics, logs, records and the console subscribe to."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from gateway.call.endings import Ending
from gateway.protocols.realtime_server import RateLimit, TranscriptionUsage, Usage


class EventBase(Struct, frozen=True, gc=False):
    """Base of every call event."""


class ModelReady(EventBase, frozen=True):
    """The session is confirmed; sound may go up."""

    seconds: float
    """Since the call was announced."""
    expires_at: int | None


class ModelDisconnected(EventBase, frozen=True):
    """The connection to the model was lost in mid-call, and another one is opened."""

    reason: str


class ModelReconnected(EventBase, frozen=True):
    """The model is reachable again, and knows what was said."""

    seconds: float
    """Since it was lost; 0 for a change that nobody could hear."""
    cause: str
    """`lost`; `hour`: the session was about to end by itself; `agent`: another one leads."""


class CallerConnected(EventBase, frozen=True):
    """The caller is on the line."""

    seconds: float
    """From the webhook to the stream's `start`, or on the SIP path to our accept."""


class CalleeRinging(EventBase, frozen=True):
    """Outbound call: the other end rings."""


class CalleeAnswered(EventBase, frozen=True):
    """Outbound call: somebody, or something, has taken it."""


class AnswererDetected(EventBase, frozen=True):
    """Outbound call: the carrier has found out who took it."""

    who: str
    """`human`, `machine`, `fax` or `unknown`."""


class SidebandConnected(EventBase, frozen=True):
    """SIP: the call can be controlled."""

    seconds: float
    """Since the accept."""
    again: bool


class TransferAttempted(EventBase, frozen=True):
    """A transfer has worked, or has not."""

    outcome: str
    """`done`, or why not: `refused`, `no_outcome`, `caller_spoke`."""


class SecretInputStarted(EventBase, frozen=True):
    """The caller leaves the conversation to type a secret: nothing is recorded from here on."""

    kind: str
    """`digits` or `payment`."""
    name: str


class SecretInputEnded(EventBase, frozen=True):
    """The caller is back from typing, or could not leave."""

    kind: str
    name: str
    outcome: str
    """`done`, `refused`, `mistyped`, `timeout`, `cancelled`, `error`, or `failed`: the carrier did
    not take them. One who hung up does not come back."""


class HandOverAttempted(EventBase, frozen=True):
    """The model asked for another agent of the file; on `done` that one leads the call."""

    agent: str
    """Who asked."""
    to: str
    """`unknown` for a name that the model made up."""
    outcome: str
    """`done`, or why not: `unknown`, `under_way`, `too_many`, `too_soon`, `ending`, `failed`."""


class AgentChanged(EventBase, frozen=True):
    """Another agent leads the conversation from now on."""

    before: str
    agent: str
    model: str


class LanguageChanged(EventBase, frozen=True):
    """The caller's language is another one: what they hear or read beside the model follows."""

    language: str


class FirstAudioSent(EventBase, frozen=True):
    """The caller hears the agent for the first time."""

    seconds: float
    """From the webhook."""
    after_arrival_s: float


class TurnMeasured(EventBase, frozen=True):
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


class CallerSpeechStarted(EventBase, frozen=True):
    """The caller speaks."""

    ago_s: float
    """How long ago: the model reports it only after a moment."""


class CallerSpeechEnded(EventBase, frozen=True):
    """The caller has fallen silent."""

    ago_s: float


class ModelSpeechStarted(EventBase, frozen=True):
    """The caller hears the model, or is about to."""


class ModelSpeechEnded(EventBase, frozen=True):
    """All that was sent was heard, or cut."""


class BargedIn(EventBase, frozen=True):
    """The caller interrupted the model."""

    item_id: str | None
    heard_ms: int
    reaction_s: float
    """From the start of the caller's speech to our `clear`."""


class BargeInIgnored(EventBase, frozen=True):
    """The caller spoke into the model's sentence, and it went on."""

    reason: str
    """`greeting` or `short`."""


class PlaybackUnderRun(EventBase, frozen=True):
    """The caller's buffer ran dry in the middle of an answer."""

    cause: str
    """`model`: there was nothing to send; `gateway`: there was."""
    gap_s: float


class AudioDropped(EventBase, frozen=True):
    """Sound was dropped because too much of it waited."""

    reason: str
    """`buffer_full`: too much came before the model was ready; `unplayed`: too long an answer."""
    ms: int


class TranscriptLine(EventBase, frozen=True):
    """Words of the caller or of the model."""

    who: str
    """`caller` or `model`."""
    text: str
    item_id: str


class RecordingStarted(EventBase, frozen=True):
    """The caller was told that the call is recorded; sound is kept."""

    ago_s: float
    """Since then."""


class RecordingRefused(EventBase, frozen=True):
    """The call is not recorded, though its agent asks for it."""

    reason: str
    """`not_heard`: the caller never heard to its end that it would be; `trunk`: the sound passes
    neither through us nor through a `<Dial>`."""


class RecordingPaused(EventBase, frozen=True):
    """Nothing is recorded until further notice."""

    by: str
    """`tool`, `operator` or `secret`."""


class RecordingResumed(EventBase, frozen=True):
    """The call is recorded again."""

    by: str


class UsageCounted(EventBase, frozen=True):
    """Tokens of one response."""

    model: str
    usage: Usage


class TranscriptionCounted(EventBase, frozen=True):
    """Usage that the transcription of the caller's words is billed by."""

    model: str
    usage: TranscriptionUsage


class ToolCalled(EventBase, frozen=True):
    """The model called a function."""

    name: str


class ToolCompleted(EventBase, frozen=True):
    """A function has ended."""

    name: str
    outcome: str
    """`ok`, `error`, `timeout`, `invalid`, `unavailable`, `cancelled` or `denied`."""
    seconds: float
    """Without the wait for an approval."""


class HostedToolsListed(EventBase, frozen=True):
    """The tools of a hosted MCP server are known, or not to be had."""

    server: str
    """Its label in the agents file, here and below; `unknown` for none of them."""
    outcome: str
    """`ok`, `empty`, `failed`, or `late`: not yet."""
    tools: int = 0


class HostedToolCalled(EventBase, frozen=True):
    """The model's server began to use a tool of a hosted MCP server."""

    server: str
    tool: str
    """As the model wrote it: no label for a series."""


class HostedToolCompleted(EventBase, frozen=True):
    """The use of a hosted tool has ended."""

    server: str
    outcome: str
    """`ok`, `protocol_error`, `tool_execution_error`, `http_error`, `error`, `timeout`, `denied`,
    or `lost`: nobody will know."""
    seconds: float
    """Without the wait for an approval."""


class ApprovalRequested(EventBase, frozen=True):
    """A tool may not be used before an operator has approved it."""

    approval_id: str
    server: str
    tool: str
    arguments: str
    """JSON, people's words in it: for operators' eyes, not for logs."""
    wait_s: float
    """Then it is denied."""

    def __repr__(self) -> str:
        """Leave the arguments out."""
        shown = f"approval_id={self.approval_id!r}, server={self.server!r}, tool={self.tool!r}"
        return f"ApprovalRequested({shown}, wait_s={self.wait_s!r})"


class ApprovalResolved(EventBase, frozen=True):
    """A request for approval was decided, or needs no decision any more."""

    approval_id: str
    server: str
    outcome: str
    """`approved`, `denied`, `timeout`, `withdrawn`, `not_offered` or `too_many`."""


class ModelErrorReported(EventBase, frozen=True):
    """The model's server reported an error."""

    fault: str
    """`benign`, `recoverable`, `fatal` or `unknown`."""
    code: str
    words: str = ""
    """The vendor's own: its code, the parameter and the message, bounded."""
    refused: bool = False
    """Whether the session was refused, not one request in it."""


class RateLimitsSeen(EventBase, frozen=True):
    """The model's server told its rate limits."""

    limits: tuple[RateLimit, ...]


class PeerFaultCounted(EventBase, frozen=True):
    """The other end broke its protocol; the call went on."""

    peer: str
    """`caller` or `model`."""
    kind: str
    fields: tuple[str, ...] = ()
    """Names of the fields that were left out, while the rest was used."""


class KeysEntered(EventBase, frozen=True):
    """An entry that the caller typed went to the model."""

    why: str
    """Why it was complete: `end`, `pause` or `full`."""


class MessageTaken(EventBase, frozen=True):
    """The caller left a message; no log shows it."""

    text: str
    name: str
    callback: str


class KeyPressed(EventBase, frozen=True):
    """The caller pressed a key; which one is not published."""


class PictureSent(EventBase, frozen=True):
    """A picture of the caller's was shown to the model, or was not."""

    source: str
    """`message`, `page` or `camera`."""
    outcome: str
    """`shown`, `replaced` by a newer frame of the camera, or `too_late`."""


class ResultFiled(EventBase, frozen=True):
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


class CallEnded(EventBase, frozen=True):
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


CallEvent = (
    ModelReady
    | ModelDisconnected
    | ModelReconnected
    | CallerConnected
    | CalleeRinging
    | CalleeAnswered
    | AnswererDetected
    | SidebandConnected
    | TransferAttempted
    | SecretInputStarted
    | SecretInputEnded
    | HandOverAttempted
    | AgentChanged
    | LanguageChanged
    | FirstAudioSent
    | TurnMeasured
    | CallerSpeechStarted
    | CallerSpeechEnded
    | ModelSpeechStarted
    | ModelSpeechEnded
    | BargedIn
    | BargeInIgnored
    | PlaybackUnderRun
    | AudioDropped
    | TranscriptLine
    | RecordingStarted
    | RecordingRefused
    | RecordingPaused
    | RecordingResumed
    | UsageCounted
    | TranscriptionCounted
    | ToolCalled
    | ToolCompleted
    | HostedToolsListed
    | HostedToolCalled
    | HostedToolCompleted
    | ApprovalRequested
    | ApprovalResolved
    | ModelErrorReported
    | RateLimitsSeen
    | PeerFaultCounted
    | KeyPressed
    | KeysEntered
    | MessageTaken
    | PictureSent
    | CallEnded
    | ResultFiled
)
