"""Sealing of what stands in the database and in the spool: plain text without a store key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # the cipher takes 5 MB, which a gateway without a key can do without
    from gateway.ops.store.encryption import Encryptor

_PLAIN: Final = b"\x00"
_SEALED: Final = b"\x01"


class Sealer:
    """Seals bytes with the first of GATEWAY_STORE_KEY, and opens them with any of these keys.

    Each value says by its first byte whether it is sealed, so that what was written before there
    was a key is still read.
    """

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._encryptor: Encryptor | None = None
        if keys:
            from gateway.ops.store.encryption import Encryptor  # noqa: PLC0415 - see above

            self._encryptor = Encryptor(keys)

    @property
    def seals(self) -> bool:
        """Whether there is a key."""
        return self._encryptor is not None

    def seal(self, name: str, data: bytes) -> bytes:
        """Return the data for this name, under no other name to be opened again."""
        if self._encryptor is None:
            return _PLAIN + data
        return _SEALED + self._encryptor.seal_bytes(name, data)

    def open(self, name: str, stored: bytes) -> bytes | None:
        """Return the data, None if no key opens it."""
        kind, rest = stored[:1], bytes(stored[1:])
        if kind == _PLAIN:
            return rest
        if kind != _SEALED or self._encryptor is None:
            return None
        return self._encryptor.open_bytes(name, rest)
