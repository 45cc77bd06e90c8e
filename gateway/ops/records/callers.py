"""Keyed hash of a caller's number: their calls are found, and the number is not written down."""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256
from time import time_ns
from typing import TYPE_CHECKING, Any, Final

import structlog

from gateway.ops.database.sealing import Sealer

if TYPE_CHECKING:
    from sqlalchemy import Connection

log = structlog.get_logger()
_NAME: Final = "caller"
_LABEL: Final = "key:caller"
_KEY_BYTES: Final = 32


class CallerHash:
    """Hashes numbers with a key that stands, sealed, in the database: all processes have one.

    It does not follow from GATEWAY_STORE_KEY, which may be rotated.
    """

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._key: bytes | None = None

    @property
    def known(self) -> bool:
        """Whether the database was opened once, so that the key is here."""
        return self._key is not None

    def of(self, number: str) -> str:
        """Return 64 hexadecimal digits, "" for a withheld number. Needs `prepare` before."""
        plain = normalized(number)
        if not plain or self._key is None:
            return ""
        return hmac.new(self._key, plain.encode("utf-8", "replace"), sha256).hexdigest()

    def of_call(self, name: str) -> str:
        """Return 64 hexadecimal digits for a call's id or CallSid. Needs `prepare` before."""
        assert self._key is not None  # noqa: S101 - the database's thread has prepared it
        return hmac.new(self._key, f"call:{name}".encode("utf-8", "replace"), sha256).hexdigest()

    def seen(self, number: str) -> tuple[str, bool]:
        """Return the hash of a number and True; the number and False where there is no key yet."""
        if self._key is not None:
            return self.of(number), True
        return number.encode("utf-8", "replace").decode(), False

    def hash_of(self, caller: str, hashed: bool) -> str:
        """Return the hash for what `seen` returned. Needs `prepare` before."""
        return caller if hashed else self.of(caller)

    def prepare(self, connection: Connection) -> None:
        """Read the key, and make it in a new database. Runs on the database's thread."""
        from sqlalchemy import select, update  # noqa: PLC0415 - on the thread

        from gateway.ops.database.schema import keys  # noqa: PLC0415
        from gateway.ops.database.upsert import insert_new  # noqa: PLC0415

        made = secrets.token_hex(_KEY_BYTES).encode()
        row: dict[str, Any] = {
            "name": _NAME,
            "sealed_value": self._sealer.seal(_LABEL, made),
            "made_at": time_ns() // 1000,
        }
        insert_new(connection, keys, row)
        where = keys.c.name == _NAME
        stored = connection.execute(select(keys.c.sealed_value).where(where)).scalar_one()
        key = self._sealer.open(_LABEL, stored)
        if key is None:
            # Neither the records nor this key can be read without the key they were sealed with.
            log.error("caller_key_replaced", hint="put the old GATEWAY_STORE_KEY behind the new")
            key = made
        # With the key in use, so that one that is rotated out may be dropped.
        row["sealed_value"] = self._sealer.seal(_LABEL, key)
        connection.execute(update(keys).where(where).values(sealed_value=row["sealed_value"]))
        self._key = key


def normalized(number: str) -> str:
    """Return a number in one form, however it was written; other addresses in lower case."""
    plain = number.strip().lower()
    digits = "".join(c for c in plain if c not in " -().\t")
    if digits.lstrip("+").isdigit() and digits.isascii():
        return f"+{digits.lstrip('+')}"
    return plain
