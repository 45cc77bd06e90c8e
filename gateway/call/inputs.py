"""What a call is told that did not come as a message of either protocol."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.call.endings import Ending


@dataclass(frozen=True, slots=True)
class ModelLost:
    """The connection to the model could not be had, or ended without our asking."""

    reason: str
    """From a closed set of the transport's: `refused`, `unreachable`, `closed_1006`, ..."""
    refused: bool = False
    """The server turned us away for a reason that a second try would not change."""


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
class ToolFinished:
    """A function has come to its end, one way or the other."""

    call_id: str
    output: str
    """For the model, in words it can use when it went wrong."""
    outcome: str
    """`ok`, `error`, `timeout` or `invalid`."""


@dataclass(frozen=True, slots=True)
class CallerLost:
    """The caller's socket ended without `stop`."""


@dataclass(frozen=True, slots=True)
class HangUpAsked:
    """Somebody outside the conversation wants it ended now."""

    ending: Ending = Ending.OPERATOR_HUNG_UP


@dataclass(frozen=True, slots=True)
class PeerFault:
    """A message that could not be read; the call goes on."""

    peer: str
    """`caller` or `model`."""
    kind: str


CallInput = (
    ModelLost
    | ModelOpened
    | CallAccepted
    | CallGone
    | TransferFailed
    | ToolFinished
    | CallerLost
    | HangUpAsked
    | PeerFault
)
