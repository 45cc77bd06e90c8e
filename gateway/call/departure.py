"""On the way out: why the call ends or where the caller goes, and what is said at the door."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from gateway.call import wording
from gateway.call.endings import Ending


@dataclass(frozen=True, slots=True)
class Departure:
    ending: Ending
    call_id: str | None = None
    """Of the tool call that asked for it; None when the call's own rules did."""
    to: str | None = None
    """Whom the caller is handed over to; None hangs up."""
    firm: bool = False
    """An operator decided it: what the caller says now does not revoke it."""

    @property
    def words(self) -> str:
        """What the model is asked to say if it has not said anything yet."""
        return wording.FAREWELL if self.to is None else wording.CONNECTING

    @property
    def revoked(self) -> str:
        """What the tool answers when he did."""
        return wording.NOT_ENDED if self.to is None else wording.NOT_TRANSFERRED


class _Target(msgspec.Struct):
    target: str = ""


def target_of(arguments: str | None) -> str:
    """The target in a call of `transfer`; "" for arguments that are none. Models invent them."""
    try:
        return msgspec.json.decode(arguments or "", type=_Target).target
    except (msgspec.DecodeError, UnicodeEncodeError):
        return ""
