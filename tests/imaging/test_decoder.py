"""A picture comes out upright, small, opaque, and without a word about its owner."""

from __future__ import annotations

import io

import pytest
from pictures import bomb, photo
from PIL import Image

from gateway import limits
from gateway.errors import PeerError
from gateway.imaging.decoder import shrink


def saved(image: Image.Image, kind: str, **how: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


def shrunk(data: bytes, side_px: int = 100) -> Image.Image:
    return Image.open(io.BytesIO(shrink(data, side_px)), formats=("JPEG",))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_photo_is_upright_and_has_lost_its_metadata(kind: str) -> None:
    picture = shrunk(photo(400, 300, kind))
    assert picture.size == (75, 100)
    assert not picture.getexif()


def test_a_comment_is_not_passed_on() -> None:
    picture = shrunk(saved(Image.new("RGB", (90, 60)), "JPEG", comment=b"taken by somebody"))
    assert "comment" not in picture.info


@pytest.mark.parametrize(("mode", "kind"), [("RGBA", "PNG"), ("RGBA", "WEBP"), ("LA", "PNG")])
def test_what_is_transparent_is_white(mode: str, kind: str) -> None:
    assert min(shrunk(saved(Image.new(mode, (40, 40)), kind)).getpixel((20, 20))) > 250  # type: ignore[type-var]


def test_a_palette_is_averaged_as_colours_are() -> None:
    stripes = Image.new("P", (400, 400))
    stripes.putpalette([0, 0, 0, 255, 255, 255])
    stripes.putdata([x % 2 for _ in range(400) for x in range(400)])
    low, high = shrunk(saved(stripes, "PNG")).convert("L").getextrema()
    assert 100 < low <= high < 155  # type: ignore[operator]


def test_a_picture_that_does_not_compress_fits_the_socket() -> None:
    noise = Image.effect_noise((1_024, 1_024), 200)
    assert len(shrink(saved(noise, "PNG"), 1_024)) <= limits.images.IMAGE_SENT_MAX_BYTES


def test_a_panorama_keeps_its_shape() -> None:
    assert shrunk(saved(Image.new("RGB", (20_000, 200)), "JPEG"), 1_000).size == (1_000, 10)


@pytest.mark.parametrize(
    ("data", "most", "kind"),
    [
        (photo(400, 300), 119_999, "too_many_pixels"),
        (bomb(), limits.images.IMAGE_PIXELS_MAX, "too_many_pixels"),
        (photo()[:300], limits.images.IMAGE_PIXELS_MAX, "not_an_image"),
    ],
)
def test_what_cannot_be_shown_is_refused_by_kind(data: bytes, most: int, kind: str) -> None:
    with pytest.raises(PeerError, match=kind):
        shrink(data, 100, most)
