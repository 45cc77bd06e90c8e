"""Which connections may stay, by the number of their descriptor."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
from collections.abc import Iterator

import pytest
import structlog

from gateway import limits
from gateway.transports.connection_limits import (
    ConnectionLimits,
    descriptors_left,
    descriptors_max,
    raise_descriptors_max,
)


def test_each_descriptor_is_one_less() -> None:
    before = descriptors_left()
    with socket.socket(), socket.socket():
        assert descriptors_left() == before - 2
    assert descriptors_left() == before


def test_the_reserve_is_at_the_end() -> None:
    most = descriptors_max()
    bounds = ConnectionLimits(descriptors_reserve=100, descriptors_last=10)
    assert bounds.reason_against(most - 101) is None
    assert bounds.reason_against(most - 100) == "descriptors"
    assert not bounds.is_last(most - 11)
    assert bounds.is_last(most - 10)


def test_by_default_most_are_for_everybody() -> None:
    bounds = ConnectionLimits()
    assert bounds.reason_against(descriptors_max() // 2) is None
    assert bounds.reason_against(descriptors_max() - 1) == "descriptors"
    assert bounds.is_last(descriptors_max() - 1)


@contextlib.contextmanager
def allowed(count: int) -> Iterator[None]:
    """The process may have no descriptor with this number or a higher one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_where_there_are_few_a_quarter_is_for_media_sockets() -> None:
    few = limits.web.DESCRIPTORS_RESERVE
    with allowed(few):
        bounds = ConnectionLimits()
    assert bounds.reason_against(few * 3 // 4 - 1) is None
    assert bounds.reason_against(few * 3 // 4) == "descriptors"
    assert not bounds.is_last(few * 15 // 16 - 1)
    assert bounds.is_last(few * 15 // 16)


def test_when_all_are_in_use_none_is_left() -> None:
    """Though it takes one to look."""
    taken: list[int] = []
    with socket.socket() as one, allowed(one.fileno() + 1):
        try:
            with contextlib.suppress(OSError):
                while True:
                    taken.append(os.dup(one.fileno()))
            assert descriptors_left() == 0
        finally:
            for descriptor in taken:
                os.close(descriptor)


def test_the_limit_is_raised_as_far_as_the_system_allows() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
    try:
        raise_descriptors_max()
        allowed = float("inf") if hard == resource.RLIM_INFINITY else hard
        assert descriptors_max() == min(allowed, limits.web.DESCRIPTORS_WANTED)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_one_line_of_log_for_many_refusals() -> None:
    bounds = ConnectionLimits()
    with structlog.testing.capture_logs() as lines:
        for _ in range(100):
            bounds.reason_against(descriptors_max() - 1)
    assert [line["event"] for line in lines] == ["descriptors_exhausted"]


@pytest.mark.parametrize("count", [1, 3])
def test_connections_are_counted(count: int) -> None:
    bounds = ConnectionLimits(connections_max=count)
    for _ in range(count):
        bounds.opened()
        assert bounds.reason_against(5) is None
    bounds.opened()
    assert bounds.reason_against(5) == "connections"
    bounds.closed()
    assert bounds.reason_against(5) is None


def test_the_reserve_is_for_calls() -> None:
    """Each has two sockets, and the last part is for the model's."""
    assert limits.web.DESCRIPTORS_LAST < limits.web.DESCRIPTORS_RESERVE
