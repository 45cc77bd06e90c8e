"""JSON Schema of the agents file, for editors, from the types that the loader reads.

A key that is added to those types is in the schema without more. Rules between keys are the
loader's: what fits the schema may still be refused by `gateway agents check`.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from gateway.agents.config.agent import Agent
from gateway.agents.file.document import AgentsDocument
from gateway.agents.file.session_schema import SessionSchema

DRAFT: Final = "http://json-schema.org/draft-07/schema#"
"""The draft that the YAML extensions of editors know best."""
_REF: Final = "#/definitions/{model}"
_VENDOR: Final = "vendor."
"""Before the names of the vendor's types, so that none is taken for one of ours."""


def agents_schema() -> dict[str, Any]:
    """Return the schema of an agents file."""
    schema = AgentsDocument.model_json_schema(
        by_alias=True, ref_template=_REF, schema_generator=_Described
    )
    definitions: dict[str, Any] = schema.pop("$defs")
    agent = definitions[Agent.__name__]
    # In the file its name is the key above.
    del agent["properties"]["name"]
    agent["required"].remove("name")
    _offer_voices(agent)
    session, vendors = _session()
    agent["properties"]["session"] |= session
    return {
        "$schema": DRAFT,
        "title": "Agents file of the gateway",
        **{key: value for key, value in _portable(schema).items() if key != "title"},
        "definitions": _portable(definitions) | vendors,
    }


def encoded() -> str:
    """Return the schema as it is printed."""
    return json.dumps(agents_schema(), indent=1, ensure_ascii=False)


class _Described(GenerateJsonSchema):
    """Adds the docstrings below fields, which pydantic leaves out unless it reads them at import.

    Inherits from pydantic's generator, since only that knows which schema belongs to which model.
    """

    def model_schema(self, schema: Any) -> dict[str, Any]:
        found = super().model_schema(schema)
        for name, text in _field_docs(schema["cls"]).items():
            alias = schema["cls"].model_fields[name].alias or name
            field = found.get("properties", {}).get(alias)
            if field is not None:
                field.setdefault("description", text)
        return found


def _field_docs(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstrings below the fields of a model and of those it inherits from."""
    docs: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if issubclass(one, BaseModel) and one.__module__.startswith("gateway."):
            docs |= {name: text for name, text in _docs_in(one) if name in model.model_fields}
    return docs


def _docs_in(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(model)))
    except OSError:
        return  # a product without its sources: the schema has fewer words
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    for field, text in pairwise(body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
        ):
            yield field.target.id, inspect.cleandoc(str(text.value.value))


def _offer_voices(agent: Mapping[str, Any]) -> None:
    """Have an editor offer the vendor's voices; any other name is allowed."""
    voice = agent["properties"]["voice"]
    voice["anyOf"] = [{"enum": SessionSchema().voices()}, *voice["anyOf"]]


def _session() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schema of `session:`, and the definitions of the vendor's types that it uses.

    A part of a session is enough there, so nothing in it is required.
    """
    table = SessionSchema().table
    definitions = {f"{_VENDOR}{name}": _partial(schema) for name, schema in table["$defs"].items()}
    return _partial({"$ref": table["$ref"]}), definitions


def _partial(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_partial(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: _partial(value) for key, value in schema.items() if key != "required"}
    if "$ref" in found:
        name = found["$ref"].removeprefix("#/$defs/")
        found["$ref"] = _REF.format(model=f"{_VENDOR}{name}")
    if "properties" in found:
        found["additionalProperties"] = False
    return found


def _portable(schema: Any) -> Any:
    """Return a schema with its patterns as ECMA-262 has them, without titles made of names."""
    if isinstance(schema, list):
        return [_portable(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "pattern" and isinstance(value, str):
            found[key] = re.sub(r"\\z$", "$", re.sub(r"^\\A", "^", value))
        elif key == "properties":
            found[key] = {name: _portable(one) for name, one in value.items()}
        elif key not in ("title", "discriminator"):
            found[key] = _portable(value)
    return found
