"""What a picture says of itself is what a decoder will see, and beyond a bound it is refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import product

import pytest
from hostile_pictures import large_webp, many_scans, wide_jpeg
from hypothesis import given
from hypothesis import strategies as st
from pictures import HEIC, PDF, bomb, photo
from PIL import Image

from gateway import limits
from gateway.errors import PeerError
from gateway.imaging.picture_header import PictureHeader, check_pixels, read_header


def saved(kind: str, mode: str = "RGB", size: tuple[int, int] = (300, 200), **how: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind, **how)
    return buffer.getvalue()


EXIF = b"Exif\0\0II*\0\x08\0\0\0\0\0"
MAGIC = [b"\xff\xd8", b"RIFF\0\0\0\0WEBP", b"\x89PNG\r\n\x1a\n"]


# Drawn when a test wants them: every worker collects these lines, and few run them.
Draw = Callable[[], bytes]
PICTURES: dict[str, tuple[Draw, PictureHeader]] = {
    "png": (lambda: saved("PNG"), PictureHeader("PNG", 300, 200)),
    "webp": (lambda: saved("WEBP"), PictureHeader("WEBP", 300, 200)),
    "lossless": (lambda: saved("WEBP", lossless=True), PictureHeader("WEBP", 300, 200)),
    "alpha": (lambda: saved("WEBP", "RGBA", exif=EXIF), PictureHeader("WEBP", 300, 200)),
    "jpeg": (lambda: saved("JPEG"), PictureHeader("JPEG", 300, 200)),
    "progressive-grey": (
        lambda: saved("JPEG", "L", progressive=True),
        PictureHeader("JPEG", 300, 200, 6, True),
    ),
    "progressive": (
        lambda: saved("JPEG", progressive=True),
        PictureHeader("JPEG", 300, 200, 10, True),
    ),
    "photo": (photo, PictureHeader("JPEG", 400, 300)),
}


@pytest.mark.parametrize(("draw", "header"), PICTURES.values(), ids=PICTURES)
def test_format_size_and_scans_are_read(draw: Draw, header: PictureHeader) -> None:
    assert read_header(draw()) == header


NO_PICTURES: dict[str, tuple[Draw, str]] = {
    "pdf": (lambda: PDF, "pdf"),
    "heic": (lambda: HEIC, "heic"),
    "nothing": (lambda: b"", "not_an_image"),
    "html": (lambda: b"<html>", "not_an_image"),
    "gif": (lambda: saved("GIF"), "not_an_image"),
    "bmp": (lambda: saved("BMP"), "not_an_image"),
    "jpeg-without-size": (lambda: b"\xff\xd8\xff\xd9", "not_an_image"),
    "half-a-photo": (lambda: photo()[:20], "not_an_image"),
    "half-a-webp": (lambda: saved("WEBP")[:18], "not_an_image"),
    "half-a-png": (lambda: saved("PNG")[:18], "not_an_image"),
    "comments": (lambda: b"\xff\xd8" + b"\xff\xfe\x00\x02" * 5_000, "not_an_image"),
    "lossless-jpeg": (
        lambda: saved("JPEG").replace(b"\xff\xc0", b"\xff\xc3"),
        "not_an_image",
    ),
    "many-scans": (lambda: many_scans(limits.images.JPEG_SCANS_MAX, 16), "too_many_scans"),
}


@pytest.mark.parametrize(("draw", "kind"), NO_PICTURES.values(), ids=NO_PICTURES)
def test_what_is_no_picture_of_ours_is_refused_by_kind(draw: Draw, kind: str) -> None:
    with pytest.raises(PeerError) as caught:
        read_header(draw())
    assert caught.value.kind == kind


def test_as_many_scans_as_the_bound_pass() -> None:
    header = read_header(many_scans(limits.images.JPEG_SCANS_MAX - 6, 16))
    assert header.scans == limits.images.JPEG_SCANS_MAX


def test_a_preview_in_the_metadata_is_not_the_picture() -> None:
    preview = saved("JPEG", size=(16, 16), progressive=True)
    data = saved("JPEG", exif=b"Exif\0\0" + preview)
    assert read_header(data) == PictureHeader("JPEG", 300, 200)


def test_what_a_telephone_appends_is_not_read() -> None:
    assert read_header(photo() + many_scans(100, 16)).scans == 1


def test_restarts_do_not_end_a_scan() -> None:
    data = saved("JPEG", restart_marker_blocks=1)
    assert b"\xff\xd0" in data
    assert read_header(data).scans == 1


@pytest.mark.parametrize(
    "draw",
    [large_webp, bomb, lambda: wide_jpeg(60_000, 60_000), lambda: wide_jpeg(5_000, 5_000)],
    ids=["webp", "png", "wide", "wide-enough"],
)
def test_too_many_pixels_are_refused(draw: Draw) -> None:
    with pytest.raises(PeerError, match="too_many_pixels"):
        check_pixels(read_header(draw()))


@pytest.mark.parametrize(
    ("kind", "buffered"), [*product(("JPEG", "PNG", "WEBP"), [False]), ("JPEG", True)]
)
def test_photos_of_twelve_megapixels_pass(kind: str, buffered: bool) -> None:
    check_pixels(PictureHeader(kind, 4_032, 3_024, buffered=buffered))


@given(st.binary(max_size=64), st.sampled_from(MAGIC))
def test_any_bytes_end_in_a_header_or_a_refusal(tail: bytes, magic: bytes) -> None:
    kinds = set()
    try:
        read_header(magic + tail)
    except PeerError as error:
        kinds.add(error.kind)
    assert kinds <= {"not_an_image", "heic", "pdf"}
