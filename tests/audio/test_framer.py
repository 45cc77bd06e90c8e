"""Units out of ragged deltas."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audio.framer import Framer


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(1, 17))
def test_no_byte_is_lost_and_only_whole_units_leave(deltas: list[bytes], unit: int) -> None:
    framer = Framer(unit)
    out = [framer.push(delta) for delta in deltas]
    whole = b"".join(deltas)
    assert all(len(piece) % unit == 0 for piece in out)
    assert b"".join(out) == whole[: len(whole) // unit * unit]
    assert framer.pending == len(whole) % unit


def test_whole_units_pass_through_as_the_same_object() -> None:
    data = bytes(320)
    assert Framer(160).push(data) is data


def test_flush_fills_the_rest_with_the_pad() -> None:
    framer = Framer(8)
    framer.push(b"abc")
    assert framer.flush(b"\xff") == b"abc\xff\xff\xff\xff\xff"
    assert framer.pending == 0
    assert framer.flush(b"\xff") == b""


@pytest.mark.parametrize(("rest", "flushed"), [(b"abc", b"ab\0\0\0\0\0\0"), (b"a", b"")])
def test_flush_drops_a_torn_sample(rest: bytes, flushed: bytes) -> None:
    framer = Framer(8)
    framer.push(rest)
    assert framer.flush(b"\0\0") == flushed
    assert framer.pending == 0


def test_reset_drops_the_rest() -> None:
    framer = Framer(8)
    framer.push(b"abc")
    framer.reset()
    assert framer.push(b"12345678") == b"12345678"
