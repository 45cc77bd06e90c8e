"""Bounds of texts and their media."""

from __future__ import annotations

MEDIA_PER_MESSAGE_MAX = 10
"""Twilio: MediaUrl0 to MediaUrl9."""
MEDIA_FETCH_MAX_S = 15.0
MEDIA_TRIES = 3
MEDIA_FIRST_PAUSE_S = 0.4
"""Pause before a medium is asked for again; the next one is twice as long."""
MEDIA_REDIRECTS_MAX = 3
MEDIA_AT_ONCE_MAX = 4
"""Media downloads of the whole process at once, each of at most IMAGE_BODY_MAX_BYTES."""
MESSAGE_REMEMBERED_S = 3_600.0
MESSAGE_ANSWERED_EVERY_S = 600.0
"""How often a text that belongs to no call is answered: two machines would loop."""
TEXT_IN_MAX_CHARS = 1_600
"""Twilio's own bound on a message."""
TEXT_OUT_MAX_CHARS = 480
TEXTS_TO_NUMBER_PER_DAY = 20
"""To one number, over all its calls and all processes."""
TEXTS_PER_DAY = 5_000
"""To all numbers together."""
TEXTS_MAX = 10
"""Texts that the model may send in one call."""

assert MEDIA_FIRST_PAUSE_S * 2**MEDIA_TRIES < MEDIA_FETCH_MAX_S
assert TEXT_OUT_MAX_CHARS <= TEXT_IN_MAX_CHARS
