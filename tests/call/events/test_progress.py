"""The end of a call, and its result."""

from __future__ import annotations

import pytest

from gateway.call.endings import Ending
from gateway.call.events.progress import CallEnded, ResultFiled


@pytest.mark.parametrize("waits_s", [(), (0.5,), (0.5, 0.5, 0.9)])
def test_turns_are_those_whose_wait_was_measured(waits_s: tuple[float, ...]) -> None:
    ended = CallEnded(Ending.CALLER_HUNG_UP, "", True, 61.0, waits_s, 1, 2, 345)
    assert ended.turns == len(waits_s)


def test_a_result_prints_without_peoples_words() -> None:
    """Events are logged as they print, at DEBUG."""
    quotes = {"name": [{"item_id": "item_1", "quote": "Smith speaking"}]}
    filed = ResultFiled("filed", "", 2, {"name": "Smith"}, quotes, ("birthday",))
    assert repr(filed) == "ResultFiled(status='filed', reason='', tries=2)"
