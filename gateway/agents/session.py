"""From an agent to the session object of the Realtime API, GA shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final

from gateway.agents.config.agent import Agent
from gateway.agents.config.mcp import ApprovalPolicy, McpServer
from gateway.agents.config.tool_options import all_with_secrets, with_secrets

PCM_24K: Final = {"type": "audio/pcm", "rate": 24000}
PCMU: Final = {"type": "audio/pcmu"}
_FORMATS: Final[dict[str, dict[str, Any]]] = {"pcm24k": PCM_24K, "pcmu": PCMU}

# What `session:` may not change, because the gateway relies on it, and where to say it instead.
_FIXED: Final = {
    "type": "a telephone call is a realtime session",
    "model": "is set by `model:` of the agent",
    "output_modalities": "a caller on the telephone needs audio",
    "audio.input.format": "is set by `audio:` of the agent, and by the carrier with path: sip",
    "audio.output.format": "is set by `audio:` of the agent, and by the carrier with path: sip",
}
_TURN_FLAG_NAMES: Final = ("create_response", "interrupt_response")
_TURN_FLAGS: Final = {
    f"audio.input.turn_detection.{flag}": "does not go with barge_in above 0, which has the "
    "gateway decide on turns"
    for flag in _TURN_FLAG_NAMES
}


def session_of(agent: Agent, tools: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The agent's session with these tool definitions: the same bytes every time.

    Without a key for what the agent left unset. On the SIP path it names no audio formats.
    """
    session = _merged(agent, tools)
    return _unformatted(session) if agent.path == "sip" else session


def essential_session(
    agent: Agent, session: Mapping[str, Any], path: str = "media-streams"
) -> dict[str, Any]:
    """Return a call's session without what a call on this path can do without.

    That is the tools of MCP servers, and all that the agent's `session:` adds but turn detection,
    on which the call relies.
    """
    plain = agent.model_copy(update={"session": {}, "path": path})
    tools = [tool for tool in session.get("tools", ()) if tool.get("name") in agent.tools]
    found, audio = session_of(plain, tools), session.get("audio", {})
    for side in ("input", "output"):  # a browser's line may have another format than the agent
        if "format" in audio.get(side, {}):
            found["audio"][side]["format"] = audio[side]["format"]
    heard = audio.get("input", {})
    if "turn_detection" in heard:
        found["audio"]["input"]["turn_detection"] = heard["turn_detection"]
    return found


_CLEARED: Final[Mapping[str, Any]] = {
    "tools": [],
    "tool_choice": "auto",
    "truncation": "auto",
    "max_output_tokens": "inf",
    "speed": 1.0,
}
"""Values that take back what a session was told; anything else is taken back by null."""
_FROZEN: Final = frozenset({"model", "voice", "tracing", "prompt"})
"""Fields that a running session keeps; `reasoning` can be changed, but not taken back."""


