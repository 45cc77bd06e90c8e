"""Hanging up a SIP leg that nobody steers: until it ends the model talks on, at our cost."""

from __future__ import annotations

import asyncio
from time import monotonic

import structlog

from gateway import limits
from gateway.errors import LinkError
from gateway.transports.openai_calls import OpenAICalls
from gateway.transports.retry import doubling

log = structlog.get_logger()


async def hang_up_with_retries(
    calls: OpenAICalls,
    call_id: str,
    *,
    first_pause_s: float = limits.sip.HANG_UP_FIRST_PAUSE_S,
) -> None:
    """Hang up, with growing pauses between the tries, for as long as a session can last."""
    until = monotonic() + limits.agents.SESSION_MAX_S
    for pause_s in doubling(first_pause_s, limits.sip.HANG_UP_PAUSE_MAX_S):
        try:
            return await calls.hang_up(call_id)
        except LinkError as error:
            log.error("sip_hangup_retrying", call_id=call_id, reason=error.reason, again_s=pause_s)
        await asyncio.sleep(pause_s)
        if monotonic() >= until:
            break
    return None
