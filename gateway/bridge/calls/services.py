"""What every running call of this process shares, handed in by `app`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.agents.config.agent import Agent
from gateway.bridge.calls.start_pacer import StartPacer
from gateway.bridge.calls.tasks import Tasks
from gateway.call import commands as do
from gateway.call import events
from gateway.call.call_info import CallInfo
from gateway.ops.billing.bills import Bill
from gateway.ops.telemetry.fast_histogram import AddedLatency
from gateway.tools.toolbox import Toolbox
from gateway.transports.twilio_rest import TwilioRest

if TYPE_CHECKING:
    from gateway.bridge.calls.live_call import LiveCall


@dataclass(frozen=True, slots=True)
class CallServices:
    realtime_url: str
    model_headers: Callable[[CallInfo], dict[str, str]]
    rest: TwilioRest
    transfer_document: Callable[[CallInfo, do.TransferCaller, str], Awaitable[str]]
    """TwiML that hands a call over, by its CallSid, with words in a language."""
    toolbox: Toolbox
    referred: Callable[[str, do.TransferCaller], None]
    """Told, before it happens, that the call of a CallSid is being referred, and to whom."""
    tasks: Tasks
    start_pacer: StartPacer
    hand_over: Callable[[LiveCall], Awaitable[None]]
    """Has the carrier ask another process what to do with the call. Raises LinkError."""
    after_sip_url: str  # where the carrier asks what comes after a SIP leg
    publish: Callable[[LiveCall, events.CallEvent], None]
    added: AddedLatency
    open_bill: Callable[[CallInfo, Agent], Bill]
