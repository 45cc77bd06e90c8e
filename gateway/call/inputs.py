"""What a call is told that did not come as a message of either protocol."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.call.commands import TransferCaller
from gateway.call.endings import Ending
from gateway.call.history import HistoryItem


@dataclass(frozen=True, slots=True)
class ModelLost:
    """The connection to the model could not be had, or ended without our asking."""

    reason: str
    """From a closed set of the transport's: `refused`, `unreachable`, `closed_1006`, ..."""
    refused: bool = False
    """The server turned us away for a reason that a second try would not change."""


@dataclass(frozen=True, slots=True)
class NextSessionEvent:
    """An event of the session that was opened beside the one in use."""

    event: object


@dataclass(frozen=True, slots=True)
class NextSessionLost:
    """The second connection could not be had, or ended."""

    reason: str


@dataclass(frozen=True, slots=True)
class HandOverRequested:
    """This process stops: the call is to go on in another one."""

    now: bool = False
    """At once, whoever speaks; otherwise in a quiet moment."""


@dataclass(frozen=True, slots=True)
class ModelOpened:
    """The connection to the model stands."""


@dataclass(frozen=True, slots=True)
class CallAccepted:
    """SIP: the server took our answer to the call; its leg rings."""


@dataclass(frozen=True, slots=True)
class CallGone:
    """SIP: the server knows no such call any more. A normal end looks like this."""


@dataclass(frozen=True, slots=True)
class TransferFailed:
    reason: str


@dataclass(frozen=True, slots=True)
class EarlierTranscriptFound:
    """Sound that the caller's last stream still carried, and nobody understood."""

    mulaw: bytes


@dataclass(frozen=True, slots=True)
class HistoryRestored:
    """What was said up to the break, when more of it is known than at the announcement."""

    memos: list[HistoryItem]


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A function has come to its end, one way or the other."""

    call_id: str
    output: str
    """For the model, in words it can use when it went wrong."""
    outcome: str
    """`ok`, `error`, `timeout`, `invalid` or `unavailable`."""


@dataclass(frozen=True, slots=True)
class ApprovalAnswered:
    """An operator's word on a request for approval that waits."""

    approval_id: str
    approve: bool


@dataclass(frozen=True, slots=True)
class CallerLost:
    """The caller's socket ended without `stop`."""


@dataclass(frozen=True, slots=True)
class HangUpRequested:
    """Somebody outside the conversation wants it ended now."""

    ending: Ending = Ending.OPERATOR_HUNG_UP


@dataclass(frozen=True, slots=True)
class MachineDetectionFinished:
    """A call of ours: the carrier has found out who took it; a machine has finished speaking."""

    who: str
    """`human`, `machine`, `fax` or `unknown`."""


@dataclass(frozen=True, slots=True)
class SpendLimitReached:
    """The call has used up this share of what it may cost."""

    share: float
    """1 and more: all of it."""


@dataclass(frozen=True, slots=True)
class SayRequested:
    """The agent is to say this, word for word."""

    text: str


@dataclass(frozen=True, slots=True)
class ShowImageRequested:
    """The model is to look at a picture and say something about it."""

    image_url: str
    """A data URI with a PNG or JPEG image."""
    about: str = ""
    """What it is, in words for the model."""


@dataclass(frozen=True, slots=True)
class CallerMessageReceived:
    """What the caller sent beside speaking."""

    source: str
    """`message` or `page`."""
    images: tuple[str, ...] = ()
    """Data URIs of JPEG images."""
    text: str = ""
    """His own words."""
    unusable: tuple[str, ...] = ()
    """Why a picture of his could not be used, one after the other."""


@dataclass(frozen=True, slots=True)
class CameraFrameReceived:
    """The newest that the caller's camera sees; it takes the place of the one before."""

    image_url: str


@dataclass(frozen=True, slots=True)
class TransferRequested:
    """Somebody outside the conversation wants the caller handed over."""

    to: TransferCaller


OperatorRequest = SayRequested | ShowImageRequested | TransferRequested
"""What an operator may ask of a call in which people talk."""


@dataclass(frozen=True, slots=True)
class PeerFaultSeen:
    """A message that could not be read; the call goes on."""

    peer: str
    """`caller` or `model`."""
    kind: str
