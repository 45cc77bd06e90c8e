"""JSON Schemas of the operator, by which what models and callers say is validated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from gateway import limits

if TYPE_CHECKING:  # 3 MB, imported where there is a schema
    from jsonschema_rs import Draft202012Validator

_REFERENCES: Final = ("$ref", "$dynamicRef")
_ANCHORS: Final = ("$anchor", "$dynamicAnchor")
_UNFINISHED: Final = object()


def compiled(schema: dict[str, Any]) -> Draft202012Validator:
    """Return the validator of a schema (2020-12). Raises ValueError with what is wrong.

    How long it takes to validate grows with the text and with the compiled pattern, which has a
    bound. Nothing is fetched. A schema that refers to itself is refused: two references in an
    `anyOf` double the time with each level that somebody nests.
    """
    from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError  # noqa: PLC0415

    try:
        options = RegexOptions(
            size_limit=limits.tools.PATTERN_MAX_BYTES,
            dfa_size_limit=limits.tools.PATTERN_CACHE_MAX_BYTES,
        )
        validator = Draft202012Validator(schema, pattern_options=options, offline=True)
    except ValidationError as error:
        raise ValueError(f"is no JSON schema: {error.message[:300]}") from None
    if _refers_to_itself(schema):
        raise ValueError("refers to itself: write out as many levels as are needed")
    return validator


def _refers_to_itself(schema: dict[str, Any]) -> bool:
    anchors = {f"#{node[key]}": node for node in _nodes(schema) for key in _ANCHORS if key in node}
    seen: dict[int, object] = {}

    def leads_back(node: Any) -> bool:
        if id(node) in seen:
            return seen[id(node)] is _UNFINISHED
        seen[id(node)] = _UNFINISHED
        inner = _children(node)
        if isinstance(node, Mapping):
            inner += [_target(schema, anchors, node.get(key)) for key in _REFERENCES]
        found = any(leads_back(one) for one in inner if isinstance(one, Mapping | list))
        seen[id(node)] = None
        return found

    return leads_back(schema)


def _target(schema: Mapping[str, Any], anchors: Mapping[str, Any], reference: Any) -> Any:
    """Return what a reference within the schema leads to; None for any other."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    if reference in anchors:
        return anchors[reference]
    node: Any = schema
    for step in reference[1:].split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        try:
            node = node[int(name)] if isinstance(node, list) else node[name]
        except (LookupError, TypeError, ValueError):
            return None
    return node


def _children(node: Any) -> list[Any]:
    return list(node.values()) if isinstance(node, Mapping) else list(node)


def _nodes(node: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping):
        yield node
    if isinstance(node, Mapping | list):
        for one in _children(node):
            yield from _nodes(one)
