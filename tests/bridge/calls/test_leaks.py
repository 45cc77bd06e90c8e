"""What is left of calls that never were: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

from gateway_calls import Stream, new_sid
from running_gateway import ACCOUNT, GatewayRig, running_gateway
from vendor import SIP_SETTINGS, running_vendor

from gateway.bridge.calls.live_call import LiveCall
from gateway.call import events
from gateway.limits.patience import CallPatience
from gateway.simulator.openai.main import ModelServer
from gateway.tuning import Tuning

CALLS = 200
SLACK = 10
"""What one of them leaves in each call would be twenty times as many."""


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def timers() -> int:
    """Of the loop, those that would still do something."""
    loop = asyncio.get_running_loop()
    return sum(not handle.cancelled() for handle in loop._scheduled)  # type: ignore[attr-defined]


def held() -> tuple[int, int, int]:
    """Tasks, timers and descriptors of this process."""
    return len(asyncio.all_tasks()), timers(), open_files()


async def settled(rig: GatewayRig, model: ModelServer, connections: int, sessions: int) -> None:
    """Both ends have closed what they had open, and no task of a call is under way."""
    await quiet(rig, model, connections, sessions)
    gc.collect()


async def quiet(rig: GatewayRig, model: ModelServer, connections: int, sessions: int) -> None:
    state = rig.server.server_state
    async with asyncio.timeout(30):
        while (  # noqa: ASYNC110 - nobody tells
            len(state.connections) > connections
            or len(model.drivers) > sessions
            or any(" CA" in task.get_name() for task in asyncio.all_tasks())
        ):
            await asyncio.sleep(0.001)


@contextlib.contextmanager
def uncollected() -> Iterator[Callable[[], list[str]]]:
    """Nothing is collected meanwhile; yields what tells the product's objects that would be."""
    gc.collect()
    gc.disable()

    def found() -> list[str]:
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        gc.set_debug(0)
        kinds = [f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.garbage]
        gc.garbage.clear()
        return sorted({k for k in kinds if k.startswith("gateway.") and ".simulator." not in k})

    try:
        yield found
    finally:
        gc.enable()


async def test_a_call_that_is_over_is_freed_without_the_garbage_collector(
    rig: GatewayRig, model: ModelServer
) -> None:
    """What a hundred calls left in some minutes took the collector half a second at once."""

    async def one() -> None:
        async with rig.carrier.call() as stream:
            await rig.note(events.FirstAudioSent, of=stream.call_sid)
            await stream.stop()
            await rig.note(events.CallEnded, of=stream.call_sid)
            await stream.closed()
        await quiet(rig, model, 1, 0)
        rig.notes.clear()

    await one()  # whatever is made once is made now
    with uncollected() as found:
        await one()
        assert found() == []


async def test_nor_a_call_over_a_trunk(agents_file: Path) -> None:
    async with (
        running_vendor() as vendor,
        running_gateway(agents_file, vendor.base_url, **SIP_SETTINGS) as rig,
    ):

        async def one() -> None:
            line = await vendor.ring(rig.client)
            await rig.note(events.SidebandConnected, of=line.call_id)
            line.end()
            await rig.note(events.CallEnded, of=line.call_id)
            async with asyncio.timeout(30):
                while any(line.call_id in task.get_name() for task in asyncio.all_tasks()):  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
            rig.notes.clear()
            vendor.forget()

        await one()
        with uncollected() as found:
            await one()
            assert found() == []


async def test_webhooks_that_came_to_nothing_leave_nothing_behind(
    agents_file: Path, model: ModelServer
) -> None:
    """A third of the callers give up while it rings, a third never comes, a third is refused."""
    tuning = Tuning(patience=CallPatience(arrival_max_s=0.5))
    async with running_gateway(agents_file, model, tuning, GATEWAY_MAX_CALLS="1000") as rig:
        await abandon(rig, 6)  # whatever is made once is made now
        await settled(rig, model, 1, 0)
        # A task of the gateway that waits for something else now may have a timer later.
        before = tuple(count + SLACK for count in held())
        await abandon(rig, CALLS)
        await settled(rig, model, 1, 0)
        # Sockets are closed some turns of the loop after both ends have let go of them.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(30):
                while any(  # noqa: ASYNC110 - nobody tells
                    now > then for now, then in zip(held(), before, strict=True)
                ):
                    await asyncio.sleep(0.01)
        assert all(now <= then for now, then in zip(held(), before, strict=True)), (held(), before)
        assert not rig.gateway.registry.calls
        assert living() == 0


def living() -> int:
    # By type, and not by isinstance: that would wake up every lazy module there is.
    return sum(issubclass(type(found), LiveCall) for found in gc.get_objects())


async def abandon(rig: GatewayRig, calls: int) -> None:
    rig.notes.clear()
    expected = 0
    for n in range(calls):
        call_sid = new_sid("CA")
        if n % 3 == 0:
            async with rig.carrier.socket() as socket:
                stream = Stream(socket, ACCOUNT, call_sid)
                await stream.start("not a token")
                await stream.closed()
            continue
        expected += 1
        await rig.carrier.ring(call_sid)
        if n % 3 == 1:
            fields = rig.carrier.call_fields(call_sid, status="no-answer")
            await rig.carrier.post("/twilio/status", fields)
    await rig.note(events.CallEnded, expected)
    rig.notes.clear()


async def test_nothing_is_left_of_a_call_that_was(rig: GatewayRig, model: ModelServer) -> None:
    """Not even while the next one talks."""
    async with rig.carrier.call() as first, rig.carrier.call() as second:
        await rig.note(events.FirstAudioSent, of=first.call_sid)
        await rig.note(events.FirstAudioSent, of=second.call_sid)
        call = rig.gateway.registry.media_call(first.call_sid)
        assert call is not None
        machine = weakref.ref(call.machine)
        del call
        await first.stop()
        await rig.note(events.CallEnded, of=first.call_sid)
        await first.closed()
        rig.notes.clear()
        await settled(rig, model, 2, 1)
        assert machine() is None
        await second.stop()
        await rig.note(events.CallEnded, of=second.call_sid)
