"""Names of keys: the same for the same words, and without the words."""

from __future__ import annotations

from gateway.ops.store.key_names import hashed


def test_it_is_the_same_each_time_and_has_no_digit_run_of_the_number() -> None:
    assert hashed("+14155550123") == hashed("+14155550123")
    assert "4155550123" not in hashed("+14155550123")
    assert len(hashed("a")) == 24


def test_words_do_not_run_together() -> None:
    assert hashed("+1415", "5550123") != hashed("+14155", "550123")
