"""What every running call of this process shares, handed in by `app`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.agents.config import Agent
from gateway.bridge.tasks import Tasks
from gateway.bridge.turnstile import Turnstile
from gateway.call import commands as do
from gateway.call import notes
from gateway.call.facts import CallFacts
from gateway.ops.latency import AddedLatency
from gateway.ops.spending import Bill
from gateway.tools.toolbox import Toolbox
from gateway.transports.twilio_rest import TwilioRest

if TYPE_CHECKING:
    from gateway.bridge.live_call import LiveCall


@dataclass(frozen=True, slots=True)
class Hands:
    realtime_url: str
    model_headers: Callable[[CallFacts], dict[str, str]]
    rest: TwilioRest
    transfer_document: Callable[[CallFacts, do.Transfer, str], Awaitable[str]]
    """TwiML that hands a call over, by its CallSid, with words in a language."""
    toolbox: Toolbox
    referred: Callable[[str, do.Transfer], None]
    """Told, before it happens, that the call of a CallSid is being referred, and to whom."""
    tasks: Tasks
    turnstile: Turnstile
    hand_over: Callable[[LiveCall], Awaitable[None]]
    """Has the carrier ask another process what to do with the call. Raises LinkError."""
    after_sip_url: str  # where the carrier asks what comes after a SIP leg
    publish: Callable[[LiveCall, notes.Note], None]
    added: AddedLatency
    open_bill: Callable[[CallFacts, Agent], Bill]
