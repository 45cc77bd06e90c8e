"""Any agent whose sound passes through us: each with what makes a difference to calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from call.play import an_agent
from gateway.agents.config.agent import Agent

TURN_DETECTION = [
    {"type": "server_vad"},
    {"type": "semantic_vad", "interrupt_response": False},
    {"type": "server_vad", "create_response": False},
]
STOCK = {
    "description": "Looks up, while a sound is heard.",
    "parameters": {"type": "object", "properties": {}},
    "http": {"url": "https://api.example.com/"},
    "hold": True,
    "filler_after_ms": 100,
}
CRM = {
    "via": "openai",
    "url": "https://crm.example.com/mcp",
    "approval_timeout_s": 3,
    "timeout_s": 2,
    "filler_after_ms": 100,
}
HOSTED = CRM | {"allowed_tools": ["find"], "approval": "operator", "hold": True}
PRIVATE = {
    "via": "gateway",
    "url": "http://shop.internal/mcp",
    "approval": {"operator": ["reserve"], "none": ["look_up"]},
    "approval_timeout_s": 3,
    "filler_after_ms": 100,
}


def offered(*names: str) -> list[dict[str, Any]]:
    return [{"type": "function", "name": n, "parameters": {"type": "object"}} for n in names]


BARGE_IN = [
    {"min_speech_ms": 300},
    {"protect_greeting_ms": 2000},
    {"min_speech_ms": 1, "protect_greeting_ms": 500},
]


def either_path(
    draw: st.DrawFn, stock: dict[str, Any], hosted: dict[str, Any], private: dict[str, Any]
) -> dict[str, Any]:
    """What may be drawn whichever way the sound goes; `hosted` and `private` are MCP servers."""
    return fields(lambda *options: draw(st.sampled_from(options)), stock, hosted, private)


def fields(
    one_of: Callable[..., Any],
    stock: dict[str, Any],
    hosted: dict[str, Any],
    private: dict[str, Any],
) -> dict[str, Any]:
    """The same, whoever chooses."""
    servers = [{}, {"crm": hosted}, {"crm": hosted, "shop": private}]
    agent: dict[str, Any] = {
        "greeting": one_of(None, "Hello."),
        "max_call_s": one_of(5.0, 130.0, 1800.0),
        "tools": [
            "end_call",
            "transfer",
            "stock",
            "hand_over",
            "switch_language",
            "collect_digits",
        ],
        "secret_digits": {"pin": {"http": {"url": "https://bank.example.com/pin"}}},
        "hand_over": {"other": "about anything else"},
        "functions": {"stock": stock | {"on_barge_in": one_of("keep", "cancel")}},
        "transfers": {"desk": {"to": "+15550123"}},
        "keypad": one_of(None, {"pause_s": 1.0}),
        "mcp": one_of(*servers),
    }
    if "shop" in agent["mcp"]:
        rules = private["approval"]
        agent["session"] = {"tools": offered(*(f"shop_{t}" for ts in rules.values() for t in ts))}
    out = one_of("", "talk", "leave_message", "hang_up")
    if out:
        said = {"message": "Call us."} if out == "leave_message" else {}
        agent["outbound"] = {"from": "+14155550100", "machine": out, **said}
    return agent


def colleague(agent: dict[str, Any]) -> Agent:
    """Return the agent to which this one hands over, and which may hand back."""
    other = agent | {"name": "other", "hand_over": {"desk": "about the rest"}, "greeting": None}
    return an_agent(**other, language="fr")


@st.composite
def agents(draw: st.DrawFn) -> dict[str, Any]:
    agent = either_path(draw, STOCK, HOSTED, PRIVATE) | {
        "audio": draw(st.sampled_from(["pcmu", "pcmu", "pcm24k"])),
        "lead_ms": draw(st.sampled_from([200, 250, 1000, 5000])),
        "idle": draw(
            st.sampled_from(
                [
                    {"nudge_after_s": 2.0, "end_after_s": 4.0},
                    {"nudge_after_s": 15.0, "end_after_s": 30.0},
                ]
            )
        ),
    }
    if draw(st.booleans()):
        agent["barge_in"] = draw(st.sampled_from(BARGE_IN))
    else:
        agent["turn_detection"] = draw(st.sampled_from(TURN_DETECTION))
    return agent
