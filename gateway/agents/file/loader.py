"""Reads the agents file; whatever is wrong in it has a file, a line and a key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from importlib.resources import files
from itertools import chain
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gateway import limits
from gateway.agents.builtin_tools import definitions
from gateway.agents.config.agent import Agent
from gateway.agents.config.base import suggestion
from gateway.agents.config.models import SHUTDOWNS
from gateway.agents.file.document import AgentsDocument, agents_text
from gateway.agents.file.hand_overs import hand_over_problems, hand_over_warnings, no_agent
from gateway.agents.file.sentences import UNKNOWN, sentence_of
from gateway.agents.file.session_schema import SessionSchema
from gateway.agents.file.trunk_routes import trunk_problems, trunk_warnings
from gateway.agents.file.unfilled import unfilled
from gateway.agents.routing import AgentBook, canonical
from gateway.agents.session import hosted_tools, overreach, session_of
from gateway.errors import AgentFileError, BugError, FileError
from gateway.yaml_source import Path as Key
from gateway.yaml_source import YamlSource, parse

DEFAULT_AGENTS: Final = Path(str(files("gateway.agents") / "examples" / "reception.yaml"))


def load_agents(path: Path) -> AgentBook:
    """Return the agents and routes of a file. Raises AgentFileError with all that is wrong."""
    text = agents_text(path)
    document = parse(text, str(path), AgentFileError)
    found = _typed(document)
    problems = [*_route_problems(found, document), *_out_of_hours_problems(found, document)]
    problems += hand_over_problems(found.agents, document)
    problems += trunk_problems(found, document)
    schema = SessionSchema()
    for agent in found.agents.values():
        problems += _session_problems(agent, document, schema)
    _raise(problems)
    warnings = (
        *(one for agent in found.agents.values() for one in _warnings(agent, document, schema)),
        *trunk_warnings(found, document),
        *hand_over_warnings(found.agents, document),
    )
    version = sha256(text.encode()).hexdigest()[: limits.agents.VERSION_CHARS]
    return AgentBook(found.agents, tuple(found.routes), warnings, version)


def _raise(problems: Sequence[FileError]) -> None:
    if problems:
        first, *others = problems[: limits.agents.FILE_PROBLEMS_MAX]
        raise first.with_others(others)


def _typed(document: YamlSource) -> AgentsDocument:
    values = document.values
    if not isinstance(values, dict):
        raise document.error((), "must have `agents:` and `routes:`")
    named = _named(values, document)
    try:
        return AgentsDocument.model_validate(named)
    except ValidationError as error:
        found = [(_key(details, values), details) for details in error.errors()]
    found.sort(key=lambda item: _rank(item[0], item[1], document))
    told: dict[Key, ErrorDetails] = {}
    for key, details in found:
        if not any(_is_told(key, details, *other) for other in told.items()):
            told[key] = details
    # Made once, since it takes longer than reading a large file.
    misspelt = any(details["type"] == "extra_forbidden" for details in told.values())
    schema = AgentsDocument.model_json_schema() if misspelt else {}
    _raise([document.error(key, _problem(key, details, schema)) for key, details in told.items()])
    raise BugError("a file was refused without a problem")


def _is_told(key: Key, details: ErrorDetails, other: Key, of_other: ErrorDetails) -> bool:
    """Return whether a problem is the same as another one, or follows from it."""
    # Each member of a union has its own complaint, at its own depth.
    within = key[: len(other)] == other or other[: len(key)] == key
    misspelt = of_other["type"] == "extra_forbidden" and key[:-1] == other[:-1]
    follows = details["type"] == "missing" and str(key[-1]) in suggestion(
        str(other[-1]), [str(key[-1])]
    )
    return within or (misspelt and follows)


def _named(values: dict[str, Any], document: YamlSource) -> dict[str, Any]:
    """The same with each agent told its name, which in the file is its key."""
    agents = values.get("agents")
    if not isinstance(agents, dict):
        return values
    for name, agent in agents.items():
        if isinstance(agent, dict) and "name" in agent:
            raise document.error(("agents", name, "name"), "is the key above: remove it")
    shared = values.get("functions")
    named = {
        name: {"name": name, **_equipped(agent, shared)} if isinstance(agent, dict) else agent
        for name, agent in agents.items()
    }
    return values | {"agents": named}


def _equipped(agent: dict[str, Any], shared: Any) -> dict[str, Any]:
    """The agent with those of the file's functions that stand in its `tools`."""
    tools, own = agent.get("tools"), agent.get("functions", {})
    if not isinstance(shared, dict) or not isinstance(tools, list) or not isinstance(own, dict):
        return agent
    lent = {name: shared[name] for name in tools if isinstance(name, str) and name in shared}
    return agent | {"functions": lent | own} if lent else agent


