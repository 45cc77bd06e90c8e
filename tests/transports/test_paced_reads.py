"""How many connections are read in one turn of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import cast

from gateway.transports.paced_reads import PacedReads


class Connection:
    """Notes what it may handle."""

    def __init__(self, handled: list[bytes]) -> None:
        self._handled = handled

    def read(self, data: bytes) -> None:
        self._handled.append(data)


async def test_some_are_read_in_each_turn_and_all_in_order() -> None:
    handled: list[bytes] = []
    loop, reads, connection = asyncio.get_running_loop(), PacedReads(2), Connection(handled)
    came = [b"%d" % n for n in range(7)]
    at_once = [data for data in came if not reads.wait(connection, data, loop)]
    assert at_once == came[:2]
    turns = []
    for _ in range(4):
        await asyncio.sleep(0)  # one turn
        turns.append(len(handled))
    assert turns == [2, 4, 5, 5]
    assert handled == came[2:]
    assert not reads.wait(connection, b"later", loop)


async def test_who_comes_while_others_wait_does_not_pass_them() -> None:
    handled: list[bytes] = []
    loop, reads, connection = asyncio.get_running_loop(), PacedReads(1), Connection(handled)
    assert not reads.wait(connection, b"first", loop)
    assert reads.wait(connection, b"second", loop)
    assert reads.wait(connection, b"third", loop)
    await asyncio.sleep(0)
    assert handled == [b"second"]
    assert reads.wait(connection, b"fourth", loop)
    for _ in range(3):
        await asyncio.sleep(0)
    assert handled == [b"second", b"third", b"fourth"]
    assert not reads.wait(connection, b"fifth", loop)


async def test_a_reader_that_fails_does_not_stop_those_behind_it() -> None:
    class Broken:
        def read(self, data: bytes) -> None:
            raise ValueError(data)

    handled: list[bytes] = []
    loop, reads, connection = asyncio.get_running_loop(), PacedReads(1), Connection(handled)
    failed: list[BaseException] = []
    loop.set_exception_handler(lambda _, context: failed.append(context["exception"]))
    assert not reads.wait(connection, b"first", loop)
    assert reads.wait(Broken(), b"second", loop)
    assert reads.wait(connection, b"third", loop)
    for _ in range(3):
        await asyncio.sleep(0)
    assert handled == [b"third"]
    assert [type(error) for error in failed] == [ValueError]


class Turns:
    """An event loop of which the test makes each turn."""

    def __init__(self) -> None:
        self.ready: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[..., None], *arguments: object) -> None:
        self.ready.append(partial(callback, *arguments))

    def turn(self) -> None:
        ready, self.ready = self.ready, []
        for callback in ready:
            callback()


def test_a_process_that_reads_nothing_rests() -> None:
    turns, reads = Turns(), PacedReads(2)
    assert not reads.wait(Connection([]), b"one", cast("asyncio.AbstractEventLoop", turns))
    turns.turn()
    assert turns.ready == [], "or the loop would go round for ever"
