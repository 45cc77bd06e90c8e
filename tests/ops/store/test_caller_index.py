"""Names of what there is of a caller, also from before the key of the hash was known."""

from __future__ import annotations

from time import monotonic

from gateway.ops.store.caller_index import CallerIndex
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store

CALLER = "+15551230042"


async def test_what_is_noted_before_the_database_was_opened_is_not_lost() -> None:
    key = ""
    store = Store(MemoryStore(monotonic))
    index = CallerIndex(store, lambda number: key and f"{key}{number[-2:]}")
    await index.note_call(CALLER, "CA1", "CA1")
    await index.note_key(CALLER, "answered:a")
    await index.note_key("", "answered:b")
    assert await index.calls(CALLER) == []
    key = "hash-"
    assert await index.calls(CALLER) == [("CA1", "CA1")]
    assert await index.keys(CALLER) == ["answered:a"]
    assert await store.exists("traces:hash-42")
    await index.drop(CALLER)
    assert not await store.exists("traces:hash-42")
