"""Opening sessions and sidebands: what is waited for, and when it is given up."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from call_doubles import MEDIA_CALL, SIP_CALL, CallDouble
from far_end import FarEnd, far_end

from gateway import limits
from gateway.bridge.calls.model_connection import ModelConnection
from gateway.bridge.calls.model_connector import ModelConnector
from gateway.bridge.calls.start_pacer import StartPacer
from gateway.call import inputs
from gateway.errors import LinkError


def connector(url: str) -> ModelConnector:
    return ModelConnector(url, lambda _: {}, StartPacer(), try_max_s=0.05, sideband_pause_max_s=0.0)


def answering(*statuses: int) -> tuple[list[str], object]:
    """A server that refuses with these statuses, the last one from then on."""
    asked: list[str] = []

    async def behave(end: FarEnd) -> None:
        await end.request()
        asked.append(end.request_line)
        status = statuses[min(len(asked), len(statuses)) - 1]
        if status == 101:
            end.send(end.acceptance())
        else:
            end.respond(status, b"")
        await end.gone()

    return asked, behave


async def test_a_handshake_that_hangs_is_given_up() -> None:
    async def behave(end: FarEnd) -> None:
        await end.gone()

    async with far_end(behave) as url:
        with pytest.raises(LinkError, match="timeout") as raised:
            await connector(url).open_session(ModelConnection(CallDouble()), MEDIA_CALL, "m", 0.0)
        assert raised.value.retryable


async def test_a_connection_that_was_closed_while_it_waited_is_not_opened() -> None:
    asked, behave = answering(101)
    async with far_end(behave) as url:  # type: ignore[arg-type]
        connection = ModelConnection(CallDouble())
        connection.close()
        await connector(url).open_session(connection, MEDIA_CALL, "m", 0.0)
    assert asked == []


async def test_a_session_that_is_still_being_made_is_waited_for() -> None:
    asked, behave = answering(404, 404, 101)
    async with far_end(behave) as url:  # type: ignore[arg-type]
        call = CallDouble(SIP_CALL)
        await connector(url).open_sideband(call)
        assert (call.opened, call.lost) == (1, [])
    assert asked == ["GET /?call_id=rtc_1 HTTP/1.1"] * 3


async def test_a_session_that_was_there_and_is_not_any_more_is_over() -> None:
    _, behave = answering(404)
    async with far_end(behave) as url:  # type: ignore[arg-type]
        call = CallDouble(SIP_CALL, attached=True)
        await connector(url).open_sideband(call)
    assert call.notified == [inputs.SipCallEnded()]


async def test_a_sideband_is_tried_so_often_and_no_more() -> None:
    asked, behave = answering(503)
    async with far_end(behave) as url:  # type: ignore[arg-type]
        call = CallDouble(SIP_CALL)
        await connector(url).open_sideband(call)
    assert (call.lost, len(asked)) == ([("http_503", False)], limits.sip.SIDEBAND_TRIES)


async def test_a_refusal_is_not_tried_again() -> None:
    asked, behave = answering(401)
    async with far_end(behave) as url:  # type: ignore[arg-type]
        call = CallDouble(SIP_CALL)
        await connector(url).open_sideband(call)
    assert (call.lost, len(asked)) == ([("http_401", True)], 1)


async def test_a_call_that_is_over_gets_no_sideband() -> None:
    asked, behave = answering(101)
    async with far_end(behave) as url:  # type: ignore[arg-type]
        await asyncio.wait_for(connector(url).open_sideband(CallDouble(SIP_CALL, over=True)), 5)
    assert asked == []


class Pacer:
    """Lets everybody through, and counts them."""

    def __init__(self) -> None:
        self.entered = 0

    async def enter(self) -> None:
        self.entered += 1


async def test_every_connection_takes_its_turn_among_those_of_all_calls() -> None:
    asked, behave = answering(404, 404, 101)
    async with far_end(behave) as url:  # type: ignore[arg-type]
        pacer = Pacer()
        paced = ModelConnector(url, lambda _: {}, cast("Any", pacer), sideband_pause_max_s=0.0)
        await paced.open_sideband(CallDouble(SIP_CALL))
        assert (len(asked), pacer.entered) == (3, 3)
        connection = ModelConnection(CallDouble())
        await paced.open_session(connection, MEDIA_CALL, "m", 0.0)
        connection.close()
        assert (len(asked), pacer.entered) == (4, 4)


async def test_a_session_that_is_to_be_opened_later_is_not_opened_now() -> None:
    pacer = Pacer()
    paced = ModelConnector("ws://127.0.0.1:9", lambda _: {}, cast("Any", pacer))
    opening = asyncio.create_task(
        paced.open_session(ModelConnection(CallDouble()), MEDIA_CALL, "m", 3600.0)
    )
    for _ in range(3):
        await asyncio.sleep(0)
    assert (pacer.entered, opening.done()) == (0, False)
    opening.cancel()
