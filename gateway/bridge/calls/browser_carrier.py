"""Calls from a browser: no carrier API behind them, so hang-up closes the socket.

The page is ours, so the close frame carries the reason of the ending.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.bridge.calls.running_call import RunningCall
from gateway.call import inputs
from gateway.call.commands import CollectSecret, TransferCaller
from gateway.call.endings import Ending


class BrowserCarrier:
    """Carrier of calls from the browser phone: transfers fail, and the page itself comes back.

    `save` writes a call's snapshot; `shared` says whether another process can read it.
    """

    def __init__(self, save: Callable[[RunningCall], Awaitable[None]], *, shared: bool) -> None:
        self._save, self._shared = save, shared

    async def hang_up(self, call: RunningCall) -> None:
        self.close(call)

    async def transfer(self, call: RunningCall, to: TransferCaller) -> None:  # noqa: ARG002 - the protocol's shape
        call.notify(inputs.TransferFailed("no_carrier"))

    async def collect(self, call: RunningCall, secret: CollectSecret) -> None:  # noqa: ARG002 - the protocol's shape
        call.notify(inputs.TransferFailed("no_carrier"))

    async def release(self, call: RunningCall) -> None:
        """Close the socket: the page then connects again, to another process."""
        if not self._shared:
            return call.notify(inputs.TransferFailed("no_carrier"))
        await self._save(call)
        return call.notify(inputs.HangUpRequested(Ending.DRAINED))

    def close(self, call: RunningCall) -> None:
        if call.media is not None:
            call.media.close(reason=call.machine.ending or "")
