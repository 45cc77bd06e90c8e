"""The end of a call at the carrier: nobody brings its caller back after that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from gateway import limits
from gateway.call.endings import Ending
from gateway.errors import StoreError


class CarrierEnd:
    """Has the end of a call delivered as soon as it is certain that the call is over.

    `ending_of` returns how the call's last leg ended, `over` gets the CallSid.
    """

    def __init__(
        self,
        ending_of: Callable[[str], Awaitable[Ending | None]],
        over: Callable[[str], None],
        start: Callable[[Coroutine[Any, Any, None], str], object],
        *,
        wait_s: float = limits.database.DELIVERY_OVER_AFTER_S,
    ) -> None:
        self._ending_of, self._over, self._start = ending_of, over, start
        self._wait_s = wait_s

    def reported(self, call_sid: str) -> None:
        """Take the carrier's report that a call is over; returns at once."""
        self._start(self._settle(call_sid), f"carrier end {call_sid}")

    async def _settle(self, call_sid: str) -> None:
        # The report may be faster than the end of the stream, or than what another process writes.
        await asyncio.sleep(self._wait_s)
        try:
            ending = await self._ending_of(call_sid)
        except StoreError:
            ending = Ending.MEDIA_BROKEN  # nobody knows: asked in vain, it does no harm
        if ending is not None and (not ending.well or ending is Ending.TRANSFERRED):
            self._over(call_sid)
