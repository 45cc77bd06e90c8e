"""History of a call: enough to tell a new session of the model what was said and done.

A session has no resume: what was said is given to the next one as text. The model's own words
count as far as they were heard.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from gateway import limits
from gateway.protocols import realtime_items

CALLER: Final = "caller"
MODEL: Final = "model"
CALL: Final = "call"
OUTPUT: Final = "output"
SEEN: Final = "seen"
_SPOKEN: Final = {CALLER: realtime_items.user_text, MODEL: realtime_items.assistant_text}


class HistoryItem(msgspec.Struct, array_like=True):
    """One thing that was said, called or answered."""

    kind: str
    number: int
    text: str = ""
    """Words; a tool's arguments or output; the description of a picture."""
    item_id: str = ""
    """The vendor's id, in the session in which it was said."""
    call_id: str = ""
    name: str = ""
    sound_ms: float = 0.0
    """How much of the model's voice was received so far."""
    done: bool = False
    """Whether nothing is added any more."""

    @property
    def replay_id(self) -> str:
        """The id in every session but the one in which it was said."""
        return f"history_{self.number}"

    def as_item(self) -> dict[str, Any] | None:
        if self.kind == CALL:
            return realtime_items.function_call(self.call_id, self.name, self.text)
        if self.kind == OUTPUT:
            return realtime_items.function_output(self.call_id, self.text)
        if self.kind == SEEN:
            return realtime_items.system_text(
                _PICTURE.format(self.text or "nothing was said of it")
            )
        if self.kind not in _SPOKEN or not self.text:
            return None
        return _SPOKEN[self.kind](self.text) | {"id": self.replay_id}


_PICTURE: Final = "Here the caller showed a picture ({}). It is not kept: you saw it then."


@dataclass(frozen=True, slots=True)
class HistoryReplay:
    """A correction: text that a session is to know otherwise than it does."""

    item: HistoryItem
    after: str
    """The item before it."""
    replaces: bool = True
    """Whether the session knows it in other words."""


