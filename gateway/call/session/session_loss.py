"""Helpers for the loss of a session, and for a call that is on its way out."""

from __future__ import annotations

from typing import Final

from gateway.call.context import CallContext
from gateway.call.line.media_line import MediaLine
from gateway.call.line.sip_line import SipLine
from gateway.call.state_machines import CallPhase
from gateway.call.timers import Timer

OF_A_SESSION: Final = (
    Timer.CONFIRM,
    Timer.SPEECH,
    Timer.RESPONSE,
    Timer.NUDGE,
    Timer.IDLE,
    Timer.SERVER,
    Timer.ROLL,
    Timer.ROLL_NOW,
)
"""Timers that mean nothing without the session."""


def needs_no_model(ctx: CallContext, line: MediaLine | SipLine) -> bool:
    """Return whether no model is needed any more: what is still to be heard is on its way."""
    return ctx.phase is CallPhase.TRANSFERRING or (
        ctx.phase is CallPhase.GOODBYE and not line.all_heard()
    )
