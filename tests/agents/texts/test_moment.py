"""A moment in words for the model."""

from __future__ import annotations

import pytest

from gateway.agents.texts.moment import moment


@pytest.mark.parametrize(
    ("unix_s", "zone", "words"),
    [
        (
            1_795_939_871,
            "Africa/Tunis",
            "Sunday, 29 November 2026, 09:11 (Africa/Tunis, UTC+01:00)",
        ),
        (0, "UTC", "Thursday, 1 January 1970, 00:00 (UTC, UTC+00:00)"),
        (1_782_864_000, "Asia/Kabul", "Wednesday, 1 July 2026, 04:30 (Asia/Kabul, UTC+04:30)"),
    ],
)
def test_it_is_told_by_the_clock_of_the_place(unix_s: float, zone: str, words: str) -> None:
    assert moment(unix_s, zone) == words
