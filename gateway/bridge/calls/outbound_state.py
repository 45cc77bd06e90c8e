"""What is known of calls that we placed, in whichever process its webhooks come in."""

from __future__ import annotations

import msgspec

from gateway import limits
from gateway.ops.store.shared import Store

PROGRESS = ("queued", "initiated", "ringing", "in-progress")
"""CallStatus in its order; everything else is an end."""


class OutboundState(msgspec.Struct, array_like=True, frozen=True):
    """Who calls whom."""

    agent: str
    person: str
    ours: str


class OutboundStates:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def remember(self, call_sid: str, dialled: OutboundState) -> None:
        text = msgspec.json.encode(dialled).decode()
        await self._store.put(f"call-out:{call_sid}", text, limits.outbound.DIAL_KEPT_S)

    async def find(self, call_sid: str) -> OutboundState | None:
        """None for a call that somebody else placed."""
        text = await self._store.get(f"call-out:{call_sid}") if call_sid else None
        return msgspec.json.decode(text, type=OutboundState) if text else None

    async def tell(self, call_sid: str, status: str) -> None:
        """Callbacks overtake each other: a status that comes late does not take one back."""
        if _rank(status) >= _rank(await self.status(call_sid)):
            await self._store.put(f"dial-status:{call_sid}", status, limits.outbound.DIAL_KEPT_S)

    async def status(self, call_sid: str) -> str:
        """CallStatus as it was last told."""
        return await self._store.get(f"dial-status:{call_sid}") or "queued"

    async def tell_who(self, call_sid: str, who: str) -> None:
        await self._store.put(f"answered-by:{call_sid}", who, limits.outbound.DIAL_KEPT_S)

    async def who(self, call_sid: str) -> str | None:
        """Who has answered, once the carrier knows."""
        return await self._store.get(f"answered-by:{call_sid}")


def is_over(status: str) -> bool:
    return status not in PROGRESS


def _rank(status: str) -> int:
    return PROGRESS.index(status) if status in PROGRESS else len(PROGRESS)
