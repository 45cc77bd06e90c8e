"""Calls on a Twilio media stream: REST ends and moves them, closing the stream is the fallback.

After a stream has closed Twilio asks `/twilio/after` what is next.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from gateway import limits
from gateway.bridge.calls.running_call import RunningCall
from gateway.bridge.calls.secret_collection import SecretDocument, collect_over_rest
from gateway.call import inputs
from gateway.call.call_info import CallInfo
from gateway.call.commands import CollectSecret, TransferCaller
from gateway.errors import LinkError
from gateway.transports.twilio_rest import TwilioRest

log = structlog.get_logger()


class TwilioCarrier:
    """Carrier of media-stream calls.

    `transfer_document` makes the TwiML that transfers a call, in a language; `save` writes a
    call's snapshot before `release_url` is asked, by another process, what to do with it;
    `secret_document` makes the TwiML into which a caller types a secret.
    """

    def __init__(
        self,
        rest: TwilioRest,
        transfer_document: Callable[[CallInfo, TransferCaller, str], Awaitable[str]],
        save: Callable[[RunningCall], Awaitable[None]],
        release_url: str,
        secret_document: SecretDocument,
        *,
        hangup_confirm_max_s: float = limits.call.HANGUP_CONFIRM_MAX_S,
    ) -> None:
        self._rest, self._transfer_document = rest, transfer_document
        self._save, self._release_url = save, release_url
        self._secret_document = secret_document
        self._hangup_confirm_max_s = hangup_confirm_max_s

    async def hang_up(self, call: RunningCall) -> None:
        """End the telephone call; its stream then ends by itself, or is closed."""
        try:
            await self._rest.hang_up(call.facts.call_sid)
        except LinkError as error:
            log.warning(
                "hangup_failed_closing_stream", call_sid=call.facts.call_sid, reason=error.reason
            )
        else:
            if call.media is not None:
                await call.media.gone_within(self._hangup_confirm_max_s)
        self.close(call)

    async def transfer(self, call: RunningCall, to: TransferCaller) -> None:
        """Take the call out of its stream; the stream's `stop` is the confirmation."""
        document = self._transfer_document(call.facts, to, call.machine.language)
        try:
            await self._rest.redirect(call.facts.call_sid, await document)
        except LinkError as error:
            call.notify(inputs.TransferFailed(error.reason))

    async def collect(self, call: RunningCall, secret: CollectSecret) -> None:
        """Take the call out of its stream; the stream's `stop` is the confirmation."""
        await collect_over_rest(self._rest, self._secret_document, call, secret)

    async def release(self, call: RunningCall) -> None:
        """Redirect the call; the stream's `stop` is the confirmation."""
        try:
            await self._save(call)
            await self._rest.redirect_to(call.facts.call_sid, self._release_url)
        except LinkError as error:
            log.warning(
                "release_failed_closing_stream", call_sid=call.facts.call_sid, reason=error.reason
            )
            call.notify(inputs.TransferFailed(error.reason))

    def close(self, call: RunningCall) -> None:
        if call.media is not None:
            call.media.close()
