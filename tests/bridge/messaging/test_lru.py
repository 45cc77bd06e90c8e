"""The map that forgets what was least recently used."""

from __future__ import annotations

from gateway.bridge.messaging.lru import LruMap


def test_a_value_is_made_once_for_a_key() -> None:
    values: LruMap[list[int]] = LruMap(list, 2)
    values.of("a").append(1)
    assert values.of("a") == [1]
    assert values.of("b") == []


def test_no_more_than_so_many_and_the_one_used_last_stays() -> None:
    values: LruMap[list[int]] = LruMap(list, 2)
    for key in ("a", "b"):
        values.of(key).append(1)
    values.of("a")
    values.of("c").append(1)  # takes the place of b, which was used before a
    assert values.of("a") == [1]
    assert values.of("c") == [1]
    assert values.of("b") == []
    assert values.of("a") == [], "and now c and b are the two"


def test_who_asks_whether_there_is_one_makes_none() -> None:
    values: LruMap[list[int]] = LruMap(list, 2)
    assert "a" not in values
    values.of("a")
    assert "a" in values
