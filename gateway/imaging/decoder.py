"""Decodes a picture and makes it small; runs in the worker process only.

The vendor documents PNG and JPEG as data URIs and no size. A picture shares the model's socket
with the caller's voice, so it must not hold that up; and a photo's metadata names place and owner.
"""

from __future__ import annotations

import io
import warnings
from math import ceil
from typing import Final

from PIL import Image, ImageOps

from gateway import limits
from gateway.errors import PeerError
from gateway.imaging.picture_header import FORMATS, PictureHeader, check_pixels, read_header

_QUALITIES: Final = (85, 70, 50, 30)
_ORIENTATION: Final = 0x0112
_TINY: Final = ("PNG", "JPEG", "MPO", "WEBP")


def warm_up() -> None:
    """Load every module that a picture may need: the worker opens no file afterwards."""
    exif = Image.Exif()
    exif[_ORIENTATION] = 6
    for kind in _TINY:
        buffer = io.BytesIO()
        Image.new("RGB", (16, 8)).save(buffer, kind, exif=exif)
        shrink(buffer.getvalue(), 4)


def shrink(data: bytes, side_px: int, pixels_max: int = limits.images.IMAGE_PIXELS_MAX) -> bytes:
    """Return the first frame as a JPEG: upright, on white where transparent, without metadata.

    Raises PeerError: `not_an_image`, `too_many_pixels`, `too_many_scans`, `heic`, `pdf`,
    `unreadable` when memory does not suffice.
    """
    header = read_header(data)
    check_pixels(header, pixels_max)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                # As the decoder sees it, should the two ever differ.
                seen = PictureHeader(
                    header.format, image.width, image.height, header.scans, header.buffered
                )
                check_pixels(seen, pixels_max)
                return _encoded(_plain(image, side_px))
    except PeerError:
        raise
    except Image.DecompressionBombError as error:
        raise PeerError("too_many_pixels") from error
    except MemoryError as error:
        raise PeerError("unreadable", "out of memory") from error
    except Exception as error:  # what a damaged picture makes of a decoder has no common type
        raise PeerError("not_an_image", type(error).__name__) from error


def _plain(image: Image.Image, side_px: int) -> Image.Image:
    shrunk = min(1.0, side_px / max(image.size))
    # A JPEG is decoded at a half, a quarter or an eighth, at no cost in memory.
    image.draft(None, (ceil(image.width * shrunk), ceil(image.height * shrunk)))
    if image.mode in {"1", "P", "PA"}:  # colours of a palette cannot be averaged
        picture = image.convert("RGBA" if image.has_transparency_data else "RGB")
    else:
        picture = image
    # Small first: turning makes a copy.
    picture.thumbnail((side_px, side_px))
    picture = ImageOps.exif_transpose(picture)
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")


def _encoded(picture: Image.Image) -> bytes:
    picture.info.clear()  # a JPEG's comment would be written again
    while True:
        for quality in _QUALITIES:
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=quality)
            if buffer.tell() <= limits.images.IMAGE_SENT_MAX_BYTES:
                return buffer.getvalue()
        picture = picture.resize((max(1, picture.width // 2), max(1, picture.height // 2)))
