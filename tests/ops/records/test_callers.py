"""A caller is found by a keyed hash, which stays the same when keys are rotated."""

from __future__ import annotations

from pathlib import Path

import pytest
from database_end import open_database

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
