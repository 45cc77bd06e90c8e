"""Names of what the store has of a caller, by a keyed hash of their number.

A record leads to a call, and not every call leaves one; and some keys are named by the number or
by a secret. So whoever puts something of a caller into the store notes it here, and whoever
forgets the caller finds it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from gateway import limits
from gateway.ops.store.shared import Store

_CALL: Final = "call "
_KEY: Final = "key "


class CallerIndex:
    """`hash_of` returns the keyed hash of a number, empty as long as its key is not known."""

    def __init__(self, store: Store, hash_of: Callable[[str], str]) -> None:
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
        await self._store.delete(self._index(number))

    async def _noted(self, number: str, kind: str) -> list[str]:
        await self._note_waiting()
        if not self._hash_of(number):
            return []
        noted = await self._store.noted(self._index(number))
        return [name.removeprefix(kind) for name in noted if name.startswith(kind)]

    async def _note(self, number: str, name: str) -> None:
        if number.strip():
            self._waiting.append((number, name))
            await self._note_waiting()

    async def _note_waiting(self) -> None:
        while self._waiting and self._hash_of(self._waiting[0][0]):
            number, name = self._waiting.popleft()
            await self._store.note(self._index(number), name, limits.store.TRACES_KEPT_S)

    def _index(self, number: str) -> str:
        return f"traces:{self._hash_of(number)}"
