"""What leaves this process for a shared store is sealed: AES-256-GCM, bound to its key's name."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES: Final = 12


class Encryptor:
    """The first key seals, any of them opens; without one, nothing is sealed."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [AESGCM(sha256(f"gateway store\0{key}".encode()).digest()) for key in keys]

    def seal(self, name: str, value: str) -> bytes:
        if not self._keys:
            return value.encode()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._keys[0].encrypt(nonce, value.encode(), name.encode())

    def open(self, name: str, sealed: bytes) -> str | None:
        """None for what none of the keys opens: it was not written by us."""
        if not self._keys:
            return sealed.decode(errors="replace")
        for key in self._keys:
            try:
                nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
                return key.decrypt(nonce, rest, name.encode()).decode()
            except (InvalidTag, ValueError):
                continue
        return None
