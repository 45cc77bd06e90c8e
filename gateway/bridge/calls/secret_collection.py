"""Redirection of a call to the document into which its caller types a secret."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from gateway.bridge.calls.running_call import RunningCall
from gateway.call import inputs
from gateway.call.commands import CollectSecret
from gateway.errors import LinkError
from gateway.transports.twilio_rest import TwilioRest

log = structlog.get_logger()
SecretDocument = Callable[[RunningCall, CollectSecret], Awaitable[str]]


async def collect_over_rest(
    rest: TwilioRest, document: SecretDocument, call: RunningCall, secret: CollectSecret
) -> None:
    """Have Twilio run the document in place of the call's stream or leg, which ends by that.

    A failure comes back to the call as `TransferFailed`.
    """
    try:
        await rest.redirect(call.facts.call_sid, await document(call, secret))
    except LinkError as error:
        log.warning("secret_input_failed", call_sid=call.facts.call_sid, reason=error.reason)
        call.notify(inputs.TransferFailed(error.reason))
