"""Names of what the store has of a caller, by a keyed hash of their number.

A record leads to a call, and not every call leaves one; and some keys are named by the number or
by a secret. So whoever puts something of a caller into the store notes it here, and whoever
forgets the caller finds it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from gateway import limits
from gateway.ops.store.shared import Store

_CALL: Final = "call "
_KEY: Final = "key "


class CallerIndex:
    """`hash_of` returns the keyed hash of a number, empty as long as nobody knows its key."""

    def __init__(self, store: Store, hash_of: Callable[[str], Awaitable[str]]) -> None:
        self._store, self._hash_of = store, hash_of
        self._waiting: deque[tuple[str, str]] = deque(maxlen=limits.store.NOTED_MAX)
        """Numbers and names from before the key was known."""

    async def note_call(self, number: str, call_id: str, call_sid: str) -> None:
        """Note a call by its names; nothing where the number is withheld."""
        await self._note(number, f"{_CALL}{call_id} {call_sid}")

    async def note_key(self, number: str, key: str) -> None:
        """Note a key of the store that is not named by a call."""
        await self._note(number, _KEY + key)

    async def calls(self, number: str) -> list[tuple[str, str]]:
        """Return id and CallSid of the caller's calls; over a trunk the latter is empty."""
        found = (name.partition(" ") for name in await self._noted(number, _CALL))
        return [(call_id, call_sid) for call_id, _, call_sid in found]

    async def keys(self, number: str) -> list[str]:
        """Return the keys that are not named by a call."""
        return await self._noted(number, _KEY)

    async def drop(self, number: str) -> None:
        """Delete what was noted."""
        if who := await self._hash_of(number):
            await self._store.delete(_index(who))

    @property
    def waiting(self) -> int:
        """How many names wait for the key of the hash."""
        return len(self._waiting)

    async def flush(self) -> None:
        """Note what waits, if the key is known now."""
        while self._waiting:
            number, name = self._waiting[0]
            who = await self._hash_of(number)
            if not who:
                return
            # Meanwhile another one may have done it.
            if self._waiting and self._waiting[0] == (number, name):
                self._waiting.popleft()
                await self._store.note(_index(who), name, limits.store.TRACES_KEPT_S)

    async def _noted(self, number: str, kind: str) -> list[str]:
        await self.flush()
        who = await self._hash_of(number)
        noted = await self._store.noted(_index(who)) if who else []
        return [name.removeprefix(kind) for name in noted if name.startswith(kind)]

    async def _note(self, number: str, name: str) -> None:
        if number.strip():
            self._waiting.append((number, name))
            await self.flush()


def _index(who: str) -> str:
    return f"traces:{who}"
