"""Tokens by name and role: of the environment, and made while the process runs."""

from __future__ import annotations

import re
from pathlib import Path
from time import time_ns

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
    assert admin.may("admin")
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


async def test_other_tokens_of_the_environment_take_the_place_of_those_before() -> None:
    book = TokenBook(GIVEN, Away())  # type: ignore[arg-type] # as one
    assert not book.replace(GIVEN)
    assert book.replace(GIVEN[:1])
    assert book.given == [OperatorIdentity("admin", "admin")]
    assert await book.find("b" * 20) is None


async def test_a_token_is_long_and_says_what_it_is_and_when_it_was_made(tmp_path: Path) -> None:
    before_us = time_ns() // 1000
    async with open_database(tmp_path) as end:
        now = [0.0]
        book = TokenBook([], end.database, lambda: now[0])
        token = await book.make("amal", "viewer", "admin")
        assert token is not None
        assert re.fullmatch("gwt_[A-Za-z0-9_-]{43}", token)
        (made,) = await book.made()
        assert before_us <= made.made_us <= time_ns() // 1000
        assert await book.find(token) is not None
        await TokenBook([], end.database, lambda: 0.0).revoke("amal")
        now[0] += limits.api.TOKENS_READ_EVERY_S - 0.001
        assert await book.find(token) is not None, "it was read a moment ago"
        now[0] += 0.001
        assert await book.find(token) is None
