"""A moment as a model is told of it: weekday, date and time on the clock of a place."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

# Not `strftime`: its names follow the locale of the process.
_DAYS: Final = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_MONTHS: Final = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def moment(unix_s: float, zone: str) -> str:
    """Return `Sunday, 29 November 2026, 09:11 (Africa/Tunis, UTC+01:00)`."""
    at = datetime.fromtimestamp(unix_s, ZoneInfo(zone))
    offset = at.strftime("%z")
    day = f"{_DAYS[at.weekday()]}, {at.day} {_MONTHS[at.month - 1]} {at.year}"
    return f"{day}, {at:%H:%M} ({zone}, UTC{offset[:3]}:{offset[3:5]})"
