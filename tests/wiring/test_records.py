"""Records of calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway import limits


def test_a_reader_that_falls_behind_is_counted(wired: Callable[..., Any]) -> None:
    areas = wired()
    stream, registry = areas.kept.event_stream, areas.r.metrics.registry
    reader = stream.subscribe()
    assert reader is not None
    for at_s in range(limits.records.EVENT_STREAM_BACKLOG_MAX + 1):
        stream.publish("CA1", "status", "ended", at_s)
    assert registry.get_sample_value("gateway_event_stream_dropped_total") == 1
