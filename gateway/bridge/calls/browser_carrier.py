"""One running call with a browser: the same bridge, and no carrier behind it.

Nobody can hang up for us, or connect the caller elsewhere: closing the socket is all there is. The
page, which is ours, is told two things more than a carrier: that it was let in, and at the end why.
"""

from __future__ import annotations

from time import monotonic
from typing import Final

from gateway.bridge.calls.live_call import LiveCall
from gateway.call import commands as do
from gateway.call import inputs
from gateway.protocols import media_stream
from gateway.transports.media_socket import MediaSocket

_ANSWERED: Final = b'{"event":"answered"}'


class BrowserCall(LiveCall):
    def arrive(self, start: media_stream.Start, media: MediaSocket, now: float) -> None:
        media.post(_ANSWERED)
        media.flush()
        super().arrive(start, media, now)

    async def _hang_up(self) -> None:
        self._close_media()

    async def _transfer(self, to: do.TransferCaller) -> None:  # noqa: ARG002 - the bridge's shape
        self._hear(inputs.TransferFailed("no_carrier"), monotonic())

    async def _hand_over(self) -> None:
        """Another process has nobody who would send this caller to it."""
        self._hear(inputs.TransferFailed("no_carrier"), monotonic())

    def _close_media(self) -> None:
        if self._media is not None:
            self._media.close(reason=self.machine.ending or "")
