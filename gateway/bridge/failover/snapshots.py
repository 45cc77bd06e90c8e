"""Snapshots of calls, from which another connection or process can resume them.

They are written behind: changes are gathered a few times a second, the latest wins, and no audio
ever waits for the store. Without a shared store a snapshot is written only when a call ends.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from time import monotonic
from typing import NamedTuple, Self

import structlog

from gateway import limits
from gateway.bridge.calls.running_call import RunningCall
from gateway.bridge.privacy_filter import PrivacyFilter
from gateway.call.briefing import Briefing
from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.call.history import ConversationHistory
from gateway.call.snapshot import CallSnapshot, decode, encode
from gateway.ops.store.shared import Store
from gateway.ops.store.values import readable

log = structlog.get_logger()


class _Written(NamedTuple):
    """The version of a call's history that was written last."""

    revision: int
    shape: tuple[int | None, int, int]
    """Number of the last item, items, complete items: a sentence that grows changes none."""
    at: float
    """Clock reading in seconds."""

    @classmethod
    def of(cls, history: ConversationHistory, at: float) -> Self:
        items = history.items
        last = items[-1].number if items else None
        return cls(history.revision, (last, len(items), sum(item.done for item in items)), at)

    def is_due_after(self, before: _Written | None) -> bool:
        """Return whether to write: a sentence that only grows waits for a few more words."""
        if before is None or self.shape != before.shape:
            return True
        return self.at - before.at >= limits.store.STATE_GROWING_EVERY_S


