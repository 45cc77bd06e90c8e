"""Sealed recordings: nothing can be read, changed, moved or cut off without the key."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import PeerError
from gateway.limits.recordings import BLOCK_BYTES
from gateway.ops.recordings import sealed_file

KEY = "a-key"


def sealed(plain: bytes, key: str = KEY) -> bytes:
    file = io.BytesIO()
    sink = sealed_file.SealedSink(file, key)
    for at in range(0, len(plain), 10_000):
        sink.write(plain[at : at + 10_000])
    sink.close()
    return file.getvalue()


def opened(data: bytes, *keys: str) -> bytes:
    layout = sealed_file.SealedLayout(len(data))
    begin, upto = layout.span(0, 0)
    seal = sealed_file.seal_of(data[:begin], keys, data[begin:upto], last=layout.chunks == 1)
    return layout.open(seal, 0, data[begin:])


@given(st.integers(0, 3 * BLOCK_BYTES + 1))
def test_what_was_sealed_is_opened(size: int) -> None:
    plain = bytes(size)
    data = sealed(plain)
    assert sealed_file.SealedLayout(len(data)).plain_bytes == size
    assert opened(data, "another-key", KEY) == plain


def test_nothing_of_the_sound_can_be_read() -> None:
    assert b"secret" not in sealed(b"secret" * 1000)


@pytest.mark.parametrize("at", [0, 10, 30, BLOCK_BYTES + 100, -1])
def test_a_changed_byte_is_noticed(at: int) -> None:
    data = bytearray(sealed(bytes(2 * BLOCK_BYTES)))
    data[at] ^= 1
    with pytest.raises(PeerError):
        opened(bytes(data), KEY)


def test_chunks_cannot_be_left_out_or_exchanged() -> None:
    data = sealed(bytes(3 * BLOCK_BYTES))
    block = sealed_file.SEALED_BLOCK_BYTES
    head, chunks = data[:24], [data[24 + n * block :][:block] for n in range(3)]
    for wrong in (chunks[:2], [chunks[0], chunks[2]], [chunks[1], chunks[0], chunks[2]]):
        with pytest.raises(PeerError):
            opened(head + b"".join(wrong), KEY)


def test_a_chunk_of_another_file_does_not_fit() -> None:
    one, other = sealed(bytes(100)), sealed(bytes(100))
    with pytest.raises(PeerError):
        opened(one[:24] + other[24:], KEY)


def test_another_key_opens_nothing() -> None:
    with pytest.raises(PeerError, match="no key"):
        opened(sealed(b"sound"), "another-key")


@pytest.mark.parametrize("size", [0, 10, 24, 30])
def test_a_file_that_is_cut_short_is_refused(size: int) -> None:
    with pytest.raises(PeerError):
        opened(sealed(b"sound")[:size], KEY)


def test_a_part_ends_where_the_process_was_killed() -> None:
    seal = sealed_file.FileSeal(KEY)
    chunks = [bytes([n]) * (100 + n) for n in range(3)]
    data = seal.header + b"".join(
        sealed_file.spooled_chunk(seal, n, chunk) for n, chunk in enumerate(chunks)
    )
    assert list(sealed_file.spooled_chunks(io.BytesIO(data), [KEY])) == chunks
    for cut in (1, 50, 118):
        assert list(sealed_file.spooled_chunks(io.BytesIO(data[:-cut]), [KEY])) == chunks[:2]
    assert list(sealed_file.spooled_chunks(io.BytesIO(data[:10]), [KEY])) == []
    with pytest.raises(PeerError):
        list(sealed_file.spooled_chunks(io.BytesIO(data), ["another-key"]))


def test_the_layout_of_a_sealed_file_stays_as_it_is() -> None:
    """Files of the version before are read by the next one."""
    assert (sealed_file.HEADER_BYTES, sealed_file.TAG_BYTES) == (24, 16)
    for size, chunks in ((0, 1), (1, 1), (BLOCK_BYTES, 1), (BLOCK_BYTES + 1, 2)):
        data = sealed(bytes(size))
        assert len(data) == 24 + size + 16 * chunks
        assert data.startswith(b"GWSEAL\x01\n")
        assert sealed_file.SealedLayout(len(data)).chunks == chunks
    layout = sealed_file.SealedLayout(len(data))
    assert layout.span(0, 1) == (24, 24 + 2 * (BLOCK_BYTES + 16))
    with pytest.raises(PeerError, match="short"):
        sealed_file.SealedLayout(24)
    with pytest.raises(PeerError, match="short"):
        sealed_file.SealedLayout(24 + 15)
    assert sealed_file.SealedLayout(24 + 16).plain_bytes == 0


def test_a_chunk_stands_where_it_stood_and_is_the_last_where_it_was() -> None:
    seal = sealed_file.FileSeal(KEY)
    chunk = seal.seal(7, b"sound", last=False)
    assert seal.open(7, chunk, last=False) == b"sound"
    for number, last in ((8, False), (7, True)):
        with pytest.raises(PeerError):
            seal.open(number, chunk, last=last)
    assert sealed_file.FileSeal(KEY, seal.header).open(7, chunk) == b"sound"


@pytest.mark.parametrize("header", [b"GWSEAL\x01\n", b"GWSEAL\x02\n" + bytes(16), bytes(24)])
def test_a_header_of_another_kind_is_no_header(header: bytes) -> None:
    seal = sealed_file.FileSeal(KEY, header)
    with pytest.raises(PeerError, match="as it should"):
        sealed_file.seal_of(header, [KEY], seal.seal(0, b"sound"), last=False)


@pytest.mark.parametrize(("more", "found"), [(0, 1), (1, 0)])
def test_a_chunk_in_a_spool_has_a_bound(more: int, found: int) -> None:
    seal = sealed_file.FileSeal(KEY)
    plain = bytes(64 * sealed_file.SEALED_BLOCK_BYTES - sealed_file.TAG_BYTES + more)
    data = seal.header + sealed_file.spooled_chunk(seal, 0, plain)
    assert len(list(sealed_file.spooled_chunks(io.BytesIO(data), [KEY]))) == found
