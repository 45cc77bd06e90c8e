"""Names of keys in the shared store: whoever lists them learns no telephone number."""

from __future__ import annotations

from hashlib import sha256


def hashed(*parts: str) -> str:
    """Return 24 hexadecimal digits for these words, always the same ones for the same words.

    Key names cannot be sealed as values are, since they have to be found again; they are read by
    whoever may list keys, and in Redis's slow log.
    """
    return sha256("\0".join(parts).encode()).hexdigest()[:24]
