"""`gateway agents route`: who would answer a number at some time, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from gateway.agents.config.agent import Agent
from gateway.agents.routing import AgentBook, Route, canonical
from gateway.errors import SettingsError
from gateway.yaml_source import YamlSource

_PUNCTUATION: Final = re.compile(r"[\s().-]")
_DIALLED: Final = re.compile(r"\+[0-9]{1,15}")
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2199
"""Beyond these a clock on the wall, or a day after, cannot be told."""
_ADDRESS: Final = re.compile(r"(sips?|client):\S+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RouteTrace:
    """How a call to a number gets to its agent."""

    dialled: str
    at: datetime
    routes: list[Route]
    """Those that fit, the one that counts first."""
    agents: list[Agent]
    """Those that are asked, in turn: the last one answers."""

    @property
    def answers(self) -> str | None:
        return self.agents[-1].name if self.agents else None


def trace(book: AgentBook, number: str, at: str | None, now: datetime) -> RouteTrace:
    """Return who answers at a time like 2026-12-25T09:00, by the agent's clock; unset, now.

    Raises SettingsError.
    """
    dialled = _dialled(number)
    routes = book.matching(dialled)
    first = book.agents[routes[0].agent] if routes else None
    zone = ZoneInfo(first.zone if first else "UTC")
    moment = now.astimezone(zone) if at is None else _moment(at, zone)
    agents = list(book.asked(first, moment.timestamp())) if first else []
    return RouteTrace(dialled, moment, routes, agents)


def _dialled(number: str) -> str:
    if _ADDRESS.fullmatch(number):
        return canonical(number)
    dialled = _PUNCTUATION.sub("", number)
    if not _DIALLED.fullmatch(dialled):
        raise SettingsError(f"{number} is no number like +15550100, and no SIP address.")
    return dialled


def _moment(text: str, zone: ZoneInfo) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"--at {text} is no time like 2026-12-25T09:00.") from None
    if not _FIRST_YEAR <= moment.year <= _LAST_YEAR:
        raise SettingsError(f"--at {text} is no time between {_FIRST_YEAR} and {_LAST_YEAR}.")
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def described(found: RouteTrace, source: YamlSource) -> Iterator[str]:
    """Yield the way to the agent as text, a line for each step."""
    zone = getattr(found.at.tzinfo, "key", None) or found.at.strftime("UTC%z")
    yield f"{found.dialled}, {found.at:%A %Y-%m-%d %H:%M} ({zone})"
    if not found.routes:
        yield "  no route fits it: the caller hears that this number is not available"
        yield "Nobody answers."
        return
    best, *others = found.routes
    place = _place(source, "routes", _index(source, best), "to")
    yield f"  {place}: route {best.to} fits{_against(others)}: agent {best.agent}"
    for agent in found.agents:
        yield f"  {_place(source, 'agents', agent.name)}: {agent.name} {_at(agent, found.at)}"
    *_, last = found.agents
    if last.before is not None:
        place = _place(source, "agents", last.name, "before")
        yield (
            f"  {place}: {asked_first(last)} is asked first: it may name another agent, refuse the "
            "call or transfer it"
        )
    for name, when in last.hand_over.items():
        place = _place(source, "agents", last.name, "hand_over", name)
        yield f"  {place}: it may hand over to {name}: {when}"
    yield f"{found.answers} answers."


def asked_first(agent: Agent) -> str | None:
    """Return what is asked before the agent answers, its address or function; None for nothing."""
    before = agent.before
    if before is None:
        return None
    return before.python if before.http is None else before.http.url


def _against(others: list[Route]) -> str:
    if not others:
        return ", and no other does"
    return ", closer than " + ", ".join(route.to for route in others)


def _index(source: YamlSource, route: Route) -> int:
    return next(i for i, one in enumerate(source.values["routes"]) if one["to"] == route.to)


def _place(source: YamlSource, *key: str | int) -> str:
    return f"{source.file}:{source.line(key)}"


def _at(agent: Agent, at: datetime) -> str:
    unix_s = at.timestamp()
    if agent.hours is None:
        return "has no hours: it answers at all times"
    if agent.hours.open_at(unix_s):
        return f"is open ({agent.hours.zone}); outside its hours {agent.out_of_hours} answers"
    return f"is {agent.hours.closed_until(unix_s)}: {agent.out_of_hours} is asked instead"
