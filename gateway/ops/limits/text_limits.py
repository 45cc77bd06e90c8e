"""Bounds on texts to one number and in one day, over all processes.

The number that a caller shows may be forged, and texts to premium numbers are a known fraud. The
bounds of one call do not stop who calls again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from gateway import limits
from gateway.ops.store.caller_index import CallerIndex
from gateway.ops.store.key_names import hashed
from gateway.ops.store.shared import Store
from gateway.protocols.country_codes import country_prefix

_DAY_S: Final = 86_400


class TextLimits:
    """Decide whether one more text may go to a number.

    `countries` are prefixes of numbers that may be texted, besides the country of the number
    that sends. `clock` returns Unix time in seconds; a day is one of UTC.
    """

    def __init__(
        self,
        store: Store,
        index: CallerIndex,
        countries: Sequence[str],
        clock: Callable[[], float],
        *,
        per_number: int = limits.messages.TEXTS_TO_NUMBER_PER_DAY,
        per_day: int = limits.messages.TEXTS_PER_DAY,
    ) -> None:
        self._store, self._index = store, index
        self._countries, self._clock = tuple(countries), clock
        self._per_number, self._per_day = per_number, per_day

    async def refusal(self, to: str, sender: str) -> str | None:
        """Count a text; return `country`, `number` or `day` where it may not be sent, else None."""
        prefixes = (country_prefix(sender), *self._countries)
        if not any(prefix and to.startswith(prefix) for prefix in prefixes):
            return "country"
        day = int(self._clock() // _DAY_S)
        key = f"texts:{day}:{hashed(to)}"
        await self._index.note_key(to, key)
        if await self._count(key) > self._per_number:
            return "number"
        return "day" if await self._count(f"texts:{day}") > self._per_day else None

    async def _count(self, key: str) -> int:
        return await self._store.count(key, _DAY_S)
