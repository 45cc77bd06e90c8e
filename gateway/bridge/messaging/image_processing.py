"""Pictures for the model: what they are is seen from their content, and they are made small.

The vendor documents PNG and JPEG as data URIs and no size. A picture shares the model's socket
with the caller's voice, so it must not hold that up; and a photo tells its place and owner in
its metadata, which is nobody's business here.
"""

from __future__ import annotations

import asyncio
import io
import warnings
from base64 import b64encode
from typing import Final

from PIL import Image, ImageOps

from gateway import limits
from gateway.errors import PeerError

_FORMATS: Final = ("PNG", "JPEG", "WEBP")
_HEIC: Final = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1", b"avif")
"""Brands of ISO/IEC 23008-12 and its kin."""
_QUALITIES: Final = (85, 70, 50, 30)


class ImageProcessor:
    """Beside the event loop, and few at a time: a large picture is tens of megabytes unpacked."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(limits.images.IMAGES_AT_ONCE_MAX)

    async def develop(self, data: bytes, side_px: int = limits.images.IMAGE_SIDE_MAX_PX) -> str:
        """The picture as a data URI of a JPEG.

        Raises PeerError: `not_an_image`, `too_many_pixels`, `heic`, `pdf`.
        """
        async with self._places:
            jpeg = await asyncio.to_thread(shrunk, data, side_px)
        return f"data:image/jpeg;base64,{b64encode(jpeg).decode()}"


def shrunk(data: bytes, side_px: int = limits.images.IMAGE_SIDE_MAX_PX) -> bytes:
    """The first frame, upright, on white where it is transparent, without metadata."""
    if other := _other_kind(data):
        raise PeerError(other)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                if image.width * image.height > limits.images.IMAGE_PIXELS_MAX:
                    raise PeerError("too_many_pixels")
                image.draft("RGB", (side_px, side_px))
                picture = _plain(image, side_px)
    except PeerError:
        raise
    except Image.DecompressionBombError as error:
        raise PeerError("too_many_pixels") from error
    except Exception as error:  # what a damaged picture makes of a decoder has no common type
        raise PeerError("not_an_image") from error
    return _encoded(picture)


def _other_kind(data: bytes) -> str | None:
    """What people send for a picture, and a model cannot see."""
    if data.startswith(b"%PDF-"):
        return "pdf"
    return "heic" if data[4:8] == b"ftyp" and data[8:12] in _HEIC else None


def _plain(image: Image.Image, side_px: int) -> Image.Image:
    image = ImageOps.exif_transpose(image)
    image.thumbnail((side_px, side_px))
    if not image.has_transparency_data:
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")


def _encoded(picture: Image.Image) -> bytes:
    while True:
        for quality in _QUALITIES:
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=quality)
            if buffer.tell() <= limits.images.IMAGE_SENT_MAX_BYTES:
                return buffer.getvalue()
        picture = picture.resize((max(1, picture.width // 2), max(1, picture.height // 2)))
