"""A browser call has no carrier API: hang-up closes the socket, everything else fails."""

from __future__ import annotations

from call_doubles import CallDouble, SocketDouble

from gateway.bridge.calls.browser_carrier import BrowserCarrier
from gateway.call import inputs
from gateway.call.commands import TransferCaller
from gateway.call.endings import Ending


async def test_hang_up_closes_the_socket_and_says_why() -> None:
    call = CallDouble(ending=Ending.AGENT_HUNG_UP, media=SocketDouble())
    await BrowserCarrier().hang_up(call)
    assert call.media is not None
    assert call.media.closed == [Ending.AGENT_HUNG_UP]


async def test_transfer_and_release_fail() -> None:
    call = CallDouble()
    await BrowserCarrier().transfer(call, TransferCaller("+15550111"))
    await BrowserCarrier().release(call)
    assert call.notified == [inputs.TransferFailed("no_carrier")] * 2


def test_a_socket_that_is_gone_is_not_closed_again() -> None:
    BrowserCarrier().close(CallDouble(media=None))
