"""Sentences for what is wrong in the agents file: what is to be written, in its writer's words."""

from __future__ import annotations

import re
from typing import Final

from pydantic_core import ErrorDetails

from gateway.agents.config.base import suggestion
from gateway.agents.config.mcp import CONNECTOR, SERVER_URL, TOOL_NAME
from gateway.agents.config.signed_request import FIXED_URL
from gateway.agents.config.tool_options import FILLED_URL, PYTHON_FUNCTION, SECRET_ALONE
from gateway.agents.config.transfers import PARTY

UNKNOWN: Final = "is unknown here"
_PROBLEMS: Final = {
    "missing": "is missing",
    "string_type": 'must be text (in quotes, "like this", when it looks like a number or yes/no)',
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "too_long": "must have at most {max_length} entries",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "model_attributes_type": "must be an object",
    "list_type": "must be a list, like [this, that]",
    "union_tag_invalid": "must be one of {expected_tags}, by its `type`",
    "string_pattern_mismatch": "must fit {pattern}",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
}
_NOT_IN_A_URL: Final = "http or https, without blanks, #, and user or password"
OF_PATTERNS: Final = {
    FILLED_URL: (
        'must be an address like "https://api.example.com/orders/{order}": ' + _NOT_IN_A_URL + ", "
        "and with {...} only behind the host"
    ),
    FIXED_URL: (
        'must be an address like "https://crm.example.com/call": ' + _NOT_IN_A_URL + ", and "
        "without {...}"
    ),
    SERVER_URL: 'must be an address like "https://mcp.example.com/mcp": ' + _NOT_IN_A_URL,
    PYTHON_FUNCTION: 'must be `module:function`, like "shop.calls:before"',
    SECRET_ALONE: 'must name a variable of the environment, like "${TOKEN}"',
    CONNECTOR: "must be the name of a connector of OpenAI's, like connector_gmail",
    TOOL_NAME: "must be the name of a tool, without blanks and commas",
    PARTY: 'must be a number like "+15550199", or a SIP address like "sip:desk@example.com"',
}
"""What is meant by a pattern, which nobody reads who writes a file."""
_QUOTED: Final = re.compile(r"'([^']*)'")
_SHOWN_MAX_CHARS: Final = 40
"""Of a wrong word that is repeated to its writer."""


def sentence_of(details: ErrorDetails) -> str:
    """Return a problem in words that follow a key: what is wrong, and what may be meant."""
    given, context = details["input"], details.get("ctx", {})
    if details["type"] == "literal_error" and isinstance(given, str):
        expected = str(context["expected"])
        near = suggestion(given, _QUOTED.findall(expected))
        return f"must be {expected}, not {given[:_SHOWN_MAX_CHARS]}{near}"
    of_pattern = OF_PATTERNS.get(context.get("pattern", ""))
    if details["type"] == "string_pattern_mismatch" and of_pattern is not None:
        return of_pattern
    ours = _PROBLEMS.get(details["type"])
    if ours is not None:
        return ours.format(**context)
    # Its braces, if any, are the operator's.
    sentence = details["msg"].removeprefix("Value error, ").replace("Input should", "must")
    return sentence[0].lower() + sentence[1:]
