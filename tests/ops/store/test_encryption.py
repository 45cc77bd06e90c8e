"""What is written to a shared store can be read by nobody without the key."""

from __future__ import annotations

from gateway.ops.store.encryption import Encryptor


def test_sealed_and_opened() -> None:
    sealer = Encryptor(["new", "old"])
    sealed = sealer.seal("call:1", "heron")
    assert b"heron" not in sealed
    assert sealer.open("call:1", sealed) == "heron"
    assert sealer.seal("call:1", "heron") != sealed, "the same twice shows nothing"


def test_a_key_is_rotated() -> None:
    sealed = Encryptor(["old"]).seal("call:1", "heron")
    assert Encryptor(["new", "old"]).open("call:1", sealed) == "heron"
    assert Encryptor(["new"]).open("call:1", sealed) is None


def test_it_is_bound_to_its_place() -> None:
    sealer = Encryptor(["key"])
    assert sealer.open("call:2", sealer.seal("call:1", "heron")) is None


def test_what_was_tampered_with_is_nothing() -> None:
    sealer = Encryptor(["key"])
    sealed = bytearray(sealer.seal("call:1", "heron"))
    sealed[-1] ^= 1
    assert sealer.open("call:1", bytes(sealed)) is None
    assert sealer.open("call:1", b"") is None


def test_without_a_key_it_is_plain() -> None:
    assert Encryptor([]).seal("call:1", "heron") == b"heron"
