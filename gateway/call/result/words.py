"""Words of an ended call: what the model is given for its result, and what quotes must stand in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gateway.call.history import CALL, CALLER, MODEL, OUTPUT, SEEN, HistoryItem

_NO_WORD: Final = re.compile(r"[\W_]+")
_SPEAKERS: Final = {CALLER: "caller", MODEL: "agent"}


@dataclass(frozen=True, slots=True)
class SpokenWords:
    """Words and tool calls of a call, in order; evidence is checked against the caller's part."""

    items: tuple[HistoryItem, ...]

    @classmethod
    def of(cls, items: Iterable[HistoryItem]) -> SpokenWords:
        return cls(tuple(items))

    @property
    def caller_spoke(self) -> bool:
        return any(item.kind == CALLER and item.text for item in self.items)

    @property
    def untranscribed(self) -> frozenset[str]:
        """Ids of the caller's turns whose words have not come yet."""
        return frozenset(
            item.item_id for item in self.items if item.kind == CALLER and not item.done
        )

    def as_text(self) -> str:
        """Return one line for each turn and tool call, with the item's id."""
        return "\n".join(filter(None, map(_line, self.items)))

    def find(self, quote: str, item_id: str) -> str | None:
        """Return the id of the caller's item with these words: the named one, or another."""
        wanted = _plain(quote)
        if not wanted:
            return None
        holders = [
            item.item_id or item.replay_id
            for item in self.items
            if item.kind == CALLER and f" {wanted} " in f" {_plain(item.text)} "
        ]
        if item_id in holders:
            return item_id
        return holders[0] if holders else None


def _line(item: HistoryItem) -> str:
    text = " ".join(item.text.split())
    if item.kind in _SPEAKERS:
        return f"[{item.item_id or item.replay_id}] {_SPEAKERS[item.kind]}: {text}" if text else ""
    if item.kind == CALL:
        return f"(the agent used {item.name}: {text})"
    if item.kind == OUTPUT:
        return f"(it returned: {text})"
    return f"(the caller showed a picture: {text})" if item.kind == SEEN else ""


def _plain(text: str) -> str:
    """Return the bare words: case, punctuation, accents and vowel marks make no other quote."""
    split = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(char for char in split if not unicodedata.combining(char))
    return _NO_WORD.sub(" ", bare).strip()
