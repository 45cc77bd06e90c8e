"""A SIP leg that nobody steers: the model talks on at our cost, without a limit, until it ends."""

from __future__ import annotations

import asyncio
from time import monotonic

import structlog

from gateway import limits
from gateway.errors import LinkError
from gateway.transports.openai_calls import OpenAICalls

log = structlog.get_logger()


async def hang_up_with_retries(calls: OpenAICalls, call_id: str) -> None:
    """Tries again, less and less often, for as long as a session can last."""
    until, pause_s = monotonic() + limits.agents.SESSION_MAX_S, limits.sip.HANG_UP_FIRST_PAUSE_S
    while monotonic() < until:
        try:
            return await calls.hang_up(call_id)
        except LinkError as error:
            log.error("a SIP leg runs on", call_id=call_id, reason=error.reason, again_s=pause_s)
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, limits.sip.HANG_UP_PAUSE_MAX_S)
    return None
