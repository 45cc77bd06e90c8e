"""Inputs of a call that did not come as a message of either protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from gateway.agents.config.agent import Agent
from gateway.call.briefing import Briefing
from gateway.call.commands import TransferCaller
from gateway.call.endings import Ending
from gateway.call.history import HistoryItem
from gateway.protocols.realtime_server import ErrorBody


class InputBase(Struct, frozen=True, gc=False):
    """Base of every input."""


class ModelLost(InputBase, frozen=True):
    """The connection to the model could not be had, or ended without our asking."""

    reason: str
    """From a closed set of the transport's: `refused`, `unreachable`, `closed_1006`, ..."""
    refused: bool = False
    """Whether the server turned us away for a reason that a second try would not change."""


class NextSessionEvent(InputBase, frozen=True):
    """An event of the session that was opened beside the one in use."""

    event: object


class NextSessionLost(InputBase, frozen=True):
    """The second connection could not be had, or ended."""

    reason: str


class LanguageChosen(InputBase, frozen=True):
    """The caller's language is known from elsewhere than the conversation."""

    language: str
    """A tag of BCP 47."""


class HandOverRequested(InputBase, frozen=True):
    """The process stops: the call is to go on in another one."""

    now: bool = False
    """At once, whoever speaks; otherwise in a quiet moment."""


class ModelOpened(InputBase, frozen=True):
    """The connection to the model stands."""


class CallAccepted(InputBase, frozen=True):
    """SIP: the server took our answer to the call; its leg rings."""


class AcceptRefused(InputBase, frozen=True):
    """SIP: the server refused the session with which the call was to be accepted."""

    error: ErrorBody


class SipCallEnded(InputBase, frozen=True):
    """SIP: the server knows no such call any more. A normal end looks like this."""


class TransferFailed(InputBase, frozen=True):
    """The transfer did not work, and the caller is still here."""

    reason: str


class EarlierTranscriptFound(InputBase, frozen=True):
    """Sound that the caller's last stream still carried, and nobody understood."""

    mulaw: bytes


class HistoryRestored(InputBase, frozen=True):
    """The history up to the break, when more of it is known than at the announcement."""

    items: list[HistoryItem]


class ToolFinished(InputBase, frozen=True):
    """A function has come to its end, one way or the other."""

    call_id: str
    output: str
    """For the model, in words it can use when it went wrong."""
    outcome: str
    """`ok`, `error`, `timeout`, `invalid` or `unavailable`."""


class ApprovalAnswered(InputBase, frozen=True):
    """An operator's decision on a request for approval that waits."""

    approval_id: str
    approve: bool


class CallerLost(InputBase, frozen=True):
    """The caller's socket ended without `stop`."""


class HangUpRequested(InputBase, frozen=True):
    """The call is to end now; a decision from outside the conversation."""

    ending: Ending = Ending.OPERATOR_HUNG_UP


class MachineDetectionFinished(InputBase, frozen=True):
    """Outbound call: the carrier found out who took it; a machine has finished speaking."""

    who: str
    """`human`, `machine`, `fax` or `unknown`."""


class CallDecided(InputBase, frozen=True):
    """Decision about the call, from while its session was opened: its caller is not there yet."""

    agent: Agent
    """With the call's facts in its texts."""
    session: Mapping[str, Any]
    briefing: Briefing


class RecordingPauseRequested(InputBase, frozen=True):
    """Nothing is to be recorded for a while, or again."""

    paused: bool
    by: str
    """`operator`, `secret`: each has a pause of its own."""


class SpendLimitReached(InputBase, frozen=True):
    """The call has used up this share of what it may cost."""

    share: float
    """1 and more: all of it."""


class SayRequested(InputBase, frozen=True):
    """The agent is to say this, word for word."""

    text: str


class ShowImageRequested(InputBase, frozen=True):
    """The model is to look at a picture and say something about it."""

    image_url: str
    """A data URI with a PNG or JPEG image."""
    about: str = ""
    """A description in words for the model."""


class CallerMessageReceived(InputBase, frozen=True):
    """Pictures and text that the caller sent beside speaking."""

    source: str
    """`message` or `page`."""
    images: tuple[str, ...] = ()
    """Data URIs of JPEG images."""
    text: str = ""
    """The caller's own words."""
    unusable: tuple[str, ...] = ()
    """Why a picture could not be used, one after the other."""


class CameraFrameReceived(InputBase, frozen=True):
    """The newest frame of the caller's camera; it takes the place of the one before."""

    image_url: str


class TransferRequested(InputBase, frozen=True):
    """The caller is to be transferred; a decision from outside the conversation."""

    to: TransferCaller


OperatorRequest = SayRequested | ShowImageRequested | TransferRequested
"""Requests of an operator to a call in which people talk."""


class PeerFaultSeen(InputBase, frozen=True):
    """A message that could not be read; the call goes on."""

    peer: str
    """`caller` or `model`."""
    kind: str
    fields: tuple[str, ...] = ()
    """Names of the fields that were left out, while the rest was used."""
