"""Values of the call in an operator's requests: `{call.sid}`, `{call.facts.customer|unknown}`.

The model neither sees nor sets them. Each is escaped for the place where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

VALUES: Final = ("sid", "id", "caller", "dialled", "agent", "direction")
_FACT: Final = r"facts\.[A-Za-z][A-Za-z0-9_]{0,63}"
_PLACEHOLDER: Final = re.compile(
    rf"\{{(call\.(?:{'|'.join(VALUES)}|{_FACT}))(?:\|([^{{}}|]*))?\}}", re.ASCII
)
_MEANT: Final = re.compile(r"\{\s*(?:call|facts?)\b[^{}]{0,200}\}?", re.IGNORECASE)
"""Whatever somebody meant as a placeholder; other braces are arguments, or the writer's own."""
_SHOWN_MAX_CHARS: Final = 60


def is_call_value(name: str) -> bool:
    """Return whether a placeholder's name stands for a value of the call, not for an argument."""
    return name.startswith("call.")


def check_call_values(text: str) -> str:
    """Return the text. Raises ValueError for a placeholder of the call that there is not."""
    for found in _MEANT.finditer(text):
        if not _PLACEHOLDER.fullmatch(found[0]):
            known = ", ".join(f"{{call.{name}}}" for name in VALUES)
            raise ValueError(
                f"{found[0][:_SHOWN_MAX_CHARS]} is no value of a call: there are {known} and "
                "{call.facts.NAME}, each with a default behind a bar if need be"
            )
    return text


def call_value_in(text: str) -> str | None:
    """Return what somebody meant as a value of the call in a text, the first; None for none."""
    found = _MEANT.search(text)
    return None if found is None else found[0][:_SHOWN_MAX_CHARS]


def with_call_values(
    text: str, value: Callable[[str], str], escape: Callable[[str], str] = str
) -> str:
    """Return a text with the call's values; `value` returns one by its name, "" for a missing one.

    A default is the operator's own text: it is escaped all the same.
    """
    return _PLACEHOLDER.sub(lambda found: escape(value(found[1]) or found[2] or ""), text)


def texts_of(value: Any) -> Iterator[tuple[str, bool]]:
    """Yield every text in a JSON value, and whether it is a name in an object."""
    if isinstance(value, str):
        yield value, False
    elif isinstance(value, list):
        for one in value:
            yield from texts_of(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            yield str(name), True
            yield from texts_of(one)


def filled_json(body: Any, value: Callable[[str], str]) -> Any:
    """Return a JSON value whose texts have the call's values in them."""
    if isinstance(body, str):
        return with_call_values(body, value)
    if isinstance(body, list):
        return [filled_json(one, value) for one in body]
    if isinstance(body, dict):
        return {name: filled_json(one, value) for name, one in body.items()}
    return body
