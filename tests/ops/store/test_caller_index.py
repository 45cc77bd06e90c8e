"""Names of what there is of a caller, also from before the key of the hash was known."""

from __future__ import annotations

import asyncio
from time import monotonic

from gateway.ops.store.caller_index import CallerIndex
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store

CALLER = "+15551230042"


async def test_what_is_noted_before_the_database_was_opened_is_not_lost() -> None:
    key = ""
    store = Store(MemoryStore(monotonic))

    async def hash_of(number: str) -> str:
        await asyncio.sleep(0)
        return key and f"{key}{number[-2:]}"

    index = CallerIndex(store, hash_of)
    await index.note_call(CALLER, "CA1", "CA1")
    await index.note_key(CALLER, "answered:a")
    await index.note_key("", "answered:b")
    assert (await index.calls(CALLER), index.waiting) == ([], 2)
    key = "hash-"
    await asyncio.gather(index.flush(), index.note_key(CALLER, "texts:b"), index.flush())
    assert index.waiting == 0
    assert await index.calls(CALLER) == [("CA1", "CA1")]
    assert await index.keys(CALLER) == ["answered:a", "texts:b"]
    assert await store.exists("traces:hash-42")
    await index.drop(CALLER)
    assert not await store.exists("traces:hash-42")


async def test_what_waits_is_noted_by_whoever_asks_first() -> None:
    key, store = "", Store(MemoryStore(monotonic))

    async def hash_of(number: str) -> str:
        return key and f"{key}{number[-2:]}"

    index = CallerIndex(store, hash_of)
    await index.note_call(CALLER, "CA1", "")
    await index.drop(CALLER)
    assert index.waiting == 1
    key = "hash-"
    assert await index.calls(CALLER) == [("CA1", "")]
    await index.note_key(CALLER, "answered:a")
    assert index.waiting == 0, "with the key nothing waits"
    assert await store.noted("traces:hash-42") == ["call CA1 ", "key answered:a"]
    await index.note_call(" ", "CA2", "CA2")
    assert index.waiting == 0
