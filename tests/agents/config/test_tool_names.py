"""Names of built-in tools, as an editor offers them."""

from __future__ import annotations

from pydantic import TypeAdapter

from gateway.agents.config.secret_input import SECRET_TOOLS
from gateway.agents.config.tool_names import (
    BACKGROUND_TOOLS,
    BUILT_IN_TOOLS,
    HANDS_OVER,
    SENDS_DIGITS,
    ToolName,
)
from gateway.agents.config.tool_options import NAME


def test_an_editor_offers_the_built_in_ones_and_takes_any_other() -> None:
    name: TypeAdapter[str] = TypeAdapter(ToolName)
    offered, others = name.json_schema()["anyOf"]
    assert offered["enum"] == sorted(BUILT_IN_TOOLS)
    assert others == {"type": "string"}
    assert name.validate_python("a_function_of_the_operator") == "a_function_of_the_operator"


def test_every_kind_of_tool_is_among_them() -> None:
    named = {SENDS_DIGITS, HANDS_OVER, "pause_recording", *SECRET_TOOLS, *BACKGROUND_TOOLS}
    assert named < BUILT_IN_TOOLS
    assert {"end_call", "transfer"} <= BUILT_IN_TOOLS - BACKGROUND_TOOLS


def test_a_model_can_call_each_by_its_name() -> None:
    assert [name for name in BUILT_IN_TOOLS if not NAME.fullmatch(name)] == []
