"""Encryption of recordings in chunks: each authentic by itself, in its place and in its file.

AES-256-GCM with a key for each file, derived from one of `GATEWAY_STORE_KEY` and a salt in the
file's header. The nonce of a chunk is its number, and says whether it is the last: no chunk can be
changed, moved, left out at the end or taken from another file (the STREAM construction of Hoang,
Reyhanitabar, Rogaway and Vizar, 2015). A part in the spool, which may end anywhere, has a length
before each chunk and no last one.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.audio.sound_files import ByteSink
from gateway.errors import PeerError
from gateway.limits.recordings import BLOCK_BYTES

_MAGIC: Final = b"GWSEAL\x01\n"
_SALT_BYTES: Final = 16
HEADER_BYTES: Final = len(_MAGIC) + _SALT_BYTES
TAG_BYTES: Final = 16
SEALED_BLOCK_BYTES: Final = BLOCK_BYTES + TAG_BYTES
_LENGTH: Final = struct.Struct(">I")


def _key(secret: str, salt: bytes) -> AESGCM:
    derived = HKDF(SHA256(), 32, salt, b"gateway recording")
    return AESGCM(derived.derive(secret.encode()))


def _nonce(number: int, last: bool) -> bytes:
    return struct.pack(">3xQB", number, last)


class FileSeal:
    """The key of one file, and what stands before its chunks."""

    def __init__(self, secret: str, header: bytes = b"") -> None:
        self.header = header or _MAGIC + secrets.token_bytes(_SALT_BYTES)
        self._key = _key(secret, self.header[len(_MAGIC) :])

    def seal(self, number: int, plain: bytes, *, last: bool = False) -> bytes:
        return self._key.encrypt(_nonce(number, last), plain, self.header)

    def open(self, number: int, sealed: bytes, *, last: bool = False) -> bytes:
        """Raises PeerError for a chunk that does not stand here, or was changed."""
        try:
            return self._key.decrypt(_nonce(number, last), sealed, self.header)
        except InvalidTag:
            raise PeerError("unreadable", "a chunk of a recording is not what was sealed") from None


class SealedSink:
    """Seals what is written to it, in chunks of one size; `close` writes the last."""

    def __init__(self, sink: ByteSink, secret: str) -> None:
        self._sink, self._seal = sink, FileSeal(secret)
        self._pending, self._number = bytearray(), 0
        sink.write(self._seal.header)

    def write(self, data: bytes) -> None:
        self._pending += data
        while len(self._pending) > BLOCK_BYTES:  # the last one is known by `close` only
            self._put(bytes(self._pending[:BLOCK_BYTES]), last=False)
            del self._pending[:BLOCK_BYTES]

    def close(self) -> None:
        self._put(bytes(self._pending), last=True)

    def _put(self, plain: bytes, *, last: bool) -> None:
        self._sink.write(self._seal.seal(self._number, plain, last=last))
        self._number += 1


class SealedLayout:
    """Where the chunks of a sealed file of this size are, and how long it is in plain."""

    def __init__(self, sealed_bytes: int) -> None:
        """Raises PeerError for a size that no sealed file has."""
        body = sealed_bytes - HEADER_BYTES
        self.chunks = -(-body // SEALED_BLOCK_BYTES)
        self.plain_bytes = body - self.chunks * TAG_BYTES
        if self.chunks < 1 or self.plain_bytes < 0:
            raise PeerError("unreadable", "a sealed recording is cut short")

    def span(self, first: int, last: int) -> tuple[int, int]:
        """Return from which byte to which chunks `first` to `last` stand in the file."""
        begin = HEADER_BYTES + first * SEALED_BLOCK_BYTES
        return begin, HEADER_BYTES + (last + 1) * SEALED_BLOCK_BYTES

    def open(self, seal: FileSeal, first: int, sealed: bytes) -> bytes:
        """Return the plain bytes of the chunks from `first` on."""
        plain = []
        for offset in range(0, len(sealed), SEALED_BLOCK_BYTES):
            number = first + offset // SEALED_BLOCK_BYTES
            chunk = sealed[offset : offset + SEALED_BLOCK_BYTES]
            plain.append(seal.open(number, chunk, last=number == self.chunks - 1))
        return b"".join(plain)


def seal_of(header: bytes, keys: Sequence[str], first: bytes, *, last: bool) -> FileSeal:
    """Return the seal of a file by its header, with the key that opens its first chunk.

    Raises PeerError.
    """
    if len(header) != HEADER_BYTES or not header.startswith(_MAGIC):
        raise PeerError("unreadable", "a recording is not sealed as it should be")
    for secret in keys:
        seal = FileSeal(secret, header)
        try:
            seal.open(0, first, last=last)
        except PeerError:
            continue
        return seal
    raise PeerError("unreadable", "no key of GATEWAY_STORE_KEY opens a recording")


# --- Parts in the spool: chunks of any length, each behind its length ---


def spooled_chunk(seal: FileSeal, number: int, plain: bytes) -> bytes:
    sealed = seal.seal(number, plain)
    return _LENGTH.pack(len(sealed)) + sealed


def spooled_chunks(file: BinaryIO, keys: Sequence[str]) -> Iterator[bytes]:
    """Yield the chunks of a sealed part; one that was cut off by the end is left out.

    Raises PeerError if none of the keys opens it.
    """
    header = file.read(HEADER_BYTES)
    seal, number = None, 0
    while (sealed := _next_chunk(file)) is not None:
        if seal is None:
            seal = seal_of(header, keys, sealed, last=False)
        yield seal.open(number, sealed)
        number += 1


def _next_chunk(file: BinaryIO) -> bytes | None:
    head = file.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    sealed = file.read(length) if length <= 64 * SEALED_BLOCK_BYTES else b""
    return sealed if len(sealed) == length else None
