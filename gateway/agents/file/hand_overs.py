"""Checks of hand-overs between agents: whom an agent names, and what a call cannot change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from gateway.agents.config.agent import Agent
from gateway.agents.config.base import suggestion
from gateway.errors import FileError
from gateway.yaml_source import YamlSource

_FIXED_ON_SIP: Final = {
    "model": "OpenAI changes the model of no session",
    "voice": "OpenAI changes no voice that has been heard",
}
"""Fields of an agent that a `session.update` cannot change, with the vendor's rule."""


_OF_THE_CALL: Final = ("record", "redact", "retain_days")
"""Fields of which the strictest of all agents in a call holds, from when it takes part."""


def no_agent(name: str, agents: Mapping[str, Agent]) -> str:
    """Return the problem of a name that no agent has."""
    known = ", ".join(agents)
    return f"no agent is named {name}{suggestion(name, agents)}: there are {known}"


def hand_over_problems(agents: Mapping[str, Agent], document: YamlSource) -> Iterator[FileError]:
    """Yield what is wrong with `hand_over`; that it leads round in a circle is not."""
    for agent in agents.values():
        for name in agent.hand_over:
            following = agents.get(name)
            problem = no_agent(name, agents) if following is None else _clash(agent, following)
            if problem is not None:
                yield document.error(("agents", agent.name, "hand_over", name), problem)


def hand_over_warnings(agents: Mapping[str, Agent], document: YamlSource) -> Iterator[str]:
    """Yield where a hand-over changes what is kept of a call, once for each pair of agents."""
    seen: set[frozenset[str]] = set()
    for agent in agents.values():
        for name in agent.hand_over:
            pair = frozenset((agent.name, name))
            if pair in seen:
                continue
            seen.add(pair)
            for problem in _kept_otherwise(agent, agents[name]):
                yield document.warning(("agents", agent.name, "hand_over", name), problem)


def _kept_otherwise(agent: Agent, following: Agent) -> Iterator[str]:
    fields = [one for one in _OF_THE_CALL if _value(agent, one) != _value(following, one)]
    if fields:
        yield (
            f"{following.name} and {agent.name} differ in {' and '.join(fields)}: of a call that "
            "both lead the stricter holds for all of it"
        )
    if (agent.recording is None) != (following.recording is None):
        without = agent.name if agent.recording is None else following.name
        yield f"{without} has no recording: from when it leads a call nothing more is recorded"


def _value(agent: Agent, field: str) -> object:
    value = getattr(agent, field)
    return set(value) if isinstance(value, list) else value


def _clash(agent: Agent, following: Agent) -> str | None:
    """Return why a call cannot go from one agent to the other."""
    if agent.path != following.path:
        return (
            f"{following.name} has path: {following.path} and {agent.name} path: {agent.path}; a "
            "call stays on the path by which it came: give both the same"
        )
    if agent.path != "sip":
        return None
    for field, rule in _FIXED_ON_SIP.items():
        if getattr(agent, field) != getattr(following, field):
            return (
                f"{following.name} has another {field}; with path: sip both agents share one "
                f"session, and {rule}: give both the same"
            )
    if agent.reasoning_effort is not None and following.reasoning_effort is None:
        return (
            f"{following.name} has no reasoning_effort; with path: sip both agents share one "
            "session, in which it would stay as it is: name it there too"
        )
    return None
