"""A caller whose stream has ended comes back: to another process, or to one that stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from itertools import count, cycle, repeat
from pathlib import Path

import pytest
from gateway_calls import CALLER, QUIET, RECEPTION, new_sid, token_in
from redis_end import running_redis
from running_gateway import GatewayRig, running_gateway

from gateway import limits
from gateway.call import events
from gateway.call.endings import Ending
from gateway.simulator.openai.main import ModelServer

POLICY_VIOLATION = 1008

pytestmark = pytest.mark.needs("redis-server")


@pytest.fixture
async def rigs(
    agents_file: Path, model: ModelServer
) -> AsyncIterator[tuple[GatewayRig, GatewayRig]]:
    """Two processes that share a store."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(running_redis())
        first, second = [
            await stack.enter_async_context(
                running_gateway(agents_file, model, GATEWAY_STORE=redis.url)
            )
            for _ in range(2)
        ]
        yield first, second


async def broken(rig: GatewayRig, words: str = "My word is heron.") -> str:
    """A call in which this was said, and whose stream breaks."""
    async with rig.carrier.call(QUIET) as stream:
        call = rig.gateway.registry.media_call(stream.call_sid)
        assert call is not None
        await rig.note(events.ModelReady, of=stream.call_sid)
        call.machine.history.caller_said("turn_1", words)
        stream.socket.transport.abort()
        ended = await rig.note(events.CallEnded, of=stream.call_sid)
    assert ended.ending is Ending.MEDIA_BROKEN
    return stream.call_sid


async def after(rig: GatewayRig, call_sid: str, leg: str = "stream") -> str:
    fields = rig.carrier.call_fields(call_sid, QUIET, "in-progress")
    return (await rig.carrier.post(f"/twilio/after?leg={leg}", fields)).text


async def goes_on(rig: GatewayRig, call_sid: str, twiml: str) -> str:
    """The stream of that document comes to this process; what its model is told."""
    before = len(rig.said(events.CallerConnected, call_sid))
    async with rig.carrier.stream(call_sid, token_in(twiml)) as stream:
        await stream.speak()
        await rig.note(events.CallerConnected, before + 1, of=call_sid)
        call = rig.gateway.registry.media_call(call_sid)
        assert call is not None
        return " ".join(item.text for item in call.machine.history.items)


async def test_a_stream_may_come_where_the_call_was_not_announced(
    rigs: tuple[GatewayRig, GatewayRig],
) -> None:
    """It is a new call there, and one knows who calls whom."""
    first, second = rigs
    call_sid = new_sid("CA")
    await goes_on(second, call_sid, (await first.carrier.ring(call_sid)).text)
    (call,) = {call for call, _ in second.notes}
    assert (call.facts.caller, call.facts.dialled) == (CALLER, RECEPTION)
    assert not call.machine.resumed


async def test_another_process_goes_on(rigs: tuple[GatewayRig, GatewayRig]) -> None:
    first, second = rigs
    call_sid = await broken(first)
    assert "heron" in await goes_on(second, call_sid, await after(second, call_sid))


async def test_the_stream_may_come_to_a_third(rigs: tuple[GatewayRig, GatewayRig]) -> None:
    first, second = rigs
    call_sid = await broken(first)
    assert "heron" in await goes_on(first, call_sid, await after(second, call_sid))


async def test_one_that_has_waited_for_it_since_long_before_knows_what_came_since(
    rigs: tuple[GatewayRig, GatewayRig],
) -> None:
    """Announced here, begun there, broken there, and back here."""
    first, second = rigs
    call_sid = await broken(first)
    early = await after(second, call_sid)
    expected = second.gateway.registry.expected(call_sid)
    await goes_on(first, call_sid, early)
    await first.note(events.CallEnded, 2, of=call_sid)
    twiml = await after(first, call_sid)
    await goes_on(second, call_sid, twiml)
    taken = second.gateway.registry.media_call(call_sid)
    assert expected is not None
    assert expected.machine.ending is Ending.NEVER_ARRIVED
    assert taken is None or taken.machine.streams == 3


async def test_a_process_that_stops_sends_the_caller_on(
    rigs: tuple[GatewayRig, GatewayRig],
) -> None:
    """It answers, since it was asked; the stream comes to whichever process takes calls."""
    first, second = rigs
    call_sid = await broken(first)
    first.gateway.registry.draining = True
    for leg in ("stream", "drain"):
        twiml = await after(first, call_sid, leg)
        assert token_in(twiml)
        assert first.gateway.registry.expected(call_sid) is None
    assert "heron" in await goes_on(second, call_sid, twiml)


