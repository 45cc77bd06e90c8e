"""One socket's share of a turn: all frames are handled, in order, a portion in each turn."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

from transport_double import TransportDouble

from gateway.limits.sockets import TURN_MAX_BYTES, TURN_MESSAGES_MAX
from gateway.transports.paced_frames import PacedFrames
from gateway.transports.websocket_frames import FrameSplitter


class Turns:
    """An event loop of which the test makes each turn."""

    def __init__(self) -> None:
        self._ready: deque[Callable[[], None]] = deque()

    def call_soon(self, callback: Callable[[], None]) -> None:
        self._ready.append(callback)

    def turn(self) -> None:
        for _ in range(len(self._ready)):
            self._ready.popleft()()


class Rig:
    def __init__(self) -> None:
        self.turns, self.transport = Turns(), TransportDouble()
        self.handled: list[bytes] = []
        loop = cast("asyncio.AbstractEventLoop", self.turns)
        splitter = FrameSplitter(masked=True, max_bytes=1 << 20)
        self.frames = PacedFrames(splitter, self._handle, loop)
        self.pause_after_each = False

    def _handle(self, _is_text: bool, part: bytes) -> None:
        self.handled.append(part)
        if self.pause_after_each:
            self.frames.pause(self.transport)

    def take(self, data: bytes) -> None:
        self.frames.take(data, self.transport)

    def turns_until_idle(self) -> int:
        turns = 0
        while not self.transport.reading:
            self.turns.turn()
            turns += 1
            assert turns < 10_000
        return turns


def client_text(payload: bytes) -> bytes:
    """A masked text frame whose mask changes nothing."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + payload


def test_one_frame_is_handled_at_once() -> None:
    rig = Rig()
    rig.take(client_text(b"one"))
    assert rig.handled == [b"one"]
    assert rig.transport.reading


def test_many_frames_of_one_read_take_several_turns_and_keep_their_order() -> None:
    rig = Rig()
    payloads = [b"%d" % n for n in range(10 * TURN_MESSAGES_MAX)]
    rig.take(b"".join(map(client_text, payloads)))
    assert len(rig.handled) <= TURN_MESSAGES_MAX
    assert not rig.transport.reading, "nothing more is read before that is handled"
    assert rig.turns_until_idle() >= 9
    assert rig.handled == payloads


def test_a_large_read_is_split_in_portions() -> None:
    rig = Rig()
    payloads = [b"x" * 120 for _ in range(4 * TURN_MAX_BYTES // 120)]
    rig.take(b"".join(map(client_text, payloads)))
    assert sum(map(len, rig.handled)) <= TURN_MAX_BYTES
    rig.turns_until_idle()
    assert rig.handled == payloads


def test_so_is_one_of_few_long_frames() -> None:
    """It is the bytes that are bounded, however few frames they are."""
    rig = Rig()
    payloads = [b"%d" % n * 4_000 for n in range(10)]
    rig.take(b"".join(map(client_text, payloads)))
    assert sum(map(len, rig.handled)) <= TURN_MAX_BYTES
    rig.turns_until_idle()
    assert rig.handled == payloads


def test_what_is_read_meanwhile_waits_behind() -> None:
    rig = Rig()
    first = [b"a%d" % n for n in range(2 * TURN_MESSAGES_MAX)]
    rig.take(b"".join(map(client_text, first)))
    rig.take(client_text(b"last"))
    rig.turns_until_idle()
    assert rig.handled == [*first, b"last"]


def test_also_behind_what_was_not_taken_apart_yet() -> None:
    rig = Rig()
    payloads = [b"%d" % n * 4_000 for n in range(10)]
    rig.take(b"".join(map(client_text, payloads)))
    rig.take(client_text(b"last"))
    rig.turns_until_idle()
    assert rig.handled == [*payloads, b"last"]


def test_nothing_is_handled_while_held() -> None:
    rig = Rig()
    rig.frames.pause(rig.transport)
    assert not rig.transport.reading
    rig.take(client_text(b"a") + client_text(b"b"))
    rig.turns.turn()
    assert rig.handled == []
    rig.frames.release()
    rig.turns.turn()
    assert rig.handled == [b"a", b"b"]
    assert rig.transport.reading


def test_a_handler_may_hold_in_the_midst() -> None:
    rig = Rig()
    rig.pause_after_each = True
    rig.take(client_text(b"a") + client_text(b"b"))
    assert len(rig.handled) == 1
    rig.frames.release()
    rig.turns.turn()
    assert rig.handled == [b"a", b"b"]
    assert not rig.transport.reading, "held at the last one, too"


def test_what_was_dropped_never_comes() -> None:
    rig = Rig()
    rig.take(b"".join(client_text(b"x") for _ in range(3 * TURN_MESSAGES_MAX)))
    before = len(rig.handled)
    rig.frames.drop(rig.transport)
    assert not rig.transport.reading
    rig.turns.turn()
    assert len(rig.handled) == before
    rig.frames.release()  # by a call that has not heard of it
    rig.turns_until_idle()
    assert len(rig.handled) == before


def test_a_socket_that_closes_is_left_alone() -> None:
    rig = Rig()
    rig.take(b"".join(client_text(b"x") for _ in range(3 * TURN_MESSAGES_MAX)))
    before = len(rig.handled)
    rig.transport.closing = True
    rig.turns.turn()
    assert len(rig.handled) == before


def test_nothing_is_handled_of_a_connection_that_is_gone() -> None:
    rig = Rig()
    rig.take(b"".join(client_text(b"x") for _ in range(3 * TURN_MESSAGES_MAX)))
    before = len(rig.handled)
    rig.frames.end()
    rig.turns_until_idle()
    assert len(rig.handled) == before
