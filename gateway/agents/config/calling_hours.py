"""Calling hours: when an agent may call people, by the country of the number that is called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gateway import limits
from gateway.agents.config.base import wrong
from gateway.agents.config.hours import Hours

_REST: Final = "*"
_PREFIX: Final = re.compile(r"\+[1-9][0-9]{0,6}")


class CallingHours(BaseModel):
    """Hours by the start of the number; `*` is for all others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    by_prefix: Mapping[str, Hours] = Field(
        min_length=1, max_length=limits.agents.DIAL_COUNTRIES_MAX
    )

    def of(self, number: str) -> Hours | None:
        """Return the hours for a number, by its longest prefix; None when it has none."""
        fitting = [prefix for prefix in self.by_prefix if number.startswith(prefix)]
        return self.by_prefix.get(max(fitting, key=len, default=_REST))

    def refusal(self, number: str, unix_s: float) -> str | None:
        """Return why a number may not be called at that moment, as a sentence; None if it may."""
        hours = self.of(number)
        if hours is None:
            return "That agent's `outbound.hours` does not have that country."
        if hours.open_at(unix_s):
            return None
        when = hours.closed_until(unix_s).removeprefix("closed").strip()
        later = f": not {when}" if when else ""
        return f"That agent may not call that number at this hour{later}."


def _by_prefix(value: Any) -> Any:
    """Hours without prefixes are for every number."""
    if value is None or isinstance(value, CallingHours):
        return value
    if not isinstance(value, dict) or "zone" in value:
        return {"by_prefix": {_REST: value}}
    for key in value:
        if key != _REST and not (isinstance(key, str) and _PREFIX.fullmatch(key)):
            raise wrong("", f"has {key}: name hours with their `zone`, or prefixes like +216 and *")
    return {"by_prefix": value}


CallingHoursField = Annotated[
    CallingHours | None,
    BeforeValidator(_by_prefix, json_schema_input_type=Hours | dict[str, Hours] | None),
]
