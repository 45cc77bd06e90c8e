"""A caller is found by a keyed hash, which stays the same when keys are rotated."""

from __future__ import annotations

import re
from pathlib import Path
from time import time_ns
from typing import Any

import pytest
from database_end import open_database
from sqlalchemy import select
from structlog.testing import capture_logs

from gateway.ops.database import schema
from gateway.ops.database.sealing import Sealer
from gateway.ops.records.callers import CallerHash, normalized

NUMBER = "+15551230042"


@pytest.mark.parametrize(
    ("number", "plain"),
    [
        ("+1 (555) 123-0042", NUMBER),
        ("15551230042", NUMBER),
        (" +15551230042 ", NUMBER),
        ("SIP:Ann@Example.com", "sip:ann@example.com"),
        ("", ""),
        ("anonymous", "anonymous"),
    ],
)
def test_a_number_has_one_form(number: str, plain: str) -> None:
    assert normalized(number) == plain


async def test_the_hash_is_the_same_in_every_process_and_after_a_rotation(
    tmp_path: Path, database_url: str | None
) -> None:
    hashes = set()
    for keys in (("old",), ("old",), ("new", "old"), ("new",)):
        async with open_database(tmp_path, database_url, keys) as end:
            hashes.add(await end.history.hash_of(NUMBER))
    (only,) = hashes
    assert len(only) == 64
    assert "5551230042" not in only


async def test_another_database_has_another_key(tmp_path: Path) -> None:
    hashes = set()
    for name in ("one", "other"):
        async with open_database(tmp_path / name) as end:
            hashes.add(await end.history.hash_of(NUMBER))
    assert len(hashes) == 2


def test_a_withheld_number_and_an_unknown_key_give_nothing() -> None:
    assert CallerHash(Sealer()).of(NUMBER) == ""
    assert not CallerHash(Sealer()).known


async def test_the_key_is_made_once_and_says_when(tmp_path: Path) -> None:
    before_us, rows = time_ns() // 1000, list[Any]()
    for _ in range(2):
        async with open_database(tmp_path, keys=("key",)) as end:
            rows.append(await end.database.read(lambda c: c.execute(select(schema.keys)).one()))
            assert end.callers.known
            key = end.sealer.open("key:caller", rows[-1].sealed_value)
            assert key is not None
            assert re.fullmatch(b"[0-9a-f]{64}", key)
    assert before_us <= rows[0].made_at == rows[1].made_at <= time_ns() // 1000
    assert rows[0].name == "caller"


async def test_a_key_that_nobody_can_open_is_replaced_and_said(tmp_path: Path) -> None:
    async with open_database(tmp_path, keys=("old",)) as end:
        old = await end.history.hash_of(NUMBER)
    with capture_logs() as logs:
        async with open_database(tmp_path, keys=("new",)) as end:
            new = await end.history.hash_of(NUMBER)
    assert [line["event"] for line in logs].count("caller_key_replaced") == 1
    async with open_database(tmp_path, keys=("new",)) as end:
        assert await end.history.hash_of(NUMBER) == new != old


async def test_what_is_seen_before_the_key_is_known_is_hashed_later(tmp_path: Path) -> None:
    async with open_database(tmp_path) as end:
        assert end.callers.seen(NUMBER) == (NUMBER, False)
        wanted = await end.history.hash_of(NUMBER)
        assert end.callers.seen(NUMBER) == (wanted, True)
        assert end.callers.hash_of(NUMBER, False) == wanted
        assert end.callers.hash_of(wanted, True) == wanted
        assert len(end.callers.of_call("CA1")) == 64
        assert end.callers.of_call("CA1") != end.callers.of("CA1")
        assert end.callers.of(" ") == ""
