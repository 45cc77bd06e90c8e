"""Bounds of pictures, of the processes that decode them, and of the caller's camera."""

from __future__ import annotations

from gateway.limits.sockets import MODEL_BACKLOG_MAX_BYTES

IMAGE_BODY_MAX_BYTES = 12 << 20
"""An unscaled photo of a telephone."""
UPLOADS_MAX_BYTES = 48 << 20
"""Pictures that all requests together may hold before they are decoded."""
UPLOADS_RETRY_S = 5
IMAGE_PIXELS_MAX = 64_000_000
"""Of a JPEG that is read line by line, and made smaller while it is read."""
PROGRESSIVE_PIXELS_MAX = 24_000_000
"""Of a JPEG in several scans: its coefficients are in memory at once, at most 8 bytes for each."""
PNG_PIXELS_MAX = 20_000_000
WEBP_PIXELS_MAX = 4_096 * 3_072
"""The decoder needs 16 to 20 bytes for each; cameras of 12 megapixels have a few less."""
JPEG_SCANS_MAX = 32
"""Encoders write about ten, optimizing ones about twenty; each costs a pass over the picture."""
JPEG_SEGMENTS_MAX = 4_096
"""A profile may have 255, EXIF and previews a few dozen."""
IMAGE_SIDE_MAX_PX = 1_024
IMAGE_SENT_MAX_BYTES = 256 << 10
"""Encoded picture sent to the model, on the socket that carries the caller's audio."""
PICTURES_MAX = 30
"""Pictures of one call; each stays in the conversation and is billed with every response."""
CAMERA_FRAMES_MAX = 900
"""Camera frames of one call: a quarter of an hour at one a second."""
CAMERA_FRAME_MAX_BYTES = 1 << 20
CAMERA_PIXELS_MAX = 2_200_000
"""The page sends far less; 1,920 by 1,080 passes."""
CAMERA_SIDE_MAX_PX = 768
CAMERA_BURST = 3
CAMERA_PER_S = 1.25
PHOTOS_BURST = 5
PHOTOS_PER_S = 0.5
PHOTO_TOKEN_BYTES = 12
"""Of chance in a link, beside its signature."""
PHOTO_LOOKS_BURST = 100
PHOTO_LOOKS_PER_S = 50.0

PHOTO_MEMORY_MAX_BYTES = 272 << 20
"""Of the worker that decodes photos. Measured: 12 megapixels need 245 MiB as WebP with
transparency, 160 as PNG, 106 as progressive JPEG, 44 as JPEG."""
CAMERA_MEMORY_MAX_BYTES = 80 << 20
WORKER_FILES_BYTES = 256 << 20
"""Address space for libraries and the interpreter's files, beside what is allocated."""
DECODE_CPU_MAX_S = 4
"""A photo needs 0.1 to 0.8 s."""
DECODE_MAX_S = 15.0
"""By the clock: other processes may need the core."""
DECODES_WAITING_MAX = 64
DECODE_WAIT_MAX_S = 20.0
WORKER_END_MAX_S = 1.0
"""From the end of its answers to the end of the process."""
WORKER_START_MAX_S = 20.0
WORKER_PAUSE_S = 1.0
"""Between the end of a worker and the start of the next."""
WORKER_NICE = 10
WORKER_PIECE_BYTES = 256 << 10

assert IMAGE_SENT_MAX_BYTES * 4 / 3 < MODEL_BACKLOG_MAX_BYTES / 2
assert CAMERA_FRAME_MAX_BYTES <= IMAGE_BODY_MAX_BYTES <= UPLOADS_MAX_BYTES // 4
assert CAMERA_SIDE_MAX_PX <= IMAGE_SIDE_MAX_PX
assert WEBP_PIXELS_MAX * 20 + IMAGE_BODY_MAX_BYTES < PHOTO_MEMORY_MAX_BYTES
assert PROGRESSIVE_PIXELS_MAX * 8 + IMAGE_BODY_MAX_BYTES < PHOTO_MEMORY_MAX_BYTES
assert CAMERA_PIXELS_MAX * 20 + CAMERA_FRAME_MAX_BYTES < CAMERA_MEMORY_MAX_BYTES
assert DECODE_CPU_MAX_S < DECODE_MAX_S < DECODE_WAIT_MAX_S
