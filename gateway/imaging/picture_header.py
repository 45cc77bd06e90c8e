"""Headers of pictures, read before a decoder sees them and held against the bounds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from gateway import limits
from gateway.errors import PeerError

_HEIF_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1", b"avif"}
)
"""ISO/IEC 23008-12 and its kin."""
_PIXELS_MAX: Final = {
    "JPEG": limits.images.IMAGE_PIXELS_MAX,
    "PNG": limits.images.PNG_PIXELS_MAX,
    "WEBP": limits.images.WEBP_PIXELS_MAX,
}
FORMATS: Final = tuple(_PIXELS_MAX)

_SOI, _EOI, _SOS, _TEM, _RST0, _SOF2 = 0xD8, 0xD9, 0xDA, 0x01, 0xD0, 0xC2
_ALONE: Final = frozenset({_TEM, _SOI, *range(_RST0, _RST0 + 8)})
"""Markers without a length (ITU-T T.81, B.1.1.3)."""
_FRAMES: Final = frozenset({0xC0, 0xC1, _SOF2})
"""Baseline, extended and progressive with Huffman codes: what cameras write."""
_OTHER_FRAMES: Final = frozenset({*range(0xC3, 0xD0)} - {0xC4, 0xC8, 0xCC})
_AFTER_SCAN: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""The marker that ends entropy-coded data: neither a stuffed byte nor a restart."""


@dataclass(frozen=True, slots=True)
class PictureHeader:
    """Format and size of a picture, and in how many scans it is written."""

    format: str
    width: int
    height: int
    scans: int = 1
    buffered: bool = False
    """A JPEG whose coefficients the decoder has in memory all at once."""


def read_header(data: bytes) -> PictureHeader:
    """Return the header of a PNG, JPEG or WebP.

    Raises PeerError: `not_an_image`, `heic`, `pdf`, `too_many_scans`.
    """
    if data.startswith(b"%PDF-"):
        raise PeerError("pdf")
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        raise PeerError("heic")
    try:
        if data.startswith(b"\xff\xd8"):
            return _jpeg(data)
        if data.startswith(b"\x89PNG\r\n\x1a\n") and data[12:16] == b"IHDR":
            return PictureHeader("PNG", _big(data, 16, 4), _big(data, 20, 4))
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _webp(data)
    except IndexError:
        raise PeerError("not_an_image", "it ends in its header") from None
    raise PeerError("not_an_image")


def check_pixels(header: PictureHeader, most: int = limits.images.IMAGE_PIXELS_MAX) -> None:
    """Raise PeerError (`too_many_pixels`, `not_an_image`) for a size beyond the format's bound."""
    pixels = header.width * header.height
    if pixels == 0:
        raise PeerError("not_an_image", "it has no pixels")
    if header.buffered:
        most = min(most, limits.images.PROGRESSIVE_PIXELS_MAX)
    if pixels > min(most, _PIXELS_MAX[header.format]):
        raise PeerError("too_many_pixels")


def _jpeg(data: bytes) -> PictureHeader:
    """Walk the markers as a decoder does, to the end of the image: telephones append films."""
    at, scans, width, height, components = 2, 0, 0, 0, 0
    buffered = False
    for _ in range(limits.images.JPEG_SEGMENTS_MAX):
        at = data.find(b"\xff", at)
        while at >= 0 and data[at : at + 1] == b"\xff":
            at += 1
        if at < 0 or at >= len(data) or data[at] == _EOI:
            break
        marker, at = data[at], at + 1
        if marker in _ALONE or marker == 0:
            continue
        length = _big(data, at, 2)
        if length < 2 or marker in _OTHER_FRAMES:
            raise PeerError("not_an_image", f"marker {marker:#x}")
        if marker in _FRAMES:
            if components:
                raise PeerError("not_an_image", "two frames")
            height, width, components = _big(data, at + 3, 2), _big(data, at + 5, 2), data[at + 7]
            buffered = marker == _SOF2
        at += length
        if marker != _SOS:
            continue
        scans += 1
        if scans > limits.images.JPEG_SCANS_MAX:
            raise PeerError("too_many_scans")
        # A scan of some of the components: the others come in scans of their own.
        buffered = buffered or scans > 1 or data[at - length + 2] < components
        end = _AFTER_SCAN.search(data, at)
        if end is None:
            break
        at = end.start()
    else:
        raise PeerError("not_an_image", "too many segments")
    if not scans or not components:
        raise PeerError("not_an_image", "no frame, or no scan")
    return PictureHeader("JPEG", width, height, scans, buffered)


def _webp(data: bytes) -> PictureHeader:
    """RFC 9649: the canvas of an extended file, or the frame of a simple one."""
    kind = data[12:16]
    if kind == b"VP8X":
        return PictureHeader("WEBP", _little(data, 24, 3) + 1, _little(data, 27, 3) + 1)
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        return PictureHeader("WEBP", _little(data, 26, 2) & 0x3FFF, _little(data, 28, 2) & 0x3FFF)
    if kind == b"VP8L" and data[20] == 0x2F:
        bits = _little(data, 21, 4)
        return PictureHeader("WEBP", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    raise PeerError("not_an_image", "a WebP without a picture")


def _big(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(_piece(data, at, size), "big")


def _little(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(_piece(data, at, size), "little")


def _piece(data: bytes, at: int, size: int) -> bytes:
    piece = data[at : at + size]
    if len(piece) < size:
        raise IndexError
    return piece
