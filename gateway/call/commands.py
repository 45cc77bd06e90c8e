"""What the mind asks of the hands. Carried out in order, in one synchronous step."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct


# One for each frame: a struct is made in a sixth of the time of a frozen dataclass.
class SendToModel(Struct, frozen=True, gc=False):
    """One text message for the model's socket."""

    data: bytes


class SendToCaller(Struct, frozen=True, gc=False):
    """One text message for the caller's socket."""

    data: bytes


@dataclass(frozen=True, slots=True)
class CloseModel:
    pass


@dataclass(frozen=True, slots=True)
class CloseCaller:
    """Close the stream: the carrier goes on with what `/twilio/after` answers."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """End the telephone call itself; where that fails, close the stream."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Hand the caller over to a number or SIP address. A failure comes back as an input."""

    to: str


@dataclass(frozen=True, slots=True)
class Reattach:
    """SIP: the connection to the model is lost, the call is not. Open it again."""


Command = SendToModel | SendToCaller | CloseModel | CloseCaller | HangUp | Transfer | Reattach
