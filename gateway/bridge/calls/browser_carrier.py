"""Calls from a browser: no carrier API behind them, so hang-up closes the socket.

The page is ours, so the close frame carries the reason of the ending.
"""

from __future__ import annotations

from gateway.bridge.calls.running_call import RunningCall
from gateway.call import inputs
from gateway.call.commands import CollectSecret, TransferCaller


class BrowserCarrier:
    """Carrier of calls from the browser phone: transfers fail, nobody else can take a call over."""

    async def hang_up(self, call: RunningCall) -> None:
        self.close(call)

    async def transfer(self, call: RunningCall, to: TransferCaller) -> None:  # noqa: ARG002 - the protocol's shape
        call.notify(inputs.TransferFailed("no_carrier"))

    async def collect(self, call: RunningCall, secret: CollectSecret) -> None:  # noqa: ARG002 - the protocol's shape
        call.notify(inputs.TransferFailed("no_carrier"))

    async def release(self, call: RunningCall) -> None:
        call.notify(inputs.TransferFailed("no_carrier"))

    def close(self, call: RunningCall) -> None:
        if call.media is not None:
            call.media.close(reason=call.machine.ending or "")
