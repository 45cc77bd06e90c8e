"""One running call on the SIP path: the same bridge over the sideband alone."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Final
from urllib.parse import quote

import structlog

from gateway import limits
from gateway.bridge.calls.hangup_retry import hang_up_with_retries
from gateway.bridge.calls.live_call import LiveCall
from gateway.bridge.calls.model_connection import ModelConnection
from gateway.bridge.calls.services import CallServices
from gateway.call import commands as do
from gateway.call import inputs
from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.call.machine import CallMachine
from gateway.errors import LinkError
from gateway.transports.openai_calls import OpenAICalls, refer_target

log = structlog.get_logger()
_NO_SUCH_CALL: Final = "http_404"
_QUEUE: Final = "sip:queue@gateway.invalid"
_BY_TRUNK: Final = {
    "warm": "a call over a trunk can only be transferred cold: nobody is whispered to; dial it by "
    "the number's voice URL for that",
    "queue": "a call over a trunk cannot be put into a queue: dial it by the number's voice URL "
    "for that",
}
_LEG_IS_GONE: Final = frozenset({Ending.CALLER_HUNG_UP, Ending.TRANSFERRED, Ending.NEVER_ARRIVED})


class SipLiveCall(LiveCall):
    def __init__(
        self, facts: CallInfo, machine: CallMachine, services: CallServices, calls: OpenAICalls
    ) -> None:
        super().__init__(facts, machine, services)
        self._calls = calls
        self._attached = False

    def begin(self) -> None:
        self._reschedule()

    def accepted(self) -> None:
        """The leg rings: its sideband is opened at once."""
        if self.over:  # it ended while it was being accepted, and its leg could not
            return self._start_hang_up()
        self._hear(inputs.CallAccepted(), monotonic())
        return self._reattach()

    def adopted(self) -> None:
        """Another process had it: the leg is there, and its session has gone on meanwhile."""
        self._attached = True
        self._hear(inputs.CallAccepted(), monotonic())
        self._reattach()

    def let_go(self) -> None:
        """Another process has it: nothing is heard of it here any more."""
        self.left = True
        self._hear(inputs.HangUpRequested(Ending.DRAINED), monotonic())

    def refused(self) -> None:
        """It could not be accepted: there is no leg to end."""
        self._act(self.machine.give_up(monotonic()))
        self._reschedule()

    def given_up(self) -> None:
        """Nor had it to be: the caller is gone, or somebody else has decided on him."""
        self.hang_up(Ending.NEVER_ARRIVED)

    def gone(self) -> None:
        """The carrier says that the call has ended."""
        self._hear(inputs.CallGone(), monotonic())

    def on_line_open(self, line: ModelConnection) -> None:  # noqa: ARG002 - the holder's shape
        self._attached = True
        self._hear(inputs.ModelOpened(), monotonic())

    def _reattach(self) -> None:
        self._hands.tasks.start(self._open_sideband(), f"sideband {self.facts.key}")

    async def _open_sideband(self) -> None:
        """A 404 before the first time is a session in the making; after it, a call that is over."""
        url = f"{self._hands.realtime_url}?call_id={quote(self.facts.call_id, safe='')}"
        headers = self._hands.model_headers(self.facts)
        pause_s = limits.sip.SIDEBAND_FIRST_PAUSE_S
        for left in reversed(range(limits.sip.SIDEBAND_TRIES)):
            await self._hands.start_pacer.enter()
            if self.over:
                return None
            self._model = ModelConnection(self)
            try:
                return await self._model.open(url, headers, limits.sockets.CONNECT_MAX_S)
            except LinkError as error:
                if error.reason == _NO_SUCH_CALL and self._attached:
                    return self.gone()
                if self.over:
                    return None
                if not error.retryable or not left:
                    lost = inputs.ModelLost(error.reason, not error.retryable)
                    self._model = None
                    return self._hear(lost, monotonic())
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, limits.sip.SIDEBAND_PAUSE_MAX_S)
        return None

    async def _hang_up(self) -> None:
        try:
            await self._calls.hang_up(self.facts.call_id)
        except LinkError as error:
            log.error("could not end the call", call_id=self.facts.call_id, reason=error.reason)
            if not self.facts.call_sid or not await self._end_at_the_carriers():
                await hang_up_with_retries(self._calls, self.facts.call_id)

    async def _end_at_the_carriers(self) -> bool:
        """After a conversation that is over; from any other end the caller is still to be helped:
        taken out of the dial, he gets the next rung.
        """
        rest, call_sid = self._hands.rest, self.facts.call_sid
        try:
            if self.machine.ending is not None and self.machine.ending.well:
                await rest.hang_up(call_sid)
            else:
                await rest.redirect_to(call_sid, self._hands.after_sip_url)
        except LinkError as error:
            log.error("nor at the carrier's", call_sid=call_sid, reason=error.reason)
            return False
        return True

    async def _hand_over(self) -> None:
        try:
            await self._hands.hand_over(self)
        except LinkError as error:
            log.warning("nobody takes over", call_id=self.facts.call_id, reason=error.reason)
            return self._hear(inputs.TransferFailed(error.reason), monotonic())
        self.left = True
        return self.gone()

    async def _transfer(self, to: do.TransferCaller) -> None:
        if not self.facts.call_sid and to.way != "dial":
            log.warning(_BY_TRUNK[to.way], call_id=self.facts.call_id)
            if to.way == "queue":
                return self._hear(inputs.TransferFailed("trunk"), monotonic())
        self._hands.referred(self.facts.call_sid, to)
        # Of a leg that we dialled, to whom it goes is ours to say when Twilio asks.
        target = _QUEUE if to.way == "queue" else refer_target(to.to)
        try:
            await self._calls.refer(self.facts.call_id, target)
        except LinkError as error:
            self._hear(inputs.TransferFailed(error.reason), monotonic())
        return None

    def _close_media(self) -> None:
        """There is no stream to close, and nobody else who would end the leg."""
        if self.machine.ending not in _LEG_IS_GONE and not self.left:
            self._start_hang_up()
