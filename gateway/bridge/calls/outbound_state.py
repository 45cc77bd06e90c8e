"""State of outbound calls, shared by the processes at which their webhooks arrive."""

from __future__ import annotations

import msgspec

from gateway import limits
from gateway.ops.store.shared import Store
from gateway.ops.store.values import readable

PROGRESS = ("queued", "initiated", "ringing", "in-progress")
"""CallStatus values of a call that goes on, in order; every other value is an end."""


class OutboundState(msgspec.Struct, array_like=True, frozen=True):
    """Agent and both numbers of an outbound call."""

    agent: str
    person: str
    ours: str


_decoder = msgspec.json.Decoder(OutboundState)


class OutboundStates:
    """States of outbound calls in the store, by CallSid."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def remember(self, call_sid: str, dialled: OutboundState) -> None:
        text = msgspec.json.encode(dialled).decode()
        await self._store.put(f"call-out:{call_sid}", text, limits.outbound.DIAL_KEPT_S)

    async def find(self, call_sid: str) -> OutboundState | None:
        """Return the state of an outbound call, None for any other call."""
        if not call_sid:
            return None
        key = f"call-out:{call_sid}"
        return readable(key, await self._store.get(key), _decoder.decode)

    async def set_status(self, call_sid: str, status: str) -> None:
        """Record a CallStatus, unless a later one is known: callbacks overtake each other."""
        if _rank(status) >= _rank(await self.status(call_sid)):
            await self._store.put(f"dial-status:{call_sid}", status, limits.outbound.DIAL_KEPT_S)

    async def status(self, call_sid: str) -> str:
        """Return the latest CallStatus."""
        return await self._store.get(f"dial-status:{call_sid}") or "queued"

    async def set_answered_by(self, call_sid: str, who: str) -> None:
        await self._store.put(f"answered-by:{call_sid}", who, limits.outbound.DIAL_KEPT_S)

    async def answered_by(self, call_sid: str) -> str | None:
        """Return who answered, None before the carrier has detected it."""
        return await self._store.get(f"answered-by:{call_sid}")


def is_over(status: str) -> bool:
    return status not in PROGRESS


def _rank(status: str) -> int:
    return PROGRESS.index(status) if status in PROGRESS else len(PROGRESS)
