"""Pictures that cost a decoder far more than they weigh."""

from __future__ import annotations

import io
from struct import pack

from PIL import Image


def large_webp(side_px: int = 8_000) -> bytes:
    """A few kilobytes in one colour, a gigabyte when it is decoded."""
    buffer = io.BytesIO()
    Image.new("RGB", (side_px, side_px), "teal").save(buffer, "WEBP", method=0)
    return buffer.getvalue()


def many_scans(scans: int, side_px: int = 4_000) -> bytes:
    """A progressive JPEG that ends in scans with nothing in them but their headers."""
    buffer = io.BytesIO()
    Image.new("L", (side_px, side_px), 128).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    # Spectral selection 1 to 63, first bit of all: every block is visited, at no bytes.
    scan = b"\xff\xda" + pack(">HBBBBBB", 8, 1, 1, 0, 1, 63, 0x01)
    return data[:-2] + scan * scans + b"\xff\xd9"


def wide_jpeg(width: int, height: int) -> bytes:
    """A JPEG whose header promises another size than it has."""
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16)).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    at = data.index(b"\xff\xc2") + 5
    return data[:at] + pack(">HH", height, width) + data[at + 4 :]
