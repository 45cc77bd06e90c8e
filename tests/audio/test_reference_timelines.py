"""Streams that are drawn alike are recorded as they were."""

from __future__ import annotations

import pytest
from audio.reference_timelines import REFERENCES


def test_each_reference_timeline_is_written_down() -> None:
    assert list(REFERENCES.written()) == REFERENCES.names()


@pytest.mark.parametrize("name", REFERENCES.names())
def test_a_reference_timeline_is_recorded_as_it_was(name: str) -> None:
    REFERENCES.check(name)
