"""One running call with a browser: the same bridge, and no carrier behind it.

Nobody can hang up for us, or connect the caller elsewhere: closing the socket is all there is.
"""

from __future__ import annotations

from time import monotonic

from gateway.bridge.live_call import LiveCall
from gateway.call import commands as do
from gateway.call import inputs


class BrowserCall(LiveCall):
    async def _hang_up(self) -> None:
        self._close_media()

    async def _transfer(self, to: do.Transfer) -> None:  # noqa: ARG002 - the bridge's shape
        self._hear(inputs.TransferFailed("no_carrier"), monotonic())

    async def _hand_over(self) -> None:
        """Another process has nobody who would send this caller to it."""
        self._hear(inputs.TransferFailed("no_carrier"), monotonic())
