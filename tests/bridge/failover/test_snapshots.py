"""What is kept of a call's state, when it ends while that is being written."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from time import monotonic

import pytest
from gateway_calls import QUIET, new_sid
from running_gateway import GatewayRig

from gateway import limits
from gateway.bridge.calls.live_call import LiveCall
from gateway.bridge.failover.snapshots import SnapshotStore, first_state, state_of
from gateway.bridge.privacy_filter import PrivacyFilter
from gateway.call import events
from gateway.call.briefing import NO_BRIEFING
from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store


@pytest.fixture
def store() -> Store:
    return Store(MemoryStore(monotonic))


async def running(rig: GatewayRig) -> LiveCall:
    await rig.note(events.CallerConnected)
    await rig.note(events.ModelReady)
    (call,) = rig.gateway.registry.calls
    return call


async def test_a_call_that_ends_while_others_are_gathered_is_not_written(
    rig: GatewayRig, store: Store
) -> None:
    async with rig.carrier.call(QUIET):
        call = await running(rig)
        snapshots = SnapshotStore(store, lambda: [call], PrivacyFilter())
        writing = asyncio.ensure_future(snapshots.write_changed())
        await asyncio.sleep(0)
        assert await snapshots.known(call.facts.call_sid) is None, "others get their turn first"
        call.hang_up(Ending.OPERATOR_HUNG_UP)
        await snapshots.ended(call, Ending.OPERATOR_HUNG_UP)
        await writing
    assert await snapshots.load(call.facts.call_sid) is None


async def test_the_state_of_another_call_is_not_taken_from_its_key(store: Store) -> None:
    """Copied there by somebody who can write to Redis: a caller would hear another's words."""
    snapshots = SnapshotStore(store, list, PrivacyFilter())
    facts = CallInfo("CA1", "+15550123", "+15550100", "reception", "media-streams")
    await snapshots.expect("CA1", first_state(facts, NO_BRIEFING), None)
    assert await snapshots.known("CA1") is not None
    await store.put("call:CA2", await store.get("call:CA1") or "", 60)
    assert await snapshots.known("CA2") is None


@pytest.mark.parametrize("poison", ["", "!", "e30=", "//8="])
async def test_a_poisoned_state_is_none(store: Store, poison: str) -> None:
    await store.put("call:CA1", poison, 60)
    await store.put("sound:CA1", poison, 60)
    snapshots = SnapshotStore(store, list, PrivacyFilter())
    assert await snapshots.known("CA1") is None
    assert isinstance(await snapshots.sound("CA1"), bytes)


class SlowStore(Store):
    """Takes what is written only when it is let."""

    def __init__(self) -> None:
        super().__init__(MemoryStore(monotonic))
        self.asked, self.may = asyncio.Event(), asyncio.Event()

    async def put_all(self, entries: object) -> bool:
        self.asked.set()
        await self.may.wait()
        return await super().put_all(entries)  # type: ignore[arg-type]


async def test_nor_one_whose_state_is_just_on_its_way(rig: GatewayRig) -> None:
    store = SlowStore()
    async with rig.carrier.call(QUIET):
        call = await running(rig)
        snapshots = SnapshotStore(store, lambda: [call], PrivacyFilter())
        writing = asyncio.ensure_future(snapshots.write_changed())
        await store.asked.wait()
        call.hang_up(Ending.OPERATOR_HUNG_UP)
        ending = asyncio.ensure_future(snapshots.ended(call, Ending.OPERATOR_HUNG_UP))
        await asyncio.sleep(0)
        store.may.set()
        await asyncio.gather(writing, ending)
    assert await snapshots.load(call.facts.call_sid) is None


async def test_what_was_decided_before_the_end_was_noticed_holds(
    rig: GatewayRig, store: Store
) -> None:
    """The carrier asked what comes next, and then the stream's end was seen."""
    async with rig.carrier.call(QUIET):
        call = await running(rig)
        snapshots = SnapshotStore(store, lambda: [call], PrivacyFilter())
        decided = state_of(call)
        decided.silently, decided.opening = True, "Say that you are back."
        await snapshots.write(call.facts.call_sid, decided)
        call.machine.history.caller_said("turn_1", "My word is heron.")
        await snapshots.ended(call, Ending.DRAINED)
    state = await snapshots.load(call.facts.call_sid)
    assert state is not None
    assert (state.silently, state.opening) == (True, "Say that you are back.")
    assert state.history[-1].text == "My word is heron."


async def test_a_newer_stream_s_state_outlasts_the_end_of_an_older_one(
    rig: GatewayRig, store: Store
) -> None:
    """The caller is with another process already when this one sees that its stream ended."""
    async with rig.carrier.call(QUIET):
        call = await running(rig)
        snapshots = SnapshotStore(store, lambda: [call], PrivacyFilter())
        newer = state_of(call)
        newer.streams += 1
        await snapshots.write(call.facts.call_sid, newer)
        call.machine.history.caller_said("turn_1", "My word is heron.")
        await snapshots.ended(call, Ending.DRAINED)
    state = await snapshots.load(call.facts.call_sid)
    assert state is not None
    assert state.streams == newer.streams
    assert "heron" not in str(state.history)


