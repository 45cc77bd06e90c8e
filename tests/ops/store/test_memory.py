"""What is remembered, for how long, and how much of it at most."""

from __future__ import annotations

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from hypothesis.strategies import floats, sampled_from

from gateway.ops.store.memory import MemoryStore

KEYS = sampled_from(["a", "b", "c", "d", "e"])
TTL_S = floats(0.1, 10)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_has_expired_is_forgotten() -> None:
    store = MemoryStore(clock := Clock())
    store.put("key", "value", 10)
    clock.now = 9.99
    assert store.get("key") == "value"
    clock.now = 10
    assert store.get("key") is None


def test_when_a_key_was_put_is_known_as_long_as_the_key_is() -> None:
    store = MemoryStore(clock := Clock())
    clock.now = 5
    store.put("key", "value", 10)
    clock.now = 14.99
    assert (store.put_at("key"), store.put_at("another")) == (5, None)
    clock.now = 15
    assert store.put_at("key") is None


def test_a_key_is_claimed_once() -> None:
    store = MemoryStore(clock := Clock())
    assert store.claim("nonce", 60)
    assert not store.claim("nonce", 60)
    clock.now = 60
    assert store.claim("nonce", 60)


def test_the_oldest_go_first_when_there_are_too_many() -> None:
    store = MemoryStore(Clock(), max_keys=3)
    for key in "abc":
        store.put(key, key, 10)
    store.put("a", "again", 10)
    store.put("d", "d", 10)
    assert [store.get(key) for key in "abcd"] == ["again", None, "c", "d"]


def test_expired_keys_are_removed_before_keys_that_live_longer() -> None:
    store = MemoryStore(clock := Clock(), max_keys=3)
    store.put("order", "placed", 86_400)
    for n in range(3):
        clock.now = 100.0 * n
        store.put(f"a{n}", "", 60)
        store.put(f"b{n}", "", 60)
    assert store.get("order") == "placed"
    assert len(store) == 3


def test_many_of_one_kind_push_out_their_own() -> None:
    """Neither a day's key by a minute's, nor the other way round."""
    store = MemoryStore(Clock(), max_keys=10)
    store.put("order", "placed", 86_400)
    for n in range(50):
        store.put(f"token{n}", "", 60)
    assert store.get("order") == "placed"
    for n in range(50):
        store.put(f"order{n}", "", 86_400)
    assert store.get("token49") is not None
    assert len(store) == 10


class AgainstAPlainDictionary(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.store = MemoryStore(self.clock, max_keys=100)
        self.known: dict[str, tuple[float, str]] = {}

    def expected(self, key: str) -> str | None:
        until, value = self.known.get(key, (0.0, ""))
        return value if until > self.clock.now else None

    @rule(key=KEYS, ttl_s=TTL_S)
    def put(self, key: str, ttl_s: float) -> None:
        value = f"{key}{len(self.known)}"
        self.store.put(key, value, ttl_s)
        self.known[key] = (self.clock.now + ttl_s, value)

    @rule(key=KEYS, ttl_s=TTL_S)
    def claim(self, key: str, ttl_s: float) -> None:
        free = self.expected(key) is None
        assert self.store.claim(key, ttl_s) == free
        if free:
            self.known[key] = (self.clock.now + ttl_s, "")

    @rule(seconds=TTL_S)
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def the_same(self) -> None:
        for key in "abcde":
            assert self.store.get(key) == self.expected(key)


TestAgainstAPlainDictionary = AgainstAPlainDictionary.TestCase
TestAgainstAPlainDictionary.settings = settings(
    max_examples=20, stateful_step_count=15, deadline=None
)