class SnapshotStore:
    """Snapshots of this process's calls in the store, and which version was written last."""

    def __init__(
        self,
        store: Store,
        calls: Callable[[], Iterable[RunningCall]],
        privacy: PrivacyFilter,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`calls` returns the running calls of this process; `clock` is monotonic, in seconds."""
        self._store, self._calls, self._clock = store, calls, clock
        self._privacy = privacy
        self._written: dict[RunningCall, _Written] = {}
        # A write that is under way must not arrive after the last one of a call.
        self._writing = asyncio.Lock()

    @property
    def shared(self) -> bool:
        """Whether other processes can read the snapshots."""
        return self._store.shared

    async def run(self) -> None:
        """Write what has changed for as long as the process runs; no error ends it."""
        while self._store.shared:
            await asyncio.sleep(limits.store.STATE_EVERY_S)
            try:
                await self.write_changed()
            except Exception:
                log.exception("snapshots_write_failed")

    async def write_changed(self) -> None:
        """Write the snapshot of each call whose history has changed enough since the last time."""
        changed: dict[RunningCall, tuple[_Written, list[tuple[str, str, float]]]] = {}
        for call in list(self._calls()):
            before, history = self._written.get(call), call.machine.history
            if not call.machine.arrived or (before and before.revision == history.revision):
                continue
            now = _Written.of(history, self._clock())
            if now.is_due_after(before):
                changed[call] = now, self._entries(call)
                await asyncio.sleep(0)  # a hundred in a row would hold up everybody's sound
        async with self._writing:
            running = {call: one for call, one in changed.items() if not call.over}
            entries = [entry for _, some in running.values() for entry in some]
            if await self._store.put_all(entries):
                self._written.update((call, now) for call, (now, _) in running.items())

    async def save(self, call: RunningCall) -> None:
        """Write the snapshot now, before another process reads it."""
        await self._store.put_all(self._entries(call))

    async def write(self, call_sid: str, state: CallSnapshot) -> None:
        """Write a state for as long as a caller may come back after the end of a connection."""
        await self._store.put(_key(call_sid), _text(state), limits.store.ENDINGS_KEPT_S)

    async def load_sip(self, call_id: str) -> CallSnapshot | None:
        """Return the state of a SIP call by OpenAI's call_id; None when there is none."""
        return await self._load(_sip_key(call_id))

    async def expect(self, call_sid: str, state: CallSnapshot, opening: str | None) -> None:
        """Write the state of an announced call, whose stream may reach another process."""
        state.opening = opening or ""
        await self.write(call_sid, state)

    async def known(self, call_sid: str) -> CallSnapshot | None:
        """Return the state of a call that runs, ran or is expected; None when there is none."""
        return await self._load(_key(call_sid))

    async def load(self, call_sid: str) -> CallSnapshot | None:
        """Return the state of a call whose caller has arrived; None when there is none."""
        state = await self.known(call_sid)
        return state if state is not None and state.arrived else None

    async def _load(self, key: str) -> CallSnapshot | None:
        state = readable(key, await self._store.get(key), _snapshot)
        if state is None or key in (_key(state.call_sid), _sip_key(state.call_id)):
            return state
        # A copy under another call's key would tell that caller what this one said.
        log.error("snapshot_of_another_call", key=key)
        return None

    def _stored(self, call: RunningCall) -> CallSnapshot:
        """Return the state of a call with its words as they may be stored."""
        state = state_of(call)
        state.history = self._privacy.history(call, state.history)
        return state

    def remember(self, call: RunningCall, ending: Ending) -> None:
        """Keep the state in this process at once: the carrier may ask for it in the next moment."""
        if call.facts.call_sid and call.machine.arrived and _is_kept(ending):
            self._store.remember(
                _key(call.facts.call_sid), _text(self._stored(call)), limits.store.ENDINGS_KEPT_S
            )

    async def ended(self, call: RunningCall, ending: Ending) -> None:
        """Write the last state of a call, or delete it when the conversation came to its end."""
        async with self._writing:
            await self._ended(call, ending)

    async def _ended(self, call: RunningCall, ending: Ending) -> None:
        self._written.pop(call, None)
        call_sid = call.facts.call_sid
        if call.facts.call_id and not call.released:
            await self._store.delete(_sip_key(call.facts.call_id))
        if not call_sid or not call.machine.arrived:
            return
        if not _is_kept(ending):
            await self._store.delete(_key(call_sid))
            return
        state, sound = self._stored(call), call.machine.not_understood()
        if sound:
            key = _sound_key(call_sid)
            await self._store.put(key, b64encode(sound).decode(), limits.store.SOUND_KEPT_S)
        known = await self.load(call_sid)
        if known is None or _age(known) <= _age(state):
            if known is not None and _age(known) == _age(state):
                # Another process answered the carrier first: its decision holds.
                state.silently, state.opening = known.silently, known.opening
            await self.write(call_sid, state)

    async def sound(self, call_sid: str) -> bytes:
        """Return, and delete, the caller's last sound on a stream that is gone.

        Mu-law; empty when there is none.
        """
        key = _sound_key(call_sid)
        sound = readable(key, await self._store.get(key), b64decode)
        if sound is None:
            return b""
        await self._store.delete(key)
        return sound

    def _entries(self, call: RunningCall) -> list[tuple[str, str, float]]:
        facts, text = call.facts, _text(self._stored(call))
        ttl_s = call.machine.agent.max_call_s + limits.store.STATE_SPARE_S
        keys = [_key(facts.call_sid)] if facts.call_sid else []
        keys += [_sip_key(facts.call_id)] if facts.call_id else []
        return [(key, text, ttl_s) for key in keys]


def _age(state: CallSnapshot) -> tuple[int, int]:
    """Return a key by which the newer of two states of a call compares as greater."""
    return state.streams, state.resumes


def _is_kept(ending: Ending) -> bool:
    """Return whether another connection may resume the call after this ending."""
    return not ending.well or ending is Ending.TRANSFERRED


def first_state(facts: CallInfo, briefing: Briefing) -> CallSnapshot:
    """Return the state of a call to which nothing has happened yet."""
    return CallSnapshot(
        facts.agent,
        facts.path,
        _plain(facts.caller),
        _plain(facts.dialled),
        call_id=facts.call_id,
        call_sid=facts.call_sid,
        briefing=briefing,
    )


def state_of(call: RunningCall) -> CallSnapshot:
    """Return the state of a running call, with every word of its history."""
    state, facts = call.machine.snapshot(), call.facts
    state.caller, state.dialled = _plain(facts.caller), _plain(facts.dialled)
    state.path, state.call_id, state.call_sid = facts.path, facts.call_id, facts.call_sid
    state.direction = facts.direction
    state.spent_micro_usd, state.minutes = call.bill.micro_usd, call.bill.minutes
    return state


def _sound_key(call_sid: str) -> str:
    return f"sound:{call_sid}"


def _key(call_sid: str) -> str:
    return f"call:{call_sid}"


def _plain(text: str) -> str:
    """Return text that UTF-8 can encode: a caller name may hold lone surrogates."""
    return text.encode("utf-8", "replace").decode()


def _sip_key(call_id: str) -> str:
    return f"sip:{call_id}"


def _snapshot(text: str) -> CallSnapshot:
    return decode(b64decode(text))


def _text(state: CallSnapshot) -> str:
    return b64encode(encode(state)).decode()
