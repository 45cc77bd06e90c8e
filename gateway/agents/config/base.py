"""Base of every part of the agents file."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError


class AgentFilePart(BaseModel):
    """Base of all parts: frozen, strict, and without unknown keys, NaN and infinities."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def wrong(key: str, problem: str) -> PydanticCustomError:
    """Return the error of a rule between fields; `key` is dotted, seen from the model that raises.

    An item of a list is named by its index, from 0; the report to the operator counts from 1.
    """
    return PydanticCustomError("rule", "{problem}", {"problem": problem, "key": key})


def none_for(part: type[BaseModel]) -> BeforeValidator:
    """Let the word `none` stand for the absence of this part, whose default is to be there."""
    return BeforeValidator(
        lambda value: None if value == "none" else value,
        json_schema_input_type=part | Literal["none"] | None,
    )


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ` (did you mean ...?)` for a word that is almost one of these, else nothing."""
    near = get_close_matches(word, known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
