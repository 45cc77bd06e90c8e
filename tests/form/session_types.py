"""Types of a realtime session in the `openai` package, written out as a JSON Schema.

`make session-types` writes the file; with `--check` the command fails where the file is stale. A
gateway checks its agents file against that file, and so never imports the package.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from openai.types.realtime import RealtimeSessionCreateRequest
from pydantic import BaseModel

TABLE: Final = Path(__file__).parents[2] / "gateway/agents/file/realtime_session.json"
_TYPES: Final[dict[Any, dict[str, Any]]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    NoneType: {"type": "null"},
    object: {},
    Any: {},
}


def document() -> str:
    """Return the text of the file for the package that is installed."""
    models: dict[str, type[BaseModel]] = {}
    definitions: dict[str, Any] = {}
    root = _schema(RealtimeSessionCreateRequest, models)
    while waiting := models.keys() - definitions.keys():
        for name in waiting:
            definitions[name] = _object(models[name], models)
    comment = "Written by `make session-types` from the types of the openai package."
    table = {"$comment": comment, **root, "$defs": dict(sorted(definitions.items()))}
    return json.dumps(table, indent=1) + "\n"


def _schema(kind: Any, models: dict[str, type[BaseModel]]) -> dict[str, Any]:
    """Raises KeyError for a kind of type that the check does not know."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _schema(arguments[0], models)
    if origin in (Union, UnionType):
        return {"anyOf": [_schema(one, models) for one in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0], models)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1], models)}
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        name = f"{kind.__module__.rpartition('.')[2]}.{kind.__name__}"
        if models.setdefault(name, kind) is not kind:
            raise ValueError(f"two types are named {name}")
        return {"$ref": f"#/$defs/{name}"}
    return _TYPES[kind]


def _object(kind: type[BaseModel], models: dict[str, type[BaseModel]]) -> dict[str, Any]:
    fields = {field.alias or name: field for name, field in kind.model_fields.items()}
    return {
        "type": "object",
        "properties": {name: _schema(field.annotation, models) for name, field in fields.items()},
        "required": [name for name, field in fields.items() if field.is_required()],
        "additionalProperties": False,
    }


def main() -> int:
    """Write the file, or with `--check` return 1 where it is stale."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        TABLE.write_text(document())
        return 0
    if TABLE.read_text() == document():
        return 0
    print(f"{TABLE.name} is stale: make session-types", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
