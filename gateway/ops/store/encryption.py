"""Encryption of values in a shared store: AES-256-GCM, bound to the name of the key."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES: Final = 12


class Encryptor:
    """Seal with the first key, open with any; without a key, values stay plain text."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [AESGCM(sha256(f"gateway store\0{key}".encode()).digest()) for key in keys]

    def seal(self, name: str, value: str) -> bytes:
        """Return the value encrypted for the key of this name."""
        return self.seal_bytes(name, value.encode()) if self._keys else value.encode()

    def seal_bytes(self, name: str, value: bytes) -> bytes:
        """Return bytes encrypted for this name. Needs a key."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._keys[0].encrypt(nonce, value, name.encode())

    def open(self, name: str, sealed: bytes) -> str | None:
        """Return the value, or None if none of the keys opens it: the gateway did not write it."""
        if not self._keys:
            return sealed.decode(errors="replace")
        opened = self.open_bytes(name, sealed)
        try:
            return None if opened is None else opened.decode()
        except ValueError:
            return None

    def open_bytes(self, name: str, sealed: bytes) -> bytes | None:
        """Return the bytes, or None if none of the keys opens them."""
        for key in self._keys:
            try:
                nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
                return key.decrypt(nonce, rest, name.encode())
            except (InvalidTag, ValueError):
                continue
        return None