async def asked_again(rigs: Iterator[GatewayRig], call_sid: str, leg: str) -> tuple[str, int]:
    """What Twilio gets from backends that take turns, once it is no redirect; and how often."""
    for passes in count():
        twiml = await after(next(rigs), call_sid, leg)
        if "<Redirect" not in twiml:
            return twiml, passes
        assert '<Pause length="1"' in twiml
        assert f"/twilio/after?leg={leg}#rc=2&amp;rp=all<" in twiml
    raise AssertionError


@pytest.mark.parametrize("asked_first", [0, 1])
@pytest.mark.parametrize("led_first", [0, 1])
async def test_the_last_moments_of_a_process_behind_a_balancer_that_does_not_know(
    rigs: tuple[GatewayRig, GatewayRig], asked_first: int, led_first: int
) -> None:
    """Question and stream may lead to the process that stops; the caller comes to the other."""
    stopping, other = rigs
    call_sid = await broken(stopping)
    stopping.gateway.registry.draining = True
    stopping.gateway.registry.hand_over_all(now=False)
    questions = cycle(rigs[asked_first:] + rigs[:asked_first])
    streams = cycle(rigs[led_first:] + rigs[:led_first])
    leg = "drain"
    while True:
        twiml, _ = await asked_again(questions, call_sid, leg)
        led_to = next(streams)
        if led_to is other:
            break
        async with led_to.carrier.stream(call_sid, token_in(twiml)) as stream:
            assert await stream.closed() == POLICY_VIOLATION
        leg = "stream"
    assert "heron" in await goes_on(other, call_sid, twiml)
    (call,) = {call for call, _ in other.notes}
    assert call.machine.snapshot().resumes == 0


async def test_passes_are_bounded(rigs: tuple[GatewayRig, GatewayRig]) -> None:
    """Where nobody else is, the caller gets the next step of the failover chain at last."""
    stopping, _ = rigs
    call_sid = await broken(stopping)
    stopping.gateway.registry.draining = True
    stopping.gateway.registry.hand_over_all(now=False)
    twiml, passes = await asked_again(repeat(stopping), call_sid, "drain")
    assert passes == limits.call.PASSES_MAX
    assert "<Redirect" not in twiml


async def test_a_single_process_keeps_the_caller_while_it_drains(rig: GatewayRig) -> None:
    call_sid = await broken(rig)
    rig.gateway.registry.draining = True
    assert "heron" in await goes_on(rig, call_sid, await after(rig, call_sid))


async def test_and_in_its_last_moments_it_does_not(rig: GatewayRig) -> None:
    call_sid = await broken(rig)
    rig.gateway.registry.draining = True
    rig.gateway.registry.hand_over_all(now=False)
    assert "<Stream" not in await after(rig, call_sid)
    assert "<Stream" not in (await rig.carrier.ring(new_sid("CA"), QUIET)).text


async def test_what_it_has_cost_goes_along(rigs: tuple[GatewayRig, GatewayRig]) -> None:
    first, second = rigs
    call_sid = await broken(first)
    await goes_on(second, call_sid, await after(second, call_sid))
    await second.note(events.CallEnded, of=call_sid)
    (spent,) = [call.bill for call, note in first.notes if isinstance(note, events.CallEnded)]
    (carried,) = [call.bill for call, note in second.notes if isinstance(note, events.CallEnded)]
    assert spent.minutes == carried.minutes == 1, "begun once"
    assert spent.usd > 0
    assert all(carried.by_kind[kind] >= usd for kind, usd in spent.by_kind.items())
    assert carried.by_kind["carrier"] == spent.by_kind["carrier"]


async def transferred(rig: GatewayRig) -> str:
    """A call whose caller is being handed over to somebody."""
    async with rig.carrier.call(QUIET) as stream:
        call = rig.gateway.registry.media_call(stream.call_sid)
        assert call is not None
        await rig.note(events.ModelReady, of=stream.call_sid)
        await rig.note(events.CallerConnected, of=stream.call_sid)
        call.machine.history.caller_said("turn_1", "My word is heron.")
        call.hang_up(Ending.TRANSFERRED)
        await rig.note(events.CallEnded, of=stream.call_sid)
    return stream.call_sid


async def test_back_from_a_transfer_a_caller_is_admitted_where_they_were(
    rigs: tuple[GatewayRig, GatewayRig],
) -> None:
    """That nobody took the call was told to another process."""
    first, second = rigs
    call_sid = await transferred(first)
    async with asyncio.timeout(20):
        while await second.gateway.registry.ending_of(call_sid) is None:  # noqa: ASYNC110 - in Redis
            await asyncio.sleep(0.01)
    twiml = await after(second, call_sid, "transfer")
    assert "heron" in await goes_on(first, call_sid, twiml)
    (told,) = {call.machine.opening for call, _ in first.notes if call.machine.resumed}
    assert "nobody took the call" in (told or "")
