"""What is at rest is sealed with the store's key, if there is one."""

from __future__ import annotations

from gateway.ops.database.sealing import Sealer

WORDS = "my card is 4111, مرحبا".encode()


def test_without_a_key_it_is_as_it_is() -> None:
    sealer = Sealer()
    assert not sealer.seals
    assert WORDS in sealer.seal("one", WORDS)
    assert sealer.open("one", sealer.seal("one", WORDS)) == WORDS


def test_with_a_key_it_is_opened_by_its_name_alone() -> None:
    sealer = Sealer(["key"])
    sealed = sealer.seal("one", WORDS)
    assert b"4111" not in sealed
    assert sealer.open("one", sealed) == WORDS
    assert sealer.open("two", sealed) is None
    assert Sealer(["other"]).open("one", sealed) is None
    assert Sealer().open("one", sealed) is None


def test_what_was_written_before_there_was_a_key_or_with_an_older_one_is_read() -> None:
    assert Sealer(["new", "old"]).open("one", Sealer(["old"]).seal("one", WORDS)) == WORDS
    assert Sealer(["new"]).open("one", Sealer().seal("one", WORDS)) == WORDS


def test_what_is_neither_is_not_read() -> None:
    assert Sealer(["key"]).open("one", b"") is None
    assert Sealer(["key"]).open("one", b"\x01short") is None
    assert Sealer(["key"]).open("one", b"{}") is None
