"""The fast lane beside the library's own parser: whatever the bytes, both read the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State

from gateway.transports.websocket_frames import ClientFrames, FrameSplitter, text_frame

MAX_BYTES = 1 << 20
LENGTHS = st.sampled_from([0, 1, 2, 125, 126, 127, 300, 65_535, 65_536, 70_000])
PAYLOADS = st.builds(lambda seed, n: (seed * (n // 4 + 1))[:n], st.binary(min_size=4), LENGTHS)
OPCODES = st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT, Opcode.PING, Opcode.PONG])


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    opcode = draw(OPCODES)
    control = opcode in (Opcode.PING, Opcode.PONG)
    length = draw(st.sampled_from([0, 1, 125])) if control else draw(LENGTHS)
    data = draw(st.binary(max_size=8)) * (length // 8 + 1)
    return Frame(opcode, data[:length], fin=control or draw(st.booleans()))


@st.composite
def chunked(draw: st.DrawFn, masked: bool) -> tuple[list[Frame], list[bytes]]:
    """Frames, and the bytes of all of them cut anywhere."""
    sent = draw(st.lists(frames(), max_size=6))
    wire = b"".join(frame.serialize(mask=masked) for frame in sent)
    cuts = sorted(draw(st.lists(st.integers(0, len(wire)), max_size=12)))
    bounds = [0, *cuts, len(wire)]
    return sent, [wire[a:b] for a, b in pairwise(bounds)]


def parsed(raw: bytes, masked: bool) -> Frame:
    """One frame as the library's parser reads it."""

    def read_exact(n: int) -> Iterator[None]:
        nonlocal at
        at += n
        yield from ()
        return raw[at - n : at]

    at = 0
    try:
        next(Frame.parse(read_exact, mask=masked))  # type: ignore[arg-type]
    except StopIteration as done:
        assert at == len(raw), "precisely one frame"
        frame: Frame = done.value
        return frame
    raise AssertionError


@pytest.mark.parametrize("masked", [True, False], ids=["from a client", "from a server"])
def test_the_splitter_reads_what_the_library_reads(masked: bool) -> None:
    @settings(max_examples=60, deadline=None)
    @given(chunked(masked))
    def check(case: tuple[list[Frame], list[bytes]]) -> None:
        sent, chunks = case
        splitter = FrameSplitter(masked=masked, max_bytes=MAX_BYTES)
        read = [part for chunk in chunks for part in splitter.feed(chunk)]
        in_parts = False
        for (is_text, part), frame in zip(read, sent, strict=True):
            assert is_text == (frame.opcode is Opcode.TEXT and frame.fin and not in_parts)
            if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                in_parts = not frame.fin
            if is_text:
                assert part == frame.data
            else:
                assert parsed(bytes(part), masked) == frame

    check()


@pytest.mark.parametrize("masked", [True, False], ids=["from a client", "from a server"])
def test_one_frame_alone_is_read_at_once_as_in_a_stream(masked: bool) -> None:
    @settings(max_examples=200)
    @given(frames(), st.integers(0, 15), st.binary(max_size=2), st.integers(-2, 2))
    def check(frame: Frame, at: int, changed: bytes, longer: int) -> None:
        wire = bytearray(frame.serialize(mask=masked))
        wire[at : at + len(changed)] = changed
        data = bytes(wire + b"x" * longer) if longer >= 0 else bytes(wire[:longer])
        whole = FrameSplitter(masked=masked, max_bytes=100).whole(data)
        if whole is not None:
            assert FrameSplitter(masked=masked, max_bytes=100).feed(data) == [(True, whole)]

    check()


@pytest.mark.parametrize("length", [20, 125, 126, 300])
@pytest.mark.parametrize("masked", [True, False], ids=["from a client", "from a server"])
def test_a_whole_text_is_read_at_once(masked: bool, length: int) -> None:
    splitter = FrameSplitter(masked=masked, max_bytes=MAX_BYTES)
    for data in (b"x" * length, b"y" * length):
        assert splitter.whole(Frame(Opcode.TEXT, data).serialize(mask=masked)) == data


