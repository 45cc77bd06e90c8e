"""Bounds of pictures and of the caller's camera."""

from __future__ import annotations

from gateway.limits.sockets import MODEL_BACKLOG_MAX_BYTES

IMAGE_BODY_MAX_BYTES = 12 << 20
"""A telephone's photo as it is."""
IMAGE_PIXELS_MAX = 64_000_000
IMAGE_SIDE_MAX_PX = 1_024
IMAGE_SENT_MAX_BYTES = 256 << 10
"""On a socket that also carries the caller's voice: a moment's worth."""
IMAGES_AT_ONCE_MAX = 2
PICTURES_MAX = 30
"""Of one call; each stays in the conversation, and is billed with every further response."""
CAMERA_FRAMES_MAX = 900
"""Of one call: a quarter of an hour, at one a second. The model has one of them at a time."""
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
