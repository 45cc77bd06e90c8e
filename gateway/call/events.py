"""What one would tell a colleague about a call. Metrics, logs and records subscribe to these."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.call.endings import Ending
from gateway.protocols.realtime_server import RateLimit, TranscriptionUsage, Usage


@dataclass(frozen=True, slots=True)
class ModelReady:
    """The session is confirmed; sound may go up."""

    seconds: float
    """Since the call was announced."""
    expires_at: int | None


@dataclass(frozen=True, slots=True)
class ModelDisconnected:
    """The connection to the model was lost in mid-call, and another one is opened."""

    reason: str


@dataclass(frozen=True, slots=True)
class ModelReconnected:
    """The model is back, and knows what was said."""

    seconds: float
    """Since it was lost; 0 for a change that nobody could hear."""
    cause: str
    """`lost`, or `hour`: the session was about to end by itself."""


@dataclass(frozen=True, slots=True)
class CallerConnected:
    seconds: float
    """From the webhook to the stream's `start`, or on the SIP path to our accept."""


@dataclass(frozen=True, slots=True)
class CalleeRinging:
    """A call of ours: it rings at the other end."""


@dataclass(frozen=True, slots=True)
class CalleeAnswered:
    """The same: somebody, or something, has taken it."""


@dataclass(frozen=True, slots=True)
class AnswererDetected:
    """The same: who that was."""

    who: str
    """`human`, `machine`, `fax` or `unknown`."""


@dataclass(frozen=True, slots=True)
class SidebandConnected:
    """SIP: the call can be steered."""

    seconds: float
    """Since the accept."""
    again: bool


@dataclass(frozen=True, slots=True)
class TransferAttempted:
    outcome: str
    """`done`, or why not: `refused`, `no_outcome`, `caller_spoke`."""


@dataclass(frozen=True, slots=True)
class FirstAudioSent:
    """The caller hears the agent for the first time."""

    seconds: float
    """From the webhook."""
    after_arrival_s: float


@dataclass(frozen=True, slots=True)
class TurnMeasured:
    """The caller's wait in one turn, from his last speech to the first sound, and its stages."""

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


@dataclass(frozen=True, slots=True)
class CallerSpeechStarted:
    """The caller speaks."""

    ago_s: float
    """The model tells of it only after a moment."""


@dataclass(frozen=True, slots=True)
class CallerSpeechEnded:
    ago_s: float


@dataclass(frozen=True, slots=True)
class ModelSpeechStarted:
    """The caller hears the model, or is about to."""


@dataclass(frozen=True, slots=True)
class ModelSpeechEnded:
    """All that was sent was heard, or cut."""


@dataclass(frozen=True, slots=True)
class BargedIn:
    item_id: str | None
    heard_ms: int
    reaction_s: float
    """From the start of the caller's speech to our `clear`."""


@dataclass(frozen=True, slots=True)
class BargeInIgnored:
    reason: str
    """`greeting` or `short`."""


@dataclass(frozen=True, slots=True)
class PlaybackUnderRun:
    """The caller's buffer ran dry in mid-answer."""

    cause: str
    """`model`: there was nothing to send; `gateway`: there was."""
    gap_s: float


@dataclass(frozen=True, slots=True)
class AudioDropped:
    reason: str
    """`held`: too much came before the model was ready; `unplayed`: too long an answer."""
    ms: int


@dataclass(frozen=True, slots=True)
class TranscriptLine:
    who: str
    """`caller` or `model`."""
    text: str
    item_id: str


@dataclass(frozen=True, slots=True)
class UsageCounted:
    model: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class TranscriptionCounted:
    """What writing down the caller's words is billed by."""

    model: str
    usage: TranscriptionUsage


@dataclass(frozen=True, slots=True)
class ToolCalled:
    name: str


@dataclass(frozen=True, slots=True)
class ToolCompleted:
    name: str
    outcome: str
    """`ok`, `error`, `timeout`, `invalid`, `unavailable`, `cancelled` or `denied`."""
    seconds: float
    """Without the wait for an approval."""


@dataclass(frozen=True, slots=True)
class HostedToolsListed:
    """The tools of a hosted MCP server are known, or not to be had."""

    server: str
    """Its label in the agents file, here and below; `unknown` for none of them."""
    outcome: str
    """`ok`, `empty`, `failed`, or `late`: not yet."""
    tools: int = 0


@dataclass(frozen=True, slots=True)
class HostedToolCalled:
    server: str
    tool: str
    """As the model wrote it: no label for a series."""


@dataclass(frozen=True, slots=True)
class HostedToolCompleted:
    server: str
    outcome: str
    """`ok`, `protocol_error`, `tool_execution_error`, `http_error`, `error`, `timeout`, `denied`,
    or `lost`: nobody will know."""
    seconds: float
    """Without the wait for an approval."""


@dataclass(frozen=True, slots=True)
class ApprovalRequested:
    """A tool may not be used before an operator has said yes."""

    approval_id: str
    server: str
    tool: str
    arguments: str = field(repr=False)
    """JSON, people's words in it: for operators' eyes, not for logs."""
    wait_s: float
    """Then it is denied."""


@dataclass(frozen=True, slots=True)
class ApprovalResolved:
    approval_id: str
    server: str
    outcome: str
    """`approved`, `denied`, `timeout`, `withdrawn`, `policy` (the gateway's own yes),
    `not_offered` or `too_many`."""


@dataclass(frozen=True, slots=True)
class ModelErrorReported:
    fault: str
    """`benign`, `recoverable`, `fatal` or `unknown`."""
    code: str


@dataclass(frozen=True, slots=True)
class RateLimitsSeen:
    limits: tuple[RateLimit, ...]


@dataclass(frozen=True, slots=True)
class PeerFaultCounted:
    """The other end broke its protocol; the call went on."""

    peer: str
    """`caller` or `model`."""
    kind: str


@dataclass(frozen=True, slots=True)
class KeysEntered:
    """What the caller typed went to the model."""

    why: str
    """It was complete: `end`, `pause` or `full`."""


@dataclass(frozen=True, slots=True)
class MessageTaken:
    """The caller left a message; no log shows it."""

    text: str
    name: str
    callback: str


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """A keypad tone of the caller's; which one is nobody's business here."""


@dataclass(frozen=True, slots=True)
class PictureSent:
    """What became of a picture of the caller's."""

    source: str
    """`message`, `page` or `camera`."""
    outcome: str
    """`shown`, `replaced` by a newer frame of the camera, or `too_late`."""


@dataclass(frozen=True, slots=True)
class CallEnded:
    ending: Ending
    reason: str
    arrived: bool
    """Whether the caller ever came; without him it was no call."""
    seconds: float
    """Since he arrived."""
    waits_s: tuple[float, ...]
    """His wait in each turn."""
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
)