@pytest.mark.parametrize("masked", [True, False], ids=["from a client", "from a server"])
def test_so_is_the_shortest_that_is_looked_at_and_the_longest_that_may_be(masked: bool) -> None:
    shortest, longest = b"x" * (8 if masked else 12), b"x" * 300
    splitter = FrameSplitter(masked=masked, max_bytes=300)
    wire = Frame(Opcode.TEXT, shortest).serialize(mask=masked)
    assert len(wire) == 14, "as long as the longest head"
    assert splitter.whole(wire) == shortest
    assert splitter.whole(Frame(Opcode.TEXT, longest).serialize(mask=masked)) == longest
    assert splitter.whole(Frame(Opcode.TEXT, longest + b"x").serialize(mask=masked)) is None


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_junk_goes_to_the_library_byte_for_byte(junk: list[bytes], size: int) -> None:
    """Nothing is lost, and nothing invented: what is not text comes out as it came in."""
    wire = b"".join(junk)
    splitter = FrameSplitter(masked=True, max_bytes=1000)
    out = bytearray()
    for at in range(0, len(wire), size):
        for is_text, part in splitter.feed(wire[at : at + size]):
            if is_text:
                return  # by chance a whole frame: the test above says what becomes of it
            out += part
    assert wire.startswith(bytes(out))


def test_a_frame_beyond_the_bound_is_handed_on_at_its_header() -> None:
    """For the library to refuse: not a byte of it is waited for."""
    splitter = FrameSplitter(masked=True, max_bytes=1000)
    wire = Frame(Opcode.TEXT, b"x" * 1001).serialize(mask=True)
    (only,) = [part for chunk in (wire[:1], wire[1:8]) for part in splitter.feed(chunk)]
    assert only == (False, wire[:8])


@pytest.mark.parametrize("first", [0xC1, 0xA1, 0x91, 0x80, 0x01, 0x83, 0x8B, 0x82, 0x88])
def test_only_a_plain_whole_text_frame_takes_the_fast_lane(first: int) -> None:
    """Reserved bits, fragments, unknown opcodes, control frames: the library's business."""
    wire = bytes((first, 0x81)) + b"\0\0\0\0x"
    assert list(FrameSplitter(masked=True, max_bytes=10).feed(wire)) == [(False, wire)]


def test_a_frame_masked_the_wrong_way_is_left_to_the_library() -> None:
    unmasked = Frame(Opcode.TEXT, b"x").serialize(mask=False)
    masked = Frame(Opcode.TEXT, b"x").serialize(mask=True)
    assert list(FrameSplitter(masked=True, max_bytes=10).feed(unmasked)) == [(False, unmasked)]
    assert list(FrameSplitter(masked=False, max_bytes=10).feed(masked)) == [(False, masked)]


def test_a_large_frame_in_small_pieces_costs_its_length_and_not_the_square_of_it() -> None:
    """A megabyte in pieces of a few bytes must not stop everybody else's call."""

    splitter = FrameSplitter(masked=True, max_bytes=MAX_BYTES)
    wire = Frame(Opcode.TEXT, b"x" * MAX_BYTES).serialize(mask=True)
    began_s = time.process_time()
    whole = [part for at in range(0, len(wire), 16) for part in splitter.feed(wire[at : at + 16])]
    assert time.process_time() - began_s < 2, "a tenth of a second, or half a minute"
    assert [len(payload) for _, payload in whole] == [MAX_BYTES]


@given(st.lists(PAYLOADS, max_size=8))
@settings(max_examples=40, deadline=None)
def test_what_we_send_as_a_client_a_server_reads(payloads: list[bytes]) -> None:
    server = Protocol(Side.SERVER, state=State.OPEN)
    ours = ClientFrames()
    wire = [ours.text_frame(payload) for payload in payloads]
    server.receive_data(b"".join(wire))
    assert server.parser_exc is None
    assert server.events_received() == [Frame(Opcode.TEXT, payload) for payload in payloads]


@given(PAYLOADS)
@settings(max_examples=40, deadline=None)
def test_what_we_send_as_a_server_a_client_reads(payload: bytes) -> None:
    client = Protocol(Side.CLIENT, state=State.OPEN)
    client.receive_data(text_frame(payload))
    assert client.events_received() == [Frame(Opcode.TEXT, payload)]


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536])
def test_each_length_has_the_header_of_its_size(length: int) -> None:
    payload = b"x" * length
    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


def test_no_two_frames_have_the_same_key() -> None:
    """RFC 6455, 5.3: "The masking key needs to be unpredictable"; a new one for each frame."""
    ours = ClientFrames()
    keys = [ours.text_frame(b"x")[2:6] for _ in range(3000)]
    assert len(set(keys)) > 2990
    assert {ours.text_frame(b"x")[2:6] for _ in range(9)}.isdisjoint(
        {ClientFrames().text_frame(b"x")[2:6] for _ in range(9)}
    )


def test_nothing_is_no_frame() -> None:
    """Where a handshake ends with its read, nothing stands behind it."""
    for masked in (True, False):
        splitter = FrameSplitter(masked=masked, max_bytes=MAX_BYTES)
        assert splitter.whole(b"") is None
        assert splitter.feed(b"") == []
