"""A photo as a telephone takes it: on its side, with the place in it, of a part with a number."""

from __future__ import annotations

import io
from functools import cache
from typing import Final

from PIL import Image, ImageDraw

SIZE: Final = (2016, 1512)
_ORIENTATION, _MODEL, _GPS_INFO, _LATITUDE = 0x0112, 0x0110, 0x8825, 2


@cache
def generated() -> bytes:
    """JPEG of about half a megabyte."""
    grain = Image.effect_noise((SIZE[0] // 4, SIZE[1] // 4), 24)
    picture = grain.resize(SIZE, Image.Resampling.BILINEAR).convert("RGB")
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((300, 400, 1700, 1100), 80, fill=(52, 74, 82), outline="white", width=12)
    draw.text((480, 680), "PUMP 4711-B", fill="white", font_size=150)
    exif = Image.Exif()
    exif[_ORIENTATION], exif[_MODEL] = 6, "Practice telephone"
    exif.get_ifd(_GPS_INFO)[_LATITUDE] = (52.0, 30.0, 59.0)
    buffer = io.BytesIO()
    picture.rotate(90, expand=True).save(buffer, "JPEG", quality=88, exif=exif)
    return buffer.getvalue()
