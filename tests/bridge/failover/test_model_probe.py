"""While calls are kept from the model: whether a probe can have it, and why not."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any, cast

import pytest
from far_end import FarEnd, close_of, far_end, text_of
from running_gateway import API_KEY
from structlog.testing import capture_logs
from websockets.frames import Opcode

from gateway import limits
from gateway.bridge.failover.model_probe import ModelProbe, watch_model
from gateway.ops.limits import circuit_breaker
from gateway.simulator.openai.main import ModelServer, running_model
from gateway.simulator.openai.realtime.script import ErrorSpec, OnConnect, Script

HEADERS = {"Authorization": f"Bearer {API_KEY}"}


def address(model: ModelServer) -> str:
    return f"ws{model.base_url.removeprefix('http')}/realtime?model=gpt-realtime-2.1"


async def test_a_model_that_is_there_has_no_fault() -> None:
    async with running_model(Script()) as model:
        assert await ModelProbe().fault(address(model), HEADERS) == ""


@pytest.mark.parametrize("status", [401, 503])
async def test_a_model_that_refuses_says_why(status: int) -> None:
    script = Script(on_connect=OnConnect(refuse=status))
    async with running_model(script) as model:
        assert await ModelProbe().fault(address(model), HEADERS) == f"http_{status}"


async def test_a_model_that_reports_an_error_says_which() -> None:
    script = Script(on_connect=OnConnect(error=ErrorSpec(code="insufficient_quota")))
    async with running_model(script) as model:
        assert await ModelProbe().fault(address(model), HEADERS) == "insufficient_quota"


async def test_a_model_that_closes_without_a_word_is_not_waited_for() -> None:
    async def behave(end: FarEnd) -> None:
        await end.accept()
        end.send(close_of(1011))
        await end.drain()

    async with far_end(behave) as url:
        assert await ModelProbe().fault(url, HEADERS) == "closed_1011"


async def test_a_probe_leaves_no_session_behind() -> None:
    closed = asyncio.get_running_loop().create_future()

    async def behave(end: FarEnd) -> None:
        await end.accept(text_of('{"type":"session.created","session":{"id":"sess_1"}}'))
        closed.set_result((await end.frame()).opcode)

    async with far_end(behave) as url:
        assert await ModelProbe().fault(url, HEADERS) == ""
        assert await asyncio.wait_for(closed, 10) is Opcode.CLOSE


class Guard:
    """A circuit breaker that wants a probe each time, and writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.closed = asyncio.Event()
        self.probe_due = True

    def failed(self, reason: str) -> None:
        self.told.append(reason)

    def worked(self) -> None:
        self.probe_due = False
        self.closed.set()


async def test_what_became_of_each_probe_decides_when_the_next_is_due() -> None:
    guard = Guard()
    script = Script(on_connect=OnConnect(refuse=503, times=2))
    async with running_model(script) as model:
        watching = asyncio.create_task(
            watch_model(cast("Any", guard), lambda: address(model), HEADERS, look_every_s=0.0)
        )
        await asyncio.wait_for(guard.closed.wait(), 10)
        watching.cancel()
    assert guard.told == ["http_503", "http_503"]


async def test_each_probe_that_fails_is_a_line_with_its_reason() -> None:
    back = asyncio.Event()
    a_minute_later = itertools.count(step=60).__next__
    guard = circuit_breaker.CircuitBreaker(
        a_minute_later, lambda is_open, _: None if is_open else back.set()
    )
    for _ in range(limits.model.BREAKER_FAILURES):
        guard.failed("http_401")
    script = Script(on_connect=OnConnect(refuse=401, times=1))
    async with running_model(script) as model:
        with capture_logs() as lines:
            watching = asyncio.create_task(
                watch_model(guard, lambda: address(model), HEADERS, look_every_s=0.0)
            )
            async with asyncio.timeout(5):
                await back.wait()
            watching.cancel()
    assert [(line["event"], line["reason"]) for line in lines if "reason" in line] == [
        ("model_probe_failed", "http_401")
    ]