def session_change(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `session.update` by which a running session becomes another agent's.

    "Only the fields that are present are updated": what the next agent leaves out is taken back.
    Voice and model stay: the vendor freezes both.
    """
    return _changed(before, after) | {"type": "realtime"}


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for key in (*after, *(key for key in before if key not in after)):
        old, new = before.get(key), after.get(key)
        if key in _FROZEN or (key == "reasoning" and new is None):
            continue
        if key not in after:
            changed[key] = _CLEARED.get(key)
        elif key in ("audio", "input", "output") and isinstance(new, dict):
            changed[key] = _changed(old if isinstance(old, dict) else {}, new)
        elif key == "turn_detection" and isinstance(old, dict) and isinstance(new, dict):
            # A flag that the next agent leaves to its default would stay as it was.
            left = [flag for flag in _TURN_FLAG_NAMES if flag in old and flag not in new]
            changed[key] = deepcopy(new) | dict.fromkeys(left, True)
        else:
            changed[key] = deepcopy(new)
    return changed


def hosted_tools(agent: Agent, secrets: Mapping[str, str]) -> list[dict[str, Any]]:
    """The MCP servers that the model's server reaches, as it is told of them.

    `secrets` are what the environment has for them: they stand in the session, and nowhere else.
    """
    return [_hosted(label, server, secrets) for label, server in agent.hosted.items()]


def _hosted(label: str, server: McpServer, secrets: Mapping[str, str]) -> dict[str, Any]:
    def filled(text: str | None) -> str | None:
        return None if text is None else with_secrets(text, secrets)

    headers = all_with_secrets(server.headers, secrets)
    return {
        "type": "mcp",
        "server_label": label,
        **_set(
            server_url=server.url,
            connector_id=server.connector,
            authorization=filled(server.authorization),
            headers=headers or None,
            allowed_tools=server.allowed_tools,
        ),
        "require_approval": _approval(server),
    }


def _approval(server: McpServer) -> str | dict[str, Any]:
    """Return `require_approval`: tools that need an approval send a request, others just run.

    A tool that is named nowhere needs it: that is the vendor's default, and said as far as its
    name is known.
    """
    if not isinstance(server.approval, ApprovalPolicy):
        return "never" if server.approval == "none" else "always"
    free = server.approval.none
    known = [*server.approval.operator, *(server.allowed_tools or ())]
    asked = [tool for tool in dict.fromkeys(known) if tool not in free]
    named = {"always": asked, "never": free}
    return {key: {"tool_names": list(names)} for key, names in named.items() if names} or "always"


def overreach(agent: Agent) -> Iterator[tuple[str, str]]:
    """The dotted fields of `session:` that contradict what the gateway relies on, with reasons."""
    base, merged = _base(agent, ()), _merged(agent, ())
    fixed = _FIXED | (_TURN_FLAGS if agent.client_turns else {})
    for path, problem in fixed.items():
        if _at(base, path) != _at(merged, path):
            yield path, problem


def _merged(agent: Agent, tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return _merge(_base(agent, tools), agent.session)


def _unformatted(session: dict[str, Any]) -> dict[str, Any]:
    """Also of a format that an agent of the other path says in its `session:` once more."""
    audio = dict(session.get("audio") or {})
    for side, part in audio.items():
        if isinstance(part, dict):
            audio[side] = {key: value for key, value in part.items() if key != "format"}
    return session | {"audio": audio}


def _base(agent: Agent, tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    session: dict[str, Any] = {
        "type": "realtime",
        "model": agent.model,
        "output_modalities": ["audio"],
        "instructions": agent.instructions,
    }
    if tools:
        session |= {"tools": deepcopy([dict(tool) for tool in tools]), "tool_choice": "auto"}
    session["audio"] = {"input": _heard(agent), "output": _spoken(agent)}
    session |= _set(
        truncation=_plain(agent.truncation),
        reasoning=_set(effort=agent.reasoning_effort) or None,
        max_output_tokens=agent.max_output_tokens,
    )
    return session


def _heard(agent: Agent) -> dict[str, Any]:
    # An explicit null switches turn detection off; absent, the vendor's default would apply.
    return {
        **_format(agent),
        "turn_detection": _turn_detection(agent),
        **_set(
            noise_reduction=_plain(agent.noise_reduction),
            transcription=_plain(agent.transcription),
        ),
    }


def _spoken(agent: Agent) -> dict[str, Any]:
    return {**_format(agent), "voice": _plain(agent.voice), **_set(speed=agent.speed)}


def _format(agent: Agent) -> dict[str, Any]:
    return {} if agent.path == "sip" else {"format": dict(_FORMATS[agent.audio])}


def _turn_detection(agent: Agent) -> dict[str, Any] | None:
    detection = _plain(agent.turn_detection)
    if detection is not None and agent.client_turns:
        detection |= {"create_response": False, "interrupt_response": False}
    return detection  # type: ignore[no-any-return] # a model dumps to a dict


def _plain(part: Any) -> Any:
    return part.model_dump(exclude_none=True) if hasattr(part, "model_dump") else part


def _set(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top of `base`, object by object; `tools` are added to, all else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        if key == "tools" and isinstance(value, list):
            merged[key] = [*merged.get(key, []), *deepcopy(value)]
        elif isinstance(value, dict) and _same_kind(merged.get(key), value):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = deepcopy(value)
    return merged


def _same_kind(base: Any, over: Mapping[str, Any]) -> bool:
    """Whether two objects can be merged: one of another `type` has other fields, and replaces."""
    return isinstance(base, dict) and over.get("type", base.get("type")) == base.get("type")


def _at(session: Any, path: str) -> Any:
    for key in path.split("."):
        session = session.get(key) if isinstance(session, dict) else None
    return session
