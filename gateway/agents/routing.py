"""Routing of dialled numbers to agents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import field_validator

from gateway.agents.config.agent import Agent
from gateway.agents.config.base import AgentFilePart

_EXACT: Final = re.compile(r"\+[0-9]{1,15}")
_PREFIX: Final = re.compile(r"\+[0-9]{1,14}\*")
_WRAPPING: Final = re.compile(r"\A[\s<>]+|[\s<>]+\Z")
_ADDRESS: Final = re.compile(r"(?:sips?|client):[^\s*<>]+", re.IGNORECASE)


class Route(AgentFilePart):
    """Calls to `to` are answered by `agent`."""

    to: str
    agent: str
    trunk: bool | None = None
    """Whether they come over a SIP trunk; None where nobody says."""

    @field_validator("to")
    @classmethod
    def _known_form(cls, to: str) -> str:
        if to == "*" or any(form.fullmatch(to) for form in (_EXACT, _PREFIX, _ADDRESS)):
            return to
        raise ValueError(
            'must be a number like "+15550100", the start of one like "+1555*", '
            'a SIP address like "sip:desk@example.com", or "*"'
        )


@dataclass(frozen=True)
class AgentBook:
    """Every agent and who reaches it; `warnings` are sentences for the operator.

    `version` is a short hash of the file.
    """

    agents: Mapping[str, Agent]
    routes: Sequence[Route]
    warnings: tuple[str, ...] = ()
    version: str = ""

    def pick(self, to: str, unix_s: float | None = None) -> Agent | None:
        """The agent for a dialled number or address: exact, then longest prefix, then `*`.

        At that moment; without one, opening hours are not looked at.
        """
        return self.pick_any([to], unix_s)

    def pick_any(self, candidates: Sequence[str], unix_s: float | None = None) -> Agent | None:
        """The agent for the first of several numbers that a route names; `*` takes the rest."""
        route = self.route_any(candidates)
        return list(self.asked(self.agents[route.agent], unix_s))[-1] if route else None

    def route_any(self, candidates: Sequence[str]) -> Route | None:
        """Return the route of the first of several numbers that one names; `*` takes the rest."""
        routes = [best for to in candidates if (best := self.route(to)) is not None]
        named = next((route for route in routes if route.to != "*"), None)
        return named or self.route("")

    def asked(self, agent: Agent, unix_s: float | None) -> Iterator[Agent]:
        """Yield an agent, and those of `out_of_hours` until one is open: the last answers."""
        yield agent
        while unix_s is not None and agent.hours is not None and agent.out_of_hours is not None:
            if agent.hours.open_at(unix_s):
                break
            agent = self.agents[agent.out_of_hours]  # the loader has checked that this ends
            yield agent

    def may_record(self, first: Agent) -> bool:
        """Return whether an answer to this agent's `before` may name one that records calls."""
        if first.before is None:
            return False
        others = (one for one in self.agents.values() if one.path == first.path)
        return any(one.recording is not None for one in others)

    def route(self, to: str) -> Route | None:
        """Return the route of a number or address: exact, then the longest prefix, then `*`."""
        return next(iter(self.matching(to)), None)

    def matching(self, to: str) -> list[Route]:
        """Return every route that fits a number or address, the one that counts first."""
        called = canonical(to)
        return sorted(
            (route for route in self.routes if _matches(route.to, called)),
            key=lambda route: (not route.to.endswith("*"), len(route.to)),
            reverse=True,
        )


def may_lead(agents: Mapping[str, Agent], first: str) -> list[Agent]:
    """Return every agent that may come to lead a call which this one answers.

    By the hour, by a hand-over, and by an answer to `before`, which may name any of the same path.
    """
    found: dict[str, Agent] = {}
    names = [first]
    while names:
        name = names.pop(0)
        agent = agents.get(name)
        if agent is None or name in found:
            continue
        found[name] = agent
        names += [*agent.hand_over, *([agent.out_of_hours] if agent.out_of_hours else [])]
        if agent.before is not None:
            names += [other.name for other in agents.values() if other.path == agent.path]
    return list(found.values())


def canonical(to: str) -> str:
    """A SIP address without parameters and headers, its scheme and host in lower case."""
    to = _WRAPPING.sub("", to)
    if not _ADDRESS.fullmatch(to):
        return to
    scheme, _, rest = to.partition(":")
    user, at, host = re.split(r"[;?]", rest, maxsplit=1)[0].rpartition("@")
    return f"{scheme.lower()}:{user}{at}{host.lower() if at else host}"


def _matches(pattern: str, called: str) -> bool:
    if pattern.endswith("*"):
        return called.startswith(pattern[:-1])
    return canonical(pattern) == called
