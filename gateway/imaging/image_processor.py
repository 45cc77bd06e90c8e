"""Photos and camera frames made small for the model, each kind by a worker process of its own."""

from __future__ import annotations

from collections.abc import Callable

from gateway import limits
from gateway.imaging.worker_process import CAMERA_BOUNDS, PHOTO_BOUNDS, ImageWorker


class ImageProcessor:
    """Two workers: a photo that takes its time does not hold up anybody's camera."""

    def __init__(self, photos: ImageWorker, frames: ImageWorker) -> None:
        self.photos, self.frames = photos, frames

    async def shrink_photo(self, data: bytes) -> str:
        """Return a photo as the data URI of a small JPEG. Raises PeerError."""
        return await self.photos.shrink(data, limits.images.IMAGE_SIDE_MAX_PX)

    async def shrink_frame(self, data: bytes) -> str:
        """Return a frame of the camera as the data URI of a small JPEG. Raises PeerError."""
        return await self.frames.shrink(data, limits.images.CAMERA_SIDE_MAX_PX)

    async def close(self) -> None:
        """End both workers."""
        await self.photos.close()
        await self.frames.close()


def image_processor(ended: Callable[[str], None]) -> ImageProcessor:
    """Return the product's processor; `ended` hears why a worker was replaced."""
    return ImageProcessor(ImageWorker(PHOTO_BOUNDS, ended), ImageWorker(CAMERA_BOUNDS, ended))
