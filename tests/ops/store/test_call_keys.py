"""Every key of the store that is named by a call is known to whoever forgets calls."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.ops.store import call_keys
from gateway.ops.store.call_keys import (
    ENDED,
    RUNNING,
    bar_of_call,
    bar_of_key,
    is_barred,
    keys_of_call,
    keys_of_warm_transfer,
)

NAMED = re.compile(r'f"([a-z-]+):\{[\w.]*call_(?:sid|id)\}"')
OF_NO_STORE = {"record"}
"""What else is labelled by a call's name: its row in the database, for the cipher."""


def test_the_kinds_of_keys_are_those_in_the_code() -> None:
    root = Path(call_keys.__file__).parents[2]
    texts = [path.read_text() for path in root.rglob("*.py") if "simulator" not in path.parts]
    found = {kind for text in texts for kind in NAMED.findall(text)}
    assert {"call", "briefing", "warm-of"} <= found
    # The webhook's key has the vendor's id of a retry before the call's.
    assert found - OF_NO_STORE | {"voice"} == set(call_keys.KINDS)


def test_a_call_has_keys_under_each_of_its_names() -> None:
    keys = keys_of_call(["CA1", "rtc_1", "", "CA1"])
    assert len(keys) == len(set(keys)) == 2 * len(call_keys.KINDS)
    assert {"call:CA1", "sip:rtc_1", "briefing:CA1"} <= set(keys)


def test_a_warm_transfer_has_its_summary_and_the_persons_call() -> None:
    assert keys_of_warm_transfer("w1")[:2] == ["warm:w1", "warm:w1:person"]


@pytest.mark.parametrize(
    ("key", "bar", "barred"),
    [
        ("call:CA1", ENDED, True),
        ("spent:CA1", ENDED, True),
        ("call:CA1", RUNNING, True),
        ("sound:CA1:1", RUNNING, True),
        ("spent:CA1", RUNNING, False),
        ("call:CA1", "", False),
        ("spent:CA1", "", False),
    ],
)
def test_what_may_not_be_put_under_the_name_of_a_forgotten_call(
    key: str, bar: str, barred: bool
) -> None:
    assert is_barred(key, bar) == barred


def test_a_key_that_is_not_named_by_a_call_has_no_bar() -> None:
    assert bar_of_key("call:CA1") == bar_of_key("spent:CA1") == bar_of_call("CA1")
    assert bar_of_call("CA1").startswith("forgotten:")
    assert "CA1" not in bar_of_call("CA1")
    assert [bar_of_key(key) for key in ("call:", "call", "texts:CA1")] == [""] * 3
