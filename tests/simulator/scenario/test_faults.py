"""Faults between the carrier and the gateway."""

from __future__ import annotations

import json
import random
from typing import get_args

import pytest

from gateway.simulator.scenario.faults import HUGE_BYTES, STRANGER, Faults, Malformed, malformed


@pytest.mark.parametrize("kind", get_args(Malformed))
def test_each_message_is_broken_in_its_own_way(kind: Malformed) -> None:
    message = malformed(kind, "MZ1")
    if kind == "binary":
        assert isinstance(message, bytes)
        return
    assert isinstance(message, str)
    if kind == "junk":
        with pytest.raises(ValueError, match="Expecting value"):
            json.loads(message)
        return
    said = json.loads(message)
    assert said["streamSid"] == (STRANGER if kind == "wrong_stream_sid" else "MZ1")
    assert said["event"] == ("weather" if kind == "unknown_event" else "media")
    assert (len(message) > HUGE_BYTES) == (kind == "huge")


def test_a_good_network_delays_nothing() -> None:
    faults = Faults()
    assert [faults.delay_ms(at) for at in (0.0, 20.0)] == [0.0, 0.0]
    assert not faults.drops_socket(1e6)


def test_jitter_is_within_its_bound_and_the_same_for_a_seed() -> None:
    one, other = (Faults(jitter_ms=30, chance=random.Random(7)) for _ in range(2))
    delays = [one.delay_ms(at) for at in range(200)]
    assert delays == [other.delay_ms(at) for at in range(200)]
    assert 0 <= min(delays) < max(delays) <= 30
    assert len(set(delays)) > 100


def test_a_stall_delays_one_frame_at_its_time() -> None:
    faults = Faults(stall_at_s=2.0, stall_ms=500)
    assert [faults.delay_ms(at) for at in (1999.0, 2000.0, 2020.0)] == [0.0, 500.0, 0.0]
    faults.stall(80)
    assert [faults.delay_ms(at) for at in (0.0, 0.0)] == [80.0, 0.0]


def test_a_socket_breaks_once() -> None:
    faults = Faults(drop_socket_after_s=3.0)
    assert not faults.drops_socket(2.999)
    assert faults.drops_socket(3.0)
    faults.socket_dropped = True
    assert not faults.drops_socket(4.0)
