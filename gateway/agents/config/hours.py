"""Opening hours by the wall clock of a place; the moment is handed in, as Unix time.

A span is open while the clock on that wall shows a time in it. So in the night that has an hour
twice a span in it is open twice, and in the night that skips an hour what stands in it is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from gateway import limits
from gateway.agents.config.base import wrong

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
CLOSED: Final = "closed"
_NAMES: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SPAN: Final = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")
_NO_ZONE: Final = 'must be a time zone like "Europe/Paris" that this system knows'
_MINUTE: Final = timedelta(minutes=1)

Spans = tuple[tuple[int, int], ...]
"""Minutes of a day, from and to; those that end on the next day go beyond 1,440."""


def _known_zone(name: str) -> str:
    if not _is_zone(name):
        raise ValueError(_NO_ZONE)
    return name


ZoneName = Annotated[str, AfterValidator(_known_zone)]


def _as_written(schema: dict[str, Any]) -> None:
    """Have a JSON schema describe days and dates as the file has them, not as they are retained."""
    days = "|".join(DAYS)
    span = _SPAN.pattern
    spans = {"type": "string", "pattern": rf"^({CLOSED}|{span}( *, *{span})*)$"}
    zone = schema["properties"]["zone"] | {"examples": ["Europe/Paris"]}
    schema["properties"] = {"zone": zone} | dict.fromkeys((*DAYS, "mon-fri"), spans)
    schema["patternProperties"] = {f"^({days})-({days})$": spans, f"^{_DATE.pattern}$": spans}


class Hours(BaseModel):
    """Days, or ranges of them, with spans: `mon-fri: "09:00-12:00, 13:00-17:30"`.

    A date (`"2026-12-25": closed`) takes the place of its day of the week. A span that ends
    before it begins ends on the next day.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra=_as_written)

    zone: str
    week: Mapping[int, Spans] = Field(default_factory=dict)
    """By day of the week, Monday 0; what is missing is closed."""
    dates: Mapping[date, Spans] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise wrong("", 'must be an object like {zone: Europe/Paris, mon-fri: "09:00-17:30"}')
        week: dict[int, Spans] = {}
        dates: dict[date, Spans] = {}
        for key, text in value.items():
            if key == "zone":
                _check_zone(text)
            elif isinstance(key, str) and _DATE.fullmatch(key):
                dates[_date(key)] = _spans(key, text)
            else:
                _enter(week, key, _spans(key, text))
        if "zone" not in value:
            raise wrong("zone", 'is missing: name a time zone like "Europe/Paris"')
        if not any([*week.values(), *dates.values()]):
            raise wrong("", "are never open: name a day and a span")
        if len(dates) > limits.agents.HOURS_DATES_MAX:
            raise wrong("", f"may name at most {limits.agents.HOURS_DATES_MAX} dates")
        return {"zone": value["zone"], "week": week, "dates": dates}

    def open_at(self, unix_s: float) -> bool:
        return self._open(datetime.fromtimestamp(unix_s, UTC))

    def opens_after(self, unix_s: float) -> datetime | None:
        """The next moment at which it opens, on the wall; None for none in the next weeks."""
        now = datetime.fromtimestamp(unix_s, UTC)
        found = (at for at in self._openings(now) if at > now)
        first = min(found, default=None)
        return None if first is None else first.astimezone(self._zone)

    def closed_until(self, unix_s: float) -> str:
        """For the model: `closed until Monday 09:00 (Europe/Paris)`."""
        at = self.opens_after(unix_s)
        if at is None:
            return "closed"
        today = datetime.fromtimestamp(unix_s, self._zone).date()
        days = (at.date() - today).days
        if days > 6:
            return f"closed until {at:%Y-%m-%d %H:%M} ({self.zone})"
        day = {0: "today", 1: "tomorrow,"}.get(days, "")
        name = _NAMES[at.weekday()] if days else ""
        return "closed until " + " ".join(filter(None, [day, name, f"{at:%H:%M} ({self.zone})"]))

    # --- The wall ---

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    def _spans_of(self, day: date) -> Spans:
        return self.dates[day] if day in self.dates else self.week.get(day.weekday(), ())

    def _open(self, at: datetime) -> bool:
        wall = at.astimezone(self._zone)
        minute, today = wall.hour * 60 + wall.minute, wall.date()
        yesterday = self._spans_of(today - timedelta(days=1))
        return any(begin <= minute < end for begin, end in self._spans_of(today)) or any(
            minute + limits.agents.DAY_MIN < end for _, end in yesterday
        )

    def _openings(self, now: datetime) -> Iterator[datetime]:
        """Moments at which it is open and was not a minute before, from yesterday on."""
        first = now.astimezone(self._zone).date() - timedelta(days=1)
        for day in range(limits.agents.HOURS_LOOK_AHEAD_DAYS + 2):
            for at in self._candidates(first + timedelta(days=day)):
                if self._open(at) and not self._open(at - _MINUTE):
                    yield at

    def _candidates(self, day: date) -> Iterator[datetime]:
        """The begins of its spans; on a day on which the clock is changed, every minute of it."""
        begin, end = self._midnight(day), self._midnight(day + timedelta(days=1))
        offsets = {at.astimezone(self._zone).utcoffset() for at in (begin - _MINUTE, begin, end)}
        if len(offsets) == 1:
            yield from (begin + minute * _MINUTE for minute, _ in self._spans_of(day))
        else:
            yield from (begin + minute * _MINUTE for minute in range((end - begin) // _MINUTE))

    def _midnight(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self._zone).astimezone(UTC)


def _is_zone(name: Any) -> bool:
    """Return whether this system knows a time zone of that name."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z][\w+/-]{0,63}", name):
        return False
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _check_zone(name: Any) -> None:
    if not _is_zone(name):
        raise wrong("zone", f"{_NO_ZONE} (tzdata brings them where there are none)")


def _date(key: str) -> date:
    try:
        return date.fromisoformat(key)
    except ValueError:
        raise wrong(key, "is no date") from None


def _enter(week: dict[int, Spans], key: Any, spans: Spans) -> None:
    days = str(key).split("-")
    if len(days) > 2 or any(day not in DAYS for day in days):
        raise wrong(str(key), f"must be a day like mon or mon-fri ({', '.join(DAYS)}) or a date")
    first, last = DAYS.index(days[0]), DAYS.index(days[-1])
    for day in range(first, last + 1 if last >= first else last + 8):
        if day % 7 in week:
            raise wrong(str(key), f"{DAYS[day % 7]} stands here twice")
        week[day % 7] = spans


def _spans(key: Any, text: Any) -> Spans:
    if text == CLOSED:
        return ()
    found = sorted(_span(str(key), part.strip()) for part in str(text).split(","))
    if len(found) > limits.agents.HOURS_SPANS_MAX:
        raise wrong(str(key), f"may have at most {limits.agents.HOURS_SPANS_MAX} spans")
    for (_, end), (begin, _) in pairwise(found):
        if begin < end:
            raise wrong(str(key), "has spans that overlap")
    return tuple(found)


def _span(key: str, text: str) -> tuple[int, int]:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise wrong(key, 'must be like "09:00-17:30", several with commas, or closed')
    hours = [int(part) for part in found.groups()]
    begin, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
    if begin >= limits.agents.DAY_MIN or end > limits.agents.DAY_MIN or begin == end:
        raise wrong(key, f"{text} is no span of time: a whole day is 00:00-24:00")
    return begin, end if end > begin else end + limits.agents.DAY_MIN
