"""Photos and camera frames made small for the model, each kind by a worker process of its own."""

from __future__ import annotations

from collections.abc import Callable

from gateway import limits
from gateway.imaging.upload_budget import UploadBudget
from gateway.imaging.worker_process import CAMERA_BOUNDS, PHOTO_BOUNDS, ImageWorker


class ImageProcessor:
    """Two workers: a photo that takes its time does not hold up anybody's camera."""

    def __init__(self, photos: ImageWorker, frames: ImageWorker, uploads: UploadBudget) -> None:
        self.photos, self.frames, self.uploads = photos, frames, uploads

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


def image_processor(ended: Callable[[str], None], refused: Callable[[], None]) -> ImageProcessor:
    """Return a processor with the product's bounds.

    `ended` is called with the reason when a worker is replaced, `refused` when the bytes of all
    uploads reach their bound.
    """
    return ImageProcessor(
        ImageWorker(PHOTO_BOUNDS, ended), ImageWorker(CAMERA_BOUNDS, ended), UploadBudget(refused)
    )