def _rank(key: Key, details: ErrorDetails, document: YamlSource) -> tuple[bool, int, int]:
    """Misspelt keys first, since they leave others missing; then by line, the innermost first."""
    return details["type"] != "extra_forbidden", document.line(key), -len(key)


def _key(details: ErrorDetails, values: Any) -> Key:
    """The key in the file: pydantic's own has names of union members in between."""
    *above, last = details["loc"]
    key: Key = ()
    for part in above:
        if _has(values, part):
            key, values = (*key, part), values[part]
    if details["type"] == "missing" or _has(values, last):
        key, values = (*key, last), values[last] if _has(values, last) else None
    rule = details.get("ctx", {}).get("key")
    return _below(key, rule, values) if rule else key


def _below(key: Key, rule: str, values: Any) -> Key:
    """Return the value at a dotted key; entries of lists are numbered from 0."""
    for name in rule.split("."):
        part = int(name) if isinstance(values, list) and name.isdecimal() else name
        key, values = (*key, part), values[part] if _has(values, part) else None
    return key


def _has(values: Any, part: str | int) -> bool:
    if isinstance(values, list):
        return isinstance(part, int) and part < len(values)
    return isinstance(values, dict) and part in values


def _problem(key: Key, details: ErrorDetails, schema: dict[str, Any]) -> str:
    """Return the problem in words that follow a key: what is wrong, and what may be meant."""
    if details["type"] == "extra_forbidden":
        return UNKNOWN + suggestion(str(key[-1]), _fields_at(key[:-1], schema))
    return sentence_of(details)


def _fields_at(key: Key, schema: dict[str, Any]) -> set[str]:
    """Return the names of the keys that the file may have at a place."""
    places = [schema]
    for part in key:
        places = [inner for one in _members(places, schema) for inner in _within(one, part)]
    return {name for one in _members(places, schema) for name in one.get("properties", {})}


