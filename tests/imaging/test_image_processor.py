"""Hostile photos are decoded elsewhere, one at a time, while cameras and the loop go on."""

from __future__ import annotations

import asyncio

import pytest
from hostile_pictures import large_webp, many_scans
from pictures import opened, photo

from gateway.errors import PeerError
from gateway.imaging.image_processor import image_processor


async def test_a_flood_of_hostile_photos_does_not_hold_up_a_camera() -> None:
    ended: list[str] = []
    images = image_processor(ended.append, lambda: None)
    hostile = [large_webp(), many_scans(2_000, 1_000), photo()[:300]] * 5
    flood = [asyncio.create_task(images.shrink_photo(data)) for data in hostile]
    try:
        frame = opened(await images.shrink_frame(photo(1_280, 720)))
        assert max(frame.size) == 768
        refused = await asyncio.gather(*flood, return_exceptions=True)
        kinds = [one.kind for one in refused if isinstance(one, PeerError)]
        assert kinds == ["too_many_pixels", "too_many_scans", "not_an_image"] * 5
        assert images.photos.pid not in {None, images.frames.pid}
        assert not ended
    finally:
        await images.close()


async def test_a_frame_is_smaller_than_a_photo() -> None:
    images = image_processor(lambda _: None, lambda: None)
    try:
        with pytest.raises(PeerError, match="too_many_pixels"):
            await images.shrink_frame(photo(2_000, 1_500))
    finally:
        await images.close()
