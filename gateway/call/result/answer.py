"""The model's answer to the request for a result: read, held against the schema and the words."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from gateway import limits
from gateway.agents.config.result import ResultSchema
from gateway.call.result.words import SpokenWords

_ENTRY: Final = {"value", "evidence"}


class UnusableAnswer(Exception):
    """An answer that is asked for once more; `reason` is one word for metrics."""

    def __init__(self, reason: str, problem: str) -> None:
        super().__init__(problem)
        self.reason, self.problem = reason, problem


@dataclass(frozen=True, slots=True)
class Quote:
    """Words of the caller's that a field rests on."""

    item_id: str
    quote: str


@dataclass(frozen=True, slots=True)
class ResultFields:
    """Fields of a result: every field of the schema is there, null where nothing proves it."""

    values: dict[str, Any] = field(default_factory=dict)
    evidence: dict[str, list[Quote]] = field(default_factory=dict)
    unproven: list[str] = field(default_factory=list)
    """Fields for which the model gave a value, and no words of the caller's that were said."""


def read_answer(text: str, schema: ResultSchema, words: SpokenWords) -> ResultFields:
    """Return the fields of an answer. Raises UnusableAnswer."""
    entries = _entries(text)
    values = {name: _value(entries.get(name)) for name in schema.fields}
    problem = schema.problem(values)
    if problem is not None:
        raise UnusableAnswer("schema", problem)
    result = ResultFields()
    for name, value in values.items():
        quotes = _quotes(entries.get(name), words) if value is not None else []
        if quotes:
            result.evidence[name] = quotes
        elif value is not None:
            result.unproven.append(name)
        result.values[name] = value if quotes else None
    return result


def _entries(text: str) -> dict[str, Any]:
    bare = text.strip()
    if bare.startswith("```"):  # models like to fence JSON
        bare = bare.partition("\n")[2].rpartition("```")[0]
    try:
        if len(bare) > limits.results.ANSWER_MAX_CHARS:
            raise ValueError
        entries = json.loads(bare, parse_constant=_no_number)
        json.dumps(entries, ensure_ascii=False).encode()  # raises at half a character
    except (ValueError, RecursionError):
        raise UnusableAnswer("not_json", "the answer is not JSON") from None
    if not isinstance(entries, dict):
        raise UnusableAnswer("not_json", "the answer is not a JSON object")
    return entries


def _value(entry: Any) -> Any:
    """Return the value of `{"value": ..., "evidence": [...]}`; a bare value proves nothing."""
    return entry["value"] if _is_entry(entry) else entry


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and "value" in entry and entry.keys() <= _ENTRY


def _quotes(entry: Any, words: SpokenWords) -> list[Quote]:
    given = entry.get("evidence") if _is_entry(entry) else None
    found = []
    for one in given[: limits.results.EVIDENCE_MAX] if isinstance(given, list) else ():
        quote = one.get("quote") if isinstance(one, dict) else one
        if not isinstance(quote, str) or len(quote) > limits.results.QUOTE_MAX_CHARS:
            continue
        named = one.get("item_id") if isinstance(one, dict) else None
        item_id = words.find(quote, named if isinstance(named, str) else "")
        if item_id is not None:
            found.append(Quote(item_id, quote))
    return found


def _no_number(name: str) -> None:
    """JSON has no NaN, though Python's has."""
    raise ValueError(name)
