"""Names of the built-in tools, as they stand in an agent's `tools`."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import WithJsonSchema

from gateway.agents.config.recording import PAUSES_RECORDING
from gateway.agents.config.secret_input import SECRET_TOOLS

BACKGROUND_TOOLS: Final = frozenset({"send_text", "request_photo"})
"""Built-in tools that need the outside: the conversation goes on while they run."""
SENDS_DIGITS: Final = "send_digits"
HANDS_OVER: Final = "hand_over"
BUILT_IN_TOOLS: Final = (
    frozenset({"end_call", "transfer", "take_message", SENDS_DIGITS, HANDS_OVER, PAUSES_RECORDING})
    | {"switch_language", *SECRET_TOOLS}
    | BACKGROUND_TOOLS
)
"""Tools that an agent has by naming them in `tools`."""
ToolName = Annotated[
    str,
    # Functions have names of the operator's: any text is valid, and an editor offers these.
    WithJsonSchema({"anyOf": [{"enum": sorted(BUILT_IN_TOOLS)}, {"type": "string"}]}),
]
