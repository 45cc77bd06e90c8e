"""Tokens by name and role: of the environment, and made while the process runs."""

from __future__ import annotations

from pathlib import Path

from database_end import DatabaseEnd, open_database
from sqlalchemy import text

from gateway import limits
from gateway.errors import DatabaseAway
from gateway.ops.access.token_book import NamedToken, OperatorIdentity, TokenBook

GIVEN = [NamedToken("admin", "admin", "a" * 20), NamedToken("wall", "viewer", "b" * 20)]


def test_a_role_includes_those_before_it() -> None:
    viewer, admin = OperatorIdentity("v", "viewer"), OperatorIdentity("a", "admin")
    assert admin.may("viewer")
    assert admin.may("operator")
    assert not viewer.may("operator")
    assert (viewer.sees_words, admin.sees_words) == (False, True)


async def test_tokens_are_made_used_everywhere_and_revoked(
    tmp_path: Path, database_url: str | None
) -> None:
    now = 100.0
    async with open_database(tmp_path, database_url) as end:
        other = DatabaseEnd(tmp_path, database_url)
        here = TokenBook(GIVEN, end.database, lambda: now)
        there = TokenBook(GIVEN, other.database, lambda: now)
        assert await here.find("a" * 20) == OperatorIdentity("admin", "admin")
        assert await here.find("b" * 20) == OperatorIdentity("wall", "viewer")
        assert await there.find("c" * 20) is None
        token = await here.make("amal", "operator", "admin")
        assert token is not None
        assert await here.make("amal", "viewer", "admin") is None
        assert await here.make("wall", "admin", "admin") is None
        assert await here.find(token) == OperatorIdentity("amal", "operator")
        now += limits.api.TOKENS_READ_EVERY_S
        assert await there.find(token) == OperatorIdentity("amal", "operator")
        stored = await end.database.read(
            lambda c: str(c.execute(text("SELECT * FROM tokens")).all())
        )
        assert token not in stored
        (made,) = await here.made()
        assert (made.name, made.made_by) == ("amal", "admin")
        assert await here.revoke("amal")
        assert not await here.revoke("amal")
        assert await here.find(token) is None
        now += limits.api.TOKENS_READ_EVERY_S
        assert await there.find(token) is None
        await other.close()


class Away:
    """Database that is away."""

    async def read(self, _work: object) -> None:
        raise DatabaseAway


async def test_those_of_the_environment_need_no_database() -> None:
    book = TokenBook(GIVEN, Away())  # type: ignore[arg-type] # as one
    assert await book.find("a" * 20) == OperatorIdentity("admin", "admin")
    assert await book.find("c" * 20) is None