async def test_what_was_decided_for_an_older_stream_does_not_hold(
    rig: GatewayRig, store: Store
) -> None:
    async with rig.carrier.call(QUIET):
        call = await running(rig)
        snapshots = SnapshotStore(store, lambda: [call], PrivacyFilter())
        older = state_of(call)
        older.streams -= 1
        older.silently, older.opening = True, "Say that you are back."
        await snapshots.write(call.facts.call_sid, older)
        await snapshots.ended(call, Ending.DRAINED)
    state = await snapshots.load(call.facts.call_sid)
    assert state is not None
    assert state.streams == older.streams + 1
    assert (state.silently, state.opening) != (True, "Say that you are back.")


@pytest.mark.parametrize(
    ("ending", "kept"),
    [
        (Ending.MEDIA_BROKEN, True),
        (Ending.TRANSFERRED, True),
        (Ending.CALLER_HUNG_UP, False),
        (Ending.OPERATOR_HUNG_UP, False),
    ],
)
async def test_a_state_is_kept_where_the_caller_may_come_back(
    rig: GatewayRig, store: Store, ending: Ending, kept: bool
) -> None:
    async with rig.carrier.call(QUIET):
        call = await running(rig)
        snapshots = SnapshotStore(store, lambda: [call], PrivacyFilter())
        snapshots.remember(call, ending)
        at_once = await snapshots.load(call.facts.call_sid)
        assert (at_once is not None) == kept, "the carrier may ask in the next moment"
        await snapshots.save(call)
        await snapshots.ended(call, ending)
    assert (await snapshots.known(call.facts.call_sid) is not None) == kept


async def test_a_call_that_never_arrived_leaves_no_state_but_is_expected(store: Store) -> None:
    snapshots = SnapshotStore(store, list, PrivacyFilter())
    facts = CallInfo("CA1", "+15550123", "+15550100", "reception", "media-streams")
    await snapshots.expect("CA1", first_state(facts, NO_BRIEFING), "Say hello.")
    assert await snapshots.load("CA1") is None
    expected = await snapshots.known("CA1")
    assert expected is not None
    assert expected.opening == "Say hello."


async def test_a_call_whose_caller_has_not_come_yet_leaves_nothing(
    rig: GatewayRig, store: Store
) -> None:
    call_sid = new_sid("CA")
    await rig.carrier.ring(call_sid)
    (call,) = rig.gateway.registry.calls
    snapshots = SnapshotStore(store, lambda: [call], PrivacyFilter())
    await snapshots.write_changed()
    snapshots.remember(call, Ending.MEDIA_BROKEN)
    await snapshots.ended(call, Ending.MEDIA_BROKEN)
    assert await snapshots.known(call_sid) is None


async def test_the_last_sound_is_given_out_once(store: Store) -> None:
    """Or a second connection would say again what the first has answered."""
    snapshots = SnapshotStore(store, list, PrivacyFilter())
    await store.put("sound:CA1", b64encode(b"hello").decode(), 60)
    assert await snapshots.sound("CA1") == b"hello"
    assert await snapshots.sound("CA1") == b""


async def test_a_call_that_ends_before_it_was_written_is_kept_too(
    rig: GatewayRig, store: Store
) -> None:
    async with rig.carrier.call(QUIET):
        call = await running(rig)
        snapshots = SnapshotStore(store, lambda: [call], PrivacyFilter())
        await snapshots.ended(call, Ending.MEDIA_BROKEN)
    assert await snapshots.load(call.facts.call_sid) is not None


async def test_without_a_shared_store_nothing_is_written_while_calls_run(store: Store) -> None:
    snapshots = SnapshotStore(store, list, PrivacyFilter())
    assert not snapshots.shared
    await snapshots.run()


class CountingStore(Store):
    def __init__(self) -> None:
        super().__init__(MemoryStore(monotonic))
        self.written = 0

    async def put_all(self, entries: Sequence[tuple[str, str, float]]) -> bool:
        self.written += len(entries)
        return await super().put_all(entries)


async def test_a_sentence_that_grows_is_written_now_and_then_and_at_its_end(
    rig: GatewayRig,
) -> None:
    """All that was said before would be written again with each of its words."""
    store, now = CountingStore(), 100.0
    async with rig.carrier.call(QUIET):
        call = await running(rig)
        snapshots = SnapshotStore(store, lambda: [call], PrivacyFilter(), lambda: now)
        memory = call.machine.history
        memory.model_says("item_1", "Once")
        await snapshots.write_changed()
        assert store.written == 1
        for _ in range(int(limits.store.STATE_GROWING_EVERY_S / limits.store.STATE_EVERY_S) - 1):
            now += limits.store.STATE_EVERY_S
            memory.model_says("item_1", " upon")
            await snapshots.write_changed()
        assert store.written == 1
        now = 100.0 + limits.store.STATE_GROWING_EVERY_S
        await snapshots.write_changed()
        assert store.written == 2
        memory.model_says("item_1", " a")
        memory.caller_said("turn_1", "Stop.")
        await snapshots.write_changed()
        assert store.written == 3, "what the caller said is written without a wait"
        memory.model_said("item_1", "Once upon a time.")
        await snapshots.write_changed()
        await snapshots.write_changed()
        assert store.written == 4
        state = await snapshots.load(call.facts.call_sid)
        assert state is not None
        assert [item.text for item in state.history] == ["Once upon a time.", "Stop."]
