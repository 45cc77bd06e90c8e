"""Tokens of operators by name and role: those of the environment, and those made over the API.

Of a token that was made only a hash is kept. It is 256 bits of chance, so that a plain SHA-256 of
it tells nothing.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from gateway import limits
from gateway.errors import DatabaseAway
from gateway.ops.database.database import Database

if TYPE_CHECKING:
    from sqlalchemy import Connection

Role = Literal["viewer", "operator", "admin"]
ROLES: Final[tuple[Role, ...]] = ("viewer", "operator", "admin")
"""Each may do what those before it may."""
_PREFIX: Final = "gwt_"


@dataclass(frozen=True, slots=True)
class OperatorIdentity:
    """Operator who asks, by the token that was sent."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)

    @property
    def sees_words(self) -> bool:
        """Whether transcripts, texts, results and recordings are for these eyes."""
        return self.role != "viewer"


class NamedToken(NamedTuple):
    """Token of the environment."""

    name: str
    role: Role
    token: str


class MadeToken(NamedTuple):
    """Token of the database, without the token."""

    name: str
    role: Role
    digest: bytes
    made_us: int
    made_by: str


class TokenBook:
    """Every token that opens the API. What was made or revoked elsewhere is seen within seconds."""

    def __init__(
        self,
        given: Sequence[NamedToken],
        database: Database,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._given: list[tuple[OperatorIdentity, bytes]] = []
        self.replace(given)
        self._database, self._clock = database, clock
        self._made: list[MadeToken] = []
        self._read_at = float("-inf")

    def replace(self, given: Sequence[NamedToken]) -> bool:
        """Take other tokens of the environment in place of those before; whether they differ.

        Any thread may.
        """
        before = self._given
        self._given = [(OperatorIdentity(t.name, t.role), digest_of(t.token)) for t in given]
        return self._given != before

    async def find(self, token: str) -> OperatorIdentity | None:
        """Return whose token this is."""
        digest = digest_of(token)
        if found := _match(digest, self._given):
            return found
        if self._clock() >= self._read_at + limits.api.TOKENS_READ_EVERY_S:
            await self._read()
        known = [(OperatorIdentity(one.name, one.role), one.digest) for one in self._made]
        return _match(digest, known)

    async def _read(self) -> None:
        self._read_at = self._clock()
        try:
            self._made = await self._database.read(_select)
        except DatabaseAway:
            return  # those that were known go on

    @property
    def given(self) -> list[OperatorIdentity]:
        """Operators of the environment."""
        return [identity for identity, _ in self._given]

    async def made(self) -> list[MadeToken]:
        """Return the tokens of the database. Raises DatabaseAway."""
        self._made = await self._database.read(_select)
        return self._made

    async def make(self, name: str, role: Role, by: str) -> str | None:
        """Return a new token, which is not shown again; None where the name is in use."""
        if name in {identity.name for identity, _ in self._given}:
            return None
        token = _PREFIX + secrets.token_urlsafe(32)
        row = {
            "name": name,
            "role": role,
            "digest": digest_of(token).hex(),
            "made_at": time_ns() // 1000,
            "made_by": by,
        }

        def insert(connection: Connection) -> bool:
            from gateway.ops.database.schema import tokens  # noqa: PLC0415 - on the thread
            from gateway.ops.database.upsert import insert_new  # noqa: PLC0415

            return insert_new(connection, tokens, row)

        made = await self._database.write(insert)
        self._read_at = float("-inf")
        return token if made else None

    async def revoke(self, name: str) -> bool:
        """Revoke a token of the database; False where there is none of this name."""

        def delete_row(connection: Connection) -> bool:
            from sqlalchemy import delete  # noqa: PLC0415 - on the thread

            from gateway.ops.database.schema import tokens  # noqa: PLC0415

            gone = delete(tokens).where(tokens.c.name == name).returning(tokens.c.name)
            return connection.execute(gone).first() is not None

        revoked = await self._database.write(delete_row)
        self._read_at = float("-inf")
        return revoked


def _select(connection: Connection) -> list[MadeToken]:
    from sqlalchemy import select  # noqa: PLC0415 - on the thread

    from gateway.ops.database.schema import tokens  # noqa: PLC0415

    rows = connection.execute(select(tokens).order_by(tokens.c.name)).all()
    return [
        MadeToken(row.name, row.role, bytes.fromhex(row.digest), row.made_at, row.made_by)
        for row in rows
    ]


def _match(
    digest: bytes, known: Sequence[tuple[OperatorIdentity, bytes]]
) -> OperatorIdentity | None:
    """Compare with every token, in a time that says nothing of any of them."""
    found = None
    for identity, other in known:
        # Digests have one length, so that not even the token's length shows in the time.
        if hmac.compare_digest(digest, other):
            found = identity
    return found


def digest_of(token: str) -> bytes:
    return sha256(token.encode("utf-8", "replace")).digest()
