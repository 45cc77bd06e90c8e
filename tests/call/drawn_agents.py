"""Any agent whose sound passes through us: each with what makes a difference to his calls."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

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
HOSTED = {
    "via": "openai",
    "url": "https://crm.example.com/mcp",
    "allowed_tools": ["find"],
    "approval": "operator",
    "approval_timeout_s": 3,
    "timeout_s": 2,
    "hold": True,
    "filler_after_ms": 100,
}
PRIVATE = {
    "via": "gateway",
    "url": "http://shop.internal/mcp",
    "approval": {"operator": ["reserve"], "always": ["look_up"]},
    "approval_timeout_s": 3,
    "filler_after_ms": 100,
}
OF_SHOP = [
    {"type": "function", "name": name, "parameters": {"type": "object"}}
    for name in ("shop_reserve", "shop_look_up")
]


@st.composite
def agents(draw: st.DrawFn) -> dict[str, Any]:
    agent: dict[str, Any] = {
        "audio": draw(st.sampled_from(["pcmu", "pcmu", "pcm24k"])),
        "lead_ms": draw(st.sampled_from([200, 250, 1000, 5000])),
        "greeting": draw(st.sampled_from([None, "Hello."])),
        "max_call_s": draw(st.sampled_from([5.0, 130.0, 1800.0])),
        "idle": draw(
            st.sampled_from(
                [
                    {"nudge_after_s": 2.0, "end_after_s": 4.0},
                    {"nudge_after_s": 15.0, "end_after_s": 30.0},
                ]
            )
        ),
        "tools": ["end_call", "transfer", "stock"],
        "functions": {"stock": STOCK | {"on_barge_in": draw(st.sampled_from(["keep", "cancel"]))}},
        "transfers": {"desk": {"to": "+15550123"}},
        "mcp": draw(st.sampled_from([{}, {"crm": HOSTED}, {"crm": HOSTED, "shop": PRIVATE}])),
        "keypad": draw(st.sampled_from([None, {"pause_s": 1.0}])),
    }
    if "shop" in agent["mcp"]:
        agent["session"] = {"tools": OF_SHOP}
    out = draw(st.sampled_from(["", "talk", "leave_message", "hang_up"]))
    if out:
        said = {"message": "Call us."} if out == "leave_message" else {}
        agent["outbound"] = {"from": "+14155550100", "machine": out, **said}
    if draw(st.booleans()):
        agent["barge_in"] = draw(
            st.sampled_from(
                [
                    {"min_speech_ms": 300},
                    {"protect_greeting_ms": 2000},
                    {"min_speech_ms": 1, "protect_greeting_ms": 500},
                ]
            )
        )
    else:
        agent["turn_detection"] = draw(st.sampled_from(TURN_DETECTION))
    return agent
