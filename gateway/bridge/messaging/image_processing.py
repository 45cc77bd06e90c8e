"""Conversion of pictures for the model: checked by their content, and made small.

The vendor documents PNG and JPEG as data URIs and no size. A picture shares the model's socket
with the caller's voice, so it must not delay that. The metadata of a photo may hold its place and
owner, so it is removed.
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
"""File type brands of ISO/IEC 23008-12 and of AVIF."""
_QUALITIES: Final = (85, 70, 50, 30)


class ImageProcessor:
    """Conversion beside the event loop, of few pictures at a time: a large one takes megabytes."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(limits.images.IMAGES_AT_ONCE_MAX)

    async def develop(self, data: bytes, side_px: int = limits.images.IMAGE_SIDE_MAX_PX) -> str:
        """Convert a picture to a JPEG, as a data URI.

        Raises PeerError: `not_an_image`, `too_many_pixels`, `heic`, `pdf`.
        """
        async with self._slots:
            jpeg = await asyncio.to_thread(shrunk, data, side_px)
        return f"data:image/jpeg;base64,{b64encode(jpeg).decode()}"


def shrunk(data: bytes, side_px: int = limits.images.IMAGE_SIDE_MAX_PX) -> bytes:
    """Return the first frame as a JPEG: upright, on white where transparent, without metadata."""
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
    except Exception as error:  # decoders raise anything on a damaged picture
        raise PeerError("not_an_image") from error
    return _encoded(picture)


def _other_kind(data: bytes) -> str | None:
    """Return the kind of a file that people send as a picture and that is not supported."""
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