class ConversationHistory:
    """Items of a conversation, bounded; `revision` changes with every one."""

    def __init__(self, items: list[HistoryItem] | None = None) -> None:
        self.revision = 0
        self._read(items or [])
        self._replayed: set[str] = set()
        self._open_calls: dict[str, HistoryItem] = {}
        """Function calls of another session that have no output yet: replayed together with it."""

    def restore(self, items: list[HistoryItem]) -> None:
        """Take over what another process remembered, before anything happens here."""
        self._read(items)

    def _read(self, items: list[HistoryItem]) -> None:
        self.items = items
        self._number = max((item.number for item in items), default=0)
        self._chars = sum(len(item.text) for item in items)
        self._by_item = {item.item_id: item for item in items if item.item_id}

    # --- What happens ---

    def caller_spoke(self, item_id: str) -> None:
        """Add a turn of the caller's; the words come later, or never."""
        if item_id not in self._by_item:
            self._add(CALLER, item_id=item_id)

    def caller_said(self, item_id: str, text: str) -> None:
        self.caller_spoke(item_id)
        item = self._by_item[item_id]
        self._write(item, text)
        item.done = True

    def model_says(self, item_id: str, words: str) -> None:
        """Add a few words of the model's."""
        item = self._of_model(item_id)
        if not item.done:
            self._write(item, item.text + words)

    def model_sounds(self, item_id: str, ms: float) -> None:
        self._of_model(item_id).sound_ms += ms

    def model_said(self, item_id: str, text: str) -> None:
        """Set the whole text, unless the item was cut: then it keeps what was heard."""
        item = self._of_model(item_id)
        if not item.done:
            self._write(item, text)
            item.done = True

    def cut(self, item_id: str, heard_ms: float) -> None:
        """Cut an item to what the caller heard; the text is cut in proportion."""
        item = self._by_item.get(item_id)
        if item is None or item.kind != MODEL:
            return
        item.done = True
        if heard_ms < item.sound_ms:
            words = item.text.split()
            self._write(item, " ".join(words[: int(len(words) * heard_ms / item.sound_ms)]))
            item.sound_ms = heard_ms

    def called(self, call_id: str, name: str, arguments: str) -> None:
        if not self._has(CALL, call_id):  # ids are the server's to choose, and once only
            kept = arguments[: limits.call.TRANSCRIPT_LINE_MAX_CHARS]
            self._add(CALL, kept, call_id=call_id, name=name)

    def answered(self, call_id: str, output: str) -> HistoryItem | None:
        """Add an output; return the function call if this session has not been told of it."""
        if self._has(CALL, call_id) and not self._has(OUTPUT, call_id):
            kept = output[: limits.call.TRANSCRIPT_LINE_MAX_CHARS]
            self._add(OUTPUT, kept, call_id=call_id)
        return self._open_calls.pop(call_id, None)

    def saw(self, about: str) -> None:
        """Add that there was a picture; the picture itself is not kept."""
        self._add(SEEN, about[: limits.call.TRANSCRIPT_LINE_MAX_CHARS])

    def interrupted(self, outputs: Mapping[str, str], otherwise: str) -> list[tuple[str, str]]:
        """Answer the open function calls whose outputs will not come; `outputs` are by function.

        Return each call_id, and what stands for its output.
        """
        missing = [(c.call_id, outputs.get(c.name, otherwise)) for c in self._pending()]
        for call_id, output in missing:
            self.answered(call_id, output)
        return missing

    def catch_up(self, items: list[HistoryItem]) -> list[HistoryReplay]:
        """Take over a later state of this conversation; return the differences, in order."""
        before = {item.number: item.text for item in self.items if item.kind in _SPOKEN}
        self._read(items)
        self.revision += 1
        corrections, after = [], "root"
        for item in items:
            if item.kind not in _SPOKEN or not item.text:
                continue
            known = before.get(item.number, "")
            if known != item.text:
                corrections.append(HistoryReplay(item, after, replaces=bool(known)))
                self._replayed.add(item.item_id)
            after = item.replay_id
        return corrections

    @property
    def chars(self) -> int:
        """How much text is remembered."""
        return self._chars

    @property
    def last_number(self) -> int:
        """The number of the newest item; numbers only grow."""
        return self._number

    def turns_since(self, number: int) -> int:
        """Return how many turns of the caller came after the item with this number."""
        return sum(item.kind == CALLER and item.number > number for item in self.items)

    def answer_open(self, names: Collection[str], output: str) -> None:
        """Answer the open calls of these functions, of a conversation that goes on elsewhere."""
        for call in [one for one in self._pending() if one.name in names]:
            self.answered(call.call_id, output)

    # --- Replay ---

    def words_of(self, item_id: str | None) -> str:
        item = self._by_item.get(item_id or "")
        return "" if item is None else item.text

    @property
    def caller_was_last(self) -> bool:
        spoken = (item.kind for item in reversed(self.items) if item.kind in _SPOKEN)
        return next(spoken, MODEL) == CALLER

    def replay(self) -> list[dict[str, Any]]:
        """Return the items for a new session, in order.

        A function call goes in with its output: a session may wait for one that is missing.
        """
        self._replayed.clear()
        self._open_calls = {item.call_id: item for item in self._pending()}
        calls = {item.call_id for item in self.items if item.kind == CALL} - self._open_calls.keys()
        replayed_items = []
        for item in self.items:
            if item.kind in (CALL, OUTPUT) and item.call_id not in calls:
                continue
            replayed = item.as_item()
            if replayed is not None:
                replayed_items.append(replayed)
                self._replayed.add(item.item_id)
        return replayed_items

    def correction(self, item_id: str) -> HistoryReplay | None:
        """Return the correction for an item that this session knows as text only."""
        if item_id not in self._replayed or item_id not in self._by_item:
            return None
        item, before = self._by_item[item_id], "root"
        for other in self.items:
            if other is item:
                break
            if other.kind in _SPOKEN and other.item_id in self._replayed:
                before = other.replay_id
        return HistoryReplay(item, before)

    def _has(self, kind: str, call_id: str) -> bool:
        return any(item.call_id == call_id and item.kind == kind for item in self.items)

    def _pending(self) -> list[HistoryItem]:
        done = {item.call_id for item in self.items if item.kind == OUTPUT}
        return [m for m in self.items if m.kind == CALL and m.call_id not in done]

    # --- Bounds ---

    def _of_model(self, item_id: str) -> HistoryItem:
        if item_id not in self._by_item:
            self._add(MODEL, item_id=item_id)
        return self._by_item[item_id]

    def _add(
        self, kind: str, text: str = "", item_id: str = "", *, call_id: str = "", name: str = ""
    ) -> None:
        self._number += 1
        item = HistoryItem(kind, self._number, text, item_id, call_id, name)
        self.items.append(item)
        if item.item_id:
            self._by_item[item.item_id] = item
        self._chars += len(item.text)
        self.revision += 1
        self._forget_oldest()

    def _write(self, item: HistoryItem, text: str) -> None:
        text = text[: limits.call.TRANSCRIPT_LINE_MAX_CHARS]
        self._chars += len(text) - len(item.text)
        item.text = text
        self.revision += 1
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        while len(self.items) > 1 and (
            len(self.items) > limits.call.HISTORY_ITEMS_MAX
            or self._chars > limits.call.HISTORY_MAX_CHARS
        ):
            item = self.items.pop(0)
            self._chars -= len(item.text)
            self._by_item.pop(item.item_id, None)
