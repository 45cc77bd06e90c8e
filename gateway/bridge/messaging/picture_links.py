"""Links that callers are texted: each to a page for one call, as long as it lasts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from re import fullmatch

from gateway.bridge.calls.call_table import CallTable
from gateway.bridge.calls.live_call import LiveCall
from gateway.bridge.messaging.process_mailbox import (
    ProcessMailbox,
    RemoteCall,
    ends_of,
    line_of,
)
from gateway.ops.limits.signed_tokens import PhotoTokens
from gateway.ops.store.shared import Store


@dataclass(frozen=True, slots=True)
class PictureLink:
    """Where a link leads; `call` is None once that call is over."""

    language: str
    call: LiveCall | RemoteCall | None


class PictureLinks:
    """Tokens of links; the store has only their hashes, so whoever reads it can open nothing."""

    def __init__(
        self,
        store: Store,
        table: CallTable,
        mailbox: ProcessMailbox,
        tokens: PhotoTokens,
        public_url: str,
    ) -> None:
        self._store, self._table, self._relay, self._tokens = store, table, mailbox, tokens
        self._public_url = public_url

    async def make(self, call: LiveCall) -> str:
        """Make a link and return its address."""
        token, agent = self._tokens.issue(), call.machine.agent
        facts, key = call.facts, _key(token)
        # By the call its links are found, should it be forgotten.
        of_call = _of_call(facts.key)
        links = f"{await self._store.get(of_call) or ''} {key}".strip()
        await self._store.put(of_call, links, agent.max_call_s)
        known = json.dumps([facts.key, call.machine.language, line_of(*ends_of(facts))])
        await self._store.put(key, known, agent.max_call_s)
        return f"{self._public_url}/photo/{token}"

    def is_ours(self, token: str) -> bool:
        """Return whether any process made such a link, of a call that may be over."""
        return self._tokens.is_ours(token)

    async def find(self, token: str) -> PictureLink | None:
        """Return where a token leads, None for one that is unknown or expired."""
        if not fullmatch(r"[A-Za-z0-9_-]{16,64}", token):
            return None
        known = self._store.known(_key(token))
        if known is None:
            known = await self._store.get(_key(token))
            if known is None:
                return None
        key, language, line = json.loads(known)
        call = self._table.call(key)
        if call is not None and call.machine.takes_pictures:
            return PictureLink(language, call)
        elsewhere = await self._relay.on_line(line)
        there = elsewhere is not None and elsewhere.key == key
        return PictureLink(language, elsewhere if there else None)


def _of_call(call_id: str) -> str:
    return f"photos:{call_id}"


def _key(token: str) -> str:
    return f"photo:{sha256(token.encode()).hexdigest()}"
