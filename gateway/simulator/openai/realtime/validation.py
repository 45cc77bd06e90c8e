"""Strict validation of client JSON by the vendor's own published types.

pydantic reports the errors of every arm of a union; a server names one parameter. The arm that is
reported is the one whose `type` and `role` fit the object.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

KINDS: Final = {
    "string_type": "a string",
    "int_type": "an integer",
    "float_type": "a number",
    "bool_type": "a boolean",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
WRONG_KIND, WRONG_TYPE, WRONG_ROLE = 4, 2, 1
"""Penalties of a union's arm that does not fit an object."""


class InvalidValue(Exception):
    """Value that the server refuses, with the fields of the `error` event.

    One that is `crossed` was right when it was sent: what made it wrong was still on its way.
    """

    def __init__(
        self,
        code: str,
        message: str,
        param: str | None = None,
        *,
        kind: str = "invalid_request_error",
        crossed: bool = False,
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.param, self.kind = code, message, param, kind
        self.crossed = crossed


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def check(value: Any, shape: Any) -> None:
    """Raises InvalidValue unless the value fits the type strictly, without unknown fields."""
    try:
        _adapter(shape).validate_python(value, extra="forbid", strict=True)
    except ValidationError as error:
        raise _refusal(value, error.errors(include_url=False)) from None


class _Found:
    """One of pydantic's errors, with its path in the JSON and the union arms on the way."""

    def __init__(self, value: Any, details: ErrorDetails) -> None:
        self.details, self.path = details, ""
        self.arms: list[tuple[int | str, ...]] = []
        location = details["loc"]
        for at, part in enumerate(location):
            if isinstance(value, dict) and part in value:
                self.path, value = f"{self.path}.{part}" if self.path else str(part), value[part]
            elif isinstance(value, list) and isinstance(part, int):
                self.path, value = f"{self.path}[{part}]", value[part]
            elif at == len(location) - 1 and details["type"] == "missing":
                self.path = f"{self.path}.{part}" if self.path else str(part)
            else:  # no part of the JSON: pydantic's name of a union's arm
                self.arms.append(location[: at + 1])
        self.value = value

    @property
    def penalty(self) -> tuple[tuple[int | str, ...], int]:
        """Union arm that does not fit by this error, and its penalty."""
        location, kind = self.details["loc"], self.details["type"]
        if self.arms and self.arms[-1] == location:
            wrong = kind == "model_type" or isinstance(self.value, dict)
            return location, WRONG_KIND if wrong else 0
        if kind == "literal_error" and location[:-1] in self.arms:
            wrong_tag = {"type": WRONG_TYPE, "role": WRONG_ROLE}
            return location[:-1], wrong_tag.get(str(location[-1]), 0)
        return (), 0


def _refusal(value: Any, errors: list[ErrorDetails]) -> InvalidValue:
    """Return the error that the vendor would name."""
    found = [_Found(value, details) for details in errors]
    penalties: dict[tuple[int | str, ...], int] = {}
    for one in found:
        arm, penalty = one.penalty
        penalties[arm] = max(penalties.get(arm, 0), penalty)

    def rank(one: _Found) -> tuple[int, bool, bool]:
        misfit = sum(penalties.get(arm, 0) for arm in one.arms)
        # Where no arm fits, the tag is what is wrong, not what its object lacks.
        beside = bool(misfit) and not one.penalty[1]
        return misfit, beside, one.details["type"] != "extra_forbidden"

    best = min(found, key=rank)
    kind, path = best.details["type"], best.path
    if kind == "extra_forbidden":
        return InvalidValue("unknown_parameter", f"Unknown parameter: '{path}'.", path)
    if kind == "missing":
        message = f"Missing required parameter: '{path}'."
        return InvalidValue("missing_required_parameter", message, path)
    if kind in KINDS:
        message = f"Invalid type for '{path}': expected {KINDS[kind]}, but got {_shown(best.value)}"
        return InvalidValue("invalid_type", f"{message} instead.", path)
    supported = [one.details.get("ctx", {}).get("expected") for one in found if one.path == path]
    known = ", ".join(dict.fromkeys(str(names) for names in supported if names))
    message = f"Invalid value: {_shown(best.value)}. Supported values are: {known}."
    return InvalidValue("invalid_value", message, path)


def _shown(value: Any) -> str:
    return f"'{value}'"[:80] if isinstance(value, str) else type(value).__name__
