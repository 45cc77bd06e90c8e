"""A value that somebody else has put under a key is no value."""

from __future__ import annotations

import msgspec
import pytest
from structlog.testing import capture_logs

from gateway.bridge.calls.outbound_state import OutboundState
from gateway.ops.store.values import readable


def test_a_value_is_read() -> None:
    assert readable("legs:CA1", "3", int) == 3


def test_no_value_stays_none() -> None:
    assert readable("legs:CA1", None, int) is None


@pytest.mark.parametrize("poison", ["", "{", '{"a": 1}', "[]", "\0", "null", "9" * 5000])
def test_what_cannot_be_read_is_named_by_its_key_and_not_by_its_text(poison: str) -> None:
    with capture_logs() as lines:
        read = readable("call-out:CA1", poison, msgspec.json.Decoder(OutboundState).decode)
    assert read is None
    assert lines == [
        {"event": "store_value_unreadable", "key": "call-out:CA1", "log_level": "warning"}
    ]
