"""Briefings in the store, for the process at which a call's leg arrives."""

from __future__ import annotations

from hashlib import sha256

import msgspec

from gateway import limits
from gateway.call.briefing import NO_BRIEFING, Briefing
from gateway.ops.store.shared import Store
from gateway.ops.store.values import readable

_decoder = msgspec.json.Decoder(Briefing)


class Briefings:
    """Briefings by CallSid; before Twilio has given one, by the token of the order."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, call_sid: str, briefing: Briefing) -> None:
        await self._put(f"briefing:{call_sid}", briefing)

    async def find(self, call_sid: str) -> Briefing:
        return await self._find(f"briefing:{call_sid}") if call_sid else NO_BRIEFING

    async def order(self, token: str, briefing: Briefing) -> None:
        """Keep the briefing of a call that is about to be placed."""
        await self._put(key_of_order(token), briefing)

    async def placed(self, token: str, call_sid: str) -> None:
        """Keep the briefing of an order under the CallSid that it has got."""
        await self.put(call_sid, await self._find(key_of_order(token)))

    async def led_by(self, call_sid: str, agent: str) -> None:
        """Keep who leads a call in place of its route's agent, in case its first leg fails."""
        await self._store.put(_leader(call_sid), agent, limits.briefing.BRIEFING_KEPT_S)

    async def leader(self, call_sid: str) -> str | None:
        """Return the same; None for a call of which nothing else was decided."""
        return await self._store.get(_leader(call_sid))

    async def _put(self, key: str, briefing: Briefing) -> None:
        if not briefing.empty:
            text = msgspec.json.encode(briefing).decode()
            await self._store.put(key, text, limits.briefing.BRIEFING_KEPT_S)

    async def _find(self, key: str) -> Briefing:
        return readable(key, await self._store.get(key), _decoder.decode) or NO_BRIEFING


def _leader(call_sid: str) -> str:
    return f"leader:{call_sid}"


def key_of_order(token: str) -> str:
    """Return the key of an order; a token is a secret, and keys are shown in logs."""
    return f"briefing:{sha256(token.encode()).hexdigest()[:32]}"
