"""Calls on the SIP path: the vendor ends and transfers the leg, Twilio's REST is the fallback."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from gateway import limits
from gateway.bridge.calls.hangup_retry import hang_up_with_retries
from gateway.bridge.calls.running_call import RunningCall
from gateway.bridge.calls.secret_collection import SecretDocument, collect_over_rest
from gateway.call import inputs
from gateway.call.commands import CollectSecret, TransferCaller
from gateway.call.endings import Ending
from gateway.errors import LinkError
from gateway.transports.openai_calls import OpenAICalls, refer_target
from gateway.transports.twilio_rest import TwilioRest

log = structlog.get_logger()
_QUEUE: Final = "sip:queue@gateway.invalid"
_NOT_BY_TRUNK: Final = (
    "on a call over a trunk nothing can be typed in secret: route it through the number's voice URL"
)
_BY_TRUNK: Final = {
    "warm": "a call over a trunk can only be transferred cold: nobody hears the summary; route it "
    "through the number's voice URL for that",
    "queue": "a call over a trunk cannot be put into a queue: route it through the number's voice "
    "URL for that",
}
_LEG_HAS_ENDED: Final = frozenset(
    {Ending.CALLER_HUNG_UP, Ending.TRANSFERRED, Ending.SECRET_INPUT, Ending.NEVER_ARRIVED}
)


class SipCarrier:
    """Carrier of SIP calls.

    `refer_started` gets the CallSid and the target before a REFER, since Twilio may ask for it at
    once; `release_lease` leaves a call to other processes, or raises LinkError; `after_url` is
    where Twilio asks what comes after the model's leg; `secret_document` makes the TwiML into which
    a caller types a secret.
    """

    def __init__(
        self,
        calls: OpenAICalls,
        rest: TwilioRest,
        refer_started: Callable[[str, TransferCaller], None],
        release_lease: Callable[[RunningCall], Awaitable[None]],
        after_url: str,
        secret_document: SecretDocument,
        *,
        hangup_first_pause_s: float = limits.sip.HANG_UP_FIRST_PAUSE_S,
    ) -> None:
        self._calls, self._rest = calls, rest
        self._refer_started, self._release_lease = refer_started, release_lease
        self._secret_document = secret_document
        self._after_url, self._hangup_first_pause_s = after_url, hangup_first_pause_s

    async def hang_up(self, call: RunningCall) -> None:
        facts = call.facts
        try:
            await self._calls.hang_up(facts.call_id)
        except LinkError as error:
            log.error("sip_hangup_failed", call_id=facts.call_id, via="openai", reason=error.reason)
            if not facts.call_sid or not await self._end_over_rest(call):
                await hang_up_with_retries(
                    self._calls, facts.call_id, first_pause_s=self._hangup_first_pause_s
                )

    async def _end_over_rest(self, call: RunningCall) -> bool:
        """End the carrier's call after a conversation that is over.

        After any other ending the caller is still to be helped: taken out of the dial, they get
        the next failover step.
        """
        call_sid, ending = call.facts.call_sid, call.machine.ending
        try:
            if ending is not None and ending.well:
                await self._rest.hang_up(call_sid)
            else:
                await self._rest.redirect_to(call_sid, self._after_url)
        except LinkError as error:
            log.error("sip_hangup_failed", call_sid=call_sid, via="twilio", reason=error.reason)
            return False
        return True

    async def transfer(self, call: RunningCall, to: TransferCaller) -> None:
        facts = call.facts
        if not facts.call_sid and to.way != "dial":
            log.warning("sip_transfer_limited", call_id=facts.call_id, why=_BY_TRUNK[to.way])
            if to.way == "queue":
                return call.notify(inputs.TransferFailed("trunk"))
        self._refer_started(facts.call_sid, to)
        # On a leg that we dialled, Twilio asks us for the target when the REFER arrives.
        target = _QUEUE if to.way == "queue" else refer_target(to.to)
        try:
            await self._calls.refer(facts.call_id, target)
        except LinkError as error:
            call.notify(inputs.TransferFailed(error.reason))
        return None

    async def collect(self, call: RunningCall, secret: CollectSecret) -> None:
        """Take the caller off the model's leg of a dial; a trunk's call nobody else can update."""
        if not call.facts.call_sid:
            log.warning("sip_secret_input_limited", call_id=call.facts.call_id, why=_NOT_BY_TRUNK)
            return call.notify(inputs.TransferFailed("trunk"))
        return await collect_over_rest(self._rest, self._secret_document, call, secret)

    async def release(self, call: RunningCall) -> None:
        try:
            await self._release_lease(call)
        except LinkError as error:
            log.warning("sip_takeover_unavailable", call_id=call.facts.call_id, reason=error.reason)
            return call.notify(inputs.TransferFailed(error.reason))
        call.mark_released()
        return call.notify(inputs.SipCallEnded())

    def close(self, call: RunningCall) -> None:
        """Hang up the leg: there is no stream to close, and nobody else would end it."""
        if call.machine.ending not in _LEG_HAS_ENDED and not call.released:
            call.start_hang_up()
