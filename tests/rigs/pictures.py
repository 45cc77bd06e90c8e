"""Pictures as telephones make them, and as nobody should."""

from __future__ import annotations

import io
import zlib
from base64 import b64decode
from struct import pack

from PIL import Image

GPS_INFO, ORIENTATION, MODEL = 0x8825, 0x0112, 0x0110
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + b"\x00" * 64


def photo(width: int = 400, height: int = 300, kind: str = "JPEG", colour: str = "teal") -> bytes:
    """Taken with the telephone on its side, by somebody, somewhere."""
    exif = Image.Exif()
    exif[ORIENTATION], exif[MODEL] = 6, "A telephone"
    exif.get_ifd(GPS_INFO)[2] = (52.0, 30.0, 0.0)
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, kind, exif=exif)
    return buffer.getvalue()


def bomb() -> bytes:
    """A small PNG of 40,000 by 40,000 pixels."""
    raw = zlib.compress(b"\x00" * 5001 * 100, 9)
    header = pack(">IIBBBBB", 40_000, 40_000, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", raw), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        pack(">I", len(data)) + name + data + pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def opened(data_uri: str) -> Image.Image:
    head, _, data = data_uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(b64decode(data, validate=True)), formats=("JPEG",))