def _members(places: list[dict[str, Any]], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the objects for which these schemas stand."""
    for one in places:
        if "$ref" in one:
            name = one["$ref"].removeprefix("#/$defs/")
            yield from _members([schema["$defs"][name]], schema)
        else:
            yield one
            for kind in ("anyOf", "oneOf", "allOf"):
                yield from _members(one.get(kind, []), schema)


def _within(one: dict[str, Any], part: str | int) -> Iterator[dict[str, Any]]:
    found = one.get("items") if isinstance(part, int) else one.get("properties", {}).get(part)
    if found is None and isinstance(part, str):
        found = one.get("additionalProperties")
    if isinstance(found, dict):
        yield found


def _route_problems(found: AgentsDocument, document: YamlSource) -> Iterator[FileError]:
    seen: dict[str, int] = {}
    for index, route in enumerate(found.routes):
        if route.agent not in found.agents:
            problem = no_agent(route.agent, found.agents)
            yield document.error(("routes", index, "agent"), problem)
        first = seen.setdefault(canonical(route.to), index)
        if first != index:
            line = document.line(("routes", first, "to"))
            yield document.error(
                ("routes", index, "to"), f"{route.to} stands here twice, first on line {line}"
            )
    reached = {route.agent for route in found.routes}
    reached |= {one.out_of_hours for one in found.agents.values() if one.out_of_hours}
    reached |= {one.name for one in found.agents.values() if one.outbound is not None}
    reached |= {name for one in found.agents.values() for name in one.hand_over}
    # An answer to `before` may name any agent of the same path; which ones is not known here.
    asked = {one.path for one in found.agents.values() if one.before is not None}
    reached |= {name for name, one in found.agents.items() if one.path in asked}
    if not reached <= found.agents.keys():
        return  # whoever is meant by the unknown name would be reached
    for name in found.agents:
        if name not in reached:
            yield document.error(("agents", name), "no route leads to this agent")


def _out_of_hours_problems(found: AgentsDocument, document: YamlSource) -> Iterator[FileError]:
    for name, agent in found.agents.items():
        passed, stands_in = [name], agent.out_of_hours
        while stands_in is not None:
            key: Key = ("agents", passed[-1], "out_of_hours")
            if stands_in not in found.agents:
                if len(passed) == 1:  # otherwise the agent whose key it is has the problem
                    yield document.error(key, no_agent(stands_in, found.agents))
                break
            if stands_in in passed:
                yield document.error(key, "leads round in a circle: somebody must always answer")
                break
            passed.append(stands_in)
            stands_in = found.agents[stands_in].out_of_hours


def _session_problems(
    agent: Agent, document: YamlSource, schema: SessionSchema
) -> Iterator[FileError]:
    key: Key = ("agents", agent.name, "session")
    for path, problem in schema.problems(session_of(agent, definitions(agent))):
        yield document.error((*key, *path), problem)
    for field, problem in overreach(agent):
        yield document.error((*key, *field.split(".")), problem)
    if "prompt" in agent.session:
        yield document.error((*key, "prompt"), _PROMPT_GONE)
    yield from _hosted_problems(agent, document, schema)
    yield from _voice_problems(agent, document, schema)


_PROMPT_GONE: Final = (
    "was retired by OpenAI on 2026-11-30: write the prompt's text into `instructions`"
)


def _voice_problems(
    agent: Agent, document: YamlSource, schema: SessionSchema
) -> Iterator[FileError]:
    """Refuse what is almost the name of a voice; for any other name there is a warning."""
    unknown = _unknown_voice(agent, schema)
    if unknown is not None:
        where, voice = unknown
        near = suggestion(voice, schema.voices())
        if near:
            yield document.error(where, f"{voice} is no voice of OpenAI's{near}")


def _unknown_voice(agent: Agent, schema: SessionSchema) -> tuple[Key, str] | None:
    """Return the key and name of a voice that the vendor's types do not list."""
    voice = session_of(agent)["audio"]["output"].get("voice")
    if not isinstance(voice, str) or voice in schema.voices():
        return None
    of_agent: Key = ("agents", agent.name)
    beneath: Key = ("voice",) if voice == agent.voice else ("session", "audio", "output", "voice")
    return (*of_agent, *beneath), voice


def _hosted_problems(
    agent: Agent, document: YamlSource, schema: SessionSchema
) -> Iterator[FileError]:
    """Check hosted MCP servers against the vendor's own types."""
    unset = {name: "-" for server in agent.hosted.values() for name in server.secrets}
    hosted = {"type": "realtime", "tools": hosted_tools(agent, unset)}
    for (_, index, field, *_), problem in schema.problems(hosted):
        label = list(agent.hosted)[int(index)]
        key = _OURS.get(str(field), str(field))
        yield document.error(("agents", agent.name, "mcp", label, key), problem)


_OURS: Final = {"connector_id": "connector", "server_url": "url", "require_approval": "approval"}


def _warnings(agent: Agent, document: YamlSource, schema: SessionSchema) -> Iterator[str]:
    """Yield one line for each thing that works otherwise than its writer probably thinks."""
    of_agent: Key = ("agents", agent.name)
    for key, problem in chain(_path_warnings(agent), _record_warnings(agent)):
        yield document.warning((*of_agent, key), problem)
    for where, problem in unfilled(agent):
        yield document.warning((*of_agent, *where), problem)
    unknown = _unknown_voice(agent, schema)
    if unknown is not None:
        where, voice = unknown
        yield document.warning(
            where,
            f"{voice} is not known as a voice: with an unknown voice OpenAI refuses every call. "
            f"Known: {', '.join(schema.voices())}",
        )
    for label, server in agent.mcp.items():
        if server.connector is not None:
            yield document.warning(
                (*of_agent, "mcp", label, "connector"),
                "OpenAI has retired connectors for new models: use the `url` of an MCP server",
            )
    session = session_of(agent)
    transcription = session["audio"]["input"].get("transcription") or {}
    models = {"model": session["model"], "transcription": transcription.get("model")}
    for field, model in models.items():
        if model in SHUTDOWNS:
            date, instead = SHUTDOWNS[model]
            problem = f"{model} is shut down on {date}: use {instead}"
            yield document.warning((*of_agent, field), problem)


def _path_warnings(agent: Agent) -> Iterator[tuple[str, str]]:
    """Yield (key, problem) for what works on the SIP path only in part."""
    if agent.path != "sip":
        return
    if agent.outbound is not None and agent.greeting is None:
        yield (
            "outbound",
            "with path: sip the first words of whoever answers are spoken before the model "
            "listens: give it a greeting",
        )


def _record_warnings(agent: Agent) -> Iterator[tuple[str, str]]:
    """Yield (key, problem) for what `record: none` loses."""
    if agent.record != "none":
        return
    if "take_message" in agent.tools:
        yield (
            "record",
            "none keeps nothing of a call: what take_message notes is gone when it ends",
        )
