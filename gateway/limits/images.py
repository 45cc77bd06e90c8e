"""Bounds of pictures and of the caller's camera."""

from __future__ import annotations

from gateway.limits.sockets import MODEL_BACKLOG_MAX_BYTES

IMAGE_BODY_MAX_BYTES = 12 << 20
"""An unscaled photo of a telephone."""
IMAGE_PIXELS_MAX = 64_000_000
IMAGE_SIDE_MAX_PX = 1_024
IMAGE_SENT_MAX_BYTES = 256 << 10
"""Encoded picture sent to the model, on the socket that carries the caller's audio."""
IMAGES_AT_ONCE_MAX = 2
PICTURES_MAX = 30
"""Pictures of one call; each stays in the conversation and is billed with every response."""
CAMERA_FRAMES_MAX = 900
"""Camera frames of one call: a quarter of an hour at one a second."""
CAMERA_FRAME_MAX_BYTES = 1 << 20
CAMERA_SIDE_MAX_PX = 768
CAMERA_BURST = 3
CAMERA_PER_S = 1.25
PHOTOS_BURST = 5
PHOTOS_PER_S = 0.5
PHOTO_TOKEN_BYTES = 16
PHOTO_LOOKS_BURST = 100
PHOTO_LOOKS_PER_S = 50.0

assert IMAGE_SENT_MAX_BYTES * 4 / 3 < MODEL_BACKLOG_MAX_BYTES / 2
assert CAMERA_FRAME_MAX_BYTES <= IMAGE_BODY_MAX_BYTES
assert CAMERA_SIDE_MAX_PX <= IMAGE_SIDE_MAX_PX
