"""A browser call has no carrier API: hang-up closes the socket, transfers fail."""

from __future__ import annotations

from call_doubles import CallDouble, SocketDouble

from gateway.bridge.calls.browser_carrier import BrowserCarrier
from gateway.bridge.calls.running_call import RunningCall
from gateway.call import inputs
from gateway.call.commands import CollectSecret, TransferCaller
from gateway.call.endings import Ending


def carrier(*, shared: bool = False) -> tuple[BrowserCarrier, list[RunningCall]]:
    saved: list[RunningCall] = []

    async def save(call: RunningCall) -> None:
        saved.append(call)

    return BrowserCarrier(save, shared=shared), saved


async def test_hang_up_closes_the_socket_and_says_why() -> None:
    call = CallDouble(ending=Ending.AGENT_HUNG_UP, media=SocketDouble())
    await carrier()[0].hang_up(call)
    assert call.media is not None
    assert call.media.closed == [Ending.AGENT_HUNG_UP]


async def test_transfer_release_and_secret_input_fail() -> None:
    call = CallDouble()
    alone, saved = carrier()
    await alone.transfer(call, TransferCaller("+15550111"))
    await alone.release(call)
    await alone.collect(call, CollectSecret("digits", "pin"))
    assert call.notified == [inputs.TransferFailed("no_carrier")] * 3
    assert saved == []


async def test_with_a_shared_store_the_page_comes_back_to_another_process() -> None:
    call = CallDouble()
    shared, saved = carrier(shared=True)
    await shared.release(call)
    assert saved == [call]
    assert call.notified == [inputs.HangUpRequested(Ending.DRAINED)]


def test_a_socket_that_is_gone_is_not_closed_again() -> None:
    carrier()[0].close(CallDouble(media=None))
