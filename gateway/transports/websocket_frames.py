"""Fast path of a WebSocket: whole, unfragmented text frames, read and written in one step.

Nearly every frame of a call is one, and the library's general parser costs more than all else that
is done with it. Everything other than such a frame (control frames, fragments, oversized ones,
protocol errors) is left, byte for byte, to the library's state machine. RFC 6455, section 5.2.
"""

from __future__ import annotations

import os
import struct
from typing import Final

try:
    from websockets.speedups import apply_mask
except ImportError:  # no wheel for this platform: slower, but the same
    from websockets.utils import apply_mask

_TEXT_FIN: Final = 0x81
_FIN: Final = 0x80
_OPCODE: Final = 0x0F
_LAST_DATA_OPCODE: Final = 0x02
_MASKED: Final = 0x80
_HEAD_MAX_BYTES: Final = 14
_SHORT_MAX_BYTES: Final = 125
_KEYS_AT_ONCE: Final = 128
# Made once: Python 3.11 makes a slice anew wherever one is written out.
_FIRST_2: Final = slice(2)
_FIRST_4: Final = slice(4)
_FROM_4: Final = slice(4, None)
_KEY_AFTER_4: Final = slice(4, 8)
_FROM_8: Final = slice(8, None)
_head_16 = struct.Struct("!BBH").pack
_split_keys = struct.Struct("4s" * _KEYS_AT_ONCE).unpack


class FrameSplitter:
    """Cut a byte stream at frame boundaries.

    `masked` says whether the peer must mask (it is a client). A frame longer than `max_bytes` is
    handed out unfinished, for the library to refuse.
    """

    __slots__ = (
        "_buffer",
        "_head",
        "_head_16",
        "_in_parts",
        "_mask",
        "_max_bytes",
        "_short_max_bytes",
        "_size",
        "_wanted",
    )

    def __init__(self, *, masked: bool, max_bytes: int) -> None:
        self._buffer = bytearray()
        self._mask = _MASKED if masked else 0
        # How nearly every frame begins: whole, text, with a length of 16 bits.
        self._head_16 = bytes((_TEXT_FIN, self._mask | 126))
        self._size: int | None = None
        self._head = b""
        """Of the last whole frame: its length and its first four bytes."""
        self._max_bytes = max_bytes
        self._short_max_bytes = min(_SHORT_MAX_BYTES, max_bytes)
        self._in_parts = False
        """Between the fragments of a message, where no other may stand (section 5.4)."""
        self._wanted = 0
        """Length of the frame that the buffer holds the beginning of; 0 while it is not known."""

    def whole(self, data: bytes) -> bytes | None:
        """Return the payload, where `data` is one text message and nothing else, as nearly always.

        None: nothing was taken, and `feed` is to have it.
        """
        size = len(data)
        if self._buffer or self._in_parts:
            return None
        if size != self._size or data[_FIRST_4] != self._head:
            # Not as long as the one before, which nearly every frame is.
            if size < _HEAD_MAX_BYTES:
                return None
            if data[_FIRST_2] != self._head_16:
                return self._short(data, size)
            length = data[2] << 8 | data[3]
            if length > self._max_bytes or size != length + (8 if self._mask else 4):
                return None
            self._size, self._head = size, data[_FIRST_4]
        return apply_mask(data[_FROM_8], data[_KEY_AFTER_4]) if self._mask else data[_FROM_4]

    def _short(self, data: bytes, size: int) -> bytes | None:
        """Return the payload of a whole text frame with a length of 7 bits, such as a mark's."""
        head = 6 if self._mask else 2
        length = size - head
        if length > self._short_max_bytes or data[0] != _TEXT_FIN or data[1] != self._mask | length:
            return None
        return apply_mask(data[6:], data[2:6]) if self._mask else data[2:]

    def feed(self, data: bytes) -> list[tuple[bool, bytes]]:
        """Return (True, payload of a whole text message) or (False, raw bytes for the library)."""
        parts: list[tuple[bool, bytes]] = []
        buffer = self._buffer
        if buffer:
            buffer += data
            if len(buffer) < self._wanted:
                return parts
            data = bytes(buffer)
            buffer.clear()
        self._wanted = 0
        start, end = 0, len(data)
        while end - start >= 2:
            first, second = data[start], data[start + 1]
            length, head = second & 0x7F, 2
            if length == 126:
                head = 4
                # Sums, here and in `whole`: the keyword of `from_bytes` costs four times as much.
                length = data[start + 2] << 8 | data[start + 3] if end - start >= 4 else 0
            elif length == 127:
                head = 10
                length = int.from_bytes(data[start + 2 : start + 10], "big")
            if second & _MASKED:
                head += 4
            if end - start < head:
                break
            body, stop = start + head, start + head + length
            if length > self._max_bytes:
                parts.append((False, data[start:]))
                return parts
            if stop > end:
                self._wanted = stop - start
                break
            plain = first == _TEXT_FIN and second & _MASKED == self._mask
            if plain and not self._in_parts:
                payload = data[body:stop]
                if self._mask:
                    payload = apply_mask(payload, data[body - 4 : body])
                parts.append((True, payload))
            else:
                if first & _OPCODE <= _LAST_DATA_OPCODE:
                    self._in_parts = not first & _FIN
                parts.append((False, data[start:stop]))
            start = stop
        if start < end:
            buffer += data[start:]
        return parts


def text_frame(payload: bytes) -> bytes:
    """Return a whole text frame as a server sends it."""
    length = len(payload)
    if 126 <= length < 65536:
        return _head_16(_TEXT_FIN, 126, length) + payload
    return _head(length, 0) + payload


class ClientFrames:
    """Writer of whole text frames of a client: masked, each with an unpredictable key."""

    __slots__ = ("_head", "_keys", "_length", "_next_key")

    def __init__(self) -> None:
        self._keys: list[bytes] = []
        self._next_key = self._keys.pop
        self._length, self._head = 0, _head(0, _MASKED)
        """Header of the last frame: most are as long as the one before."""

    def text_frame(self, payload: bytes) -> bytes:
        next_key = self._next_key
        try:
            key = next_key()
        except IndexError:
            self._keys += _new_keys()
            key = next_key()
        if len(payload) != self._length:
            self._length = length = len(payload)
            self._head = _head(length, _MASKED)
        return self._head + key + apply_mask(payload, key)


def _new_keys() -> list[bytes]:
    """Return many mask keys, of one system call."""
    return list(_split_keys(os.urandom(4 * _KEYS_AT_ONCE)))


def _head(length: int, mask: int) -> bytes:
    if length < 126:
        return bytes((_TEXT_FIN, mask | length))
    if length < 65536:
        return _head_16(_TEXT_FIN, mask | 126, length)
    return bytes((_TEXT_FIN, mask | 127)) + length.to_bytes(8, "big")
