"""The schema of a call's result, as the agents file gives it (`result:`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import RootModel, model_validator

from gateway import limits
from gateway.agents.config.base import wrong
from gateway.agents.config.json_schema import compiled

if TYPE_CHECKING:  # 3 MB, imported where there is a schema
    from jsonschema_rs import Draft202012Validator


class ResultSchema(RootModel[dict[str, Any]]):
    """A JSON schema (2020-12) of type object: one property for each field of the result."""

    @model_validator(mode="after")
    def _is_usable(self) -> ResultSchema:
        schema = self.root
        if schema.get("type") != "object" or not isinstance(schema.get("properties"), dict):
            raise wrong("", "must be a JSON schema with `type: object` and `properties`")
        if not 1 <= len(schema["properties"]) <= limits.results.FIELDS_MAX:
            raise wrong("properties", f"must have 1 to {limits.results.FIELDS_MAX} fields")
        if len(self.text.encode()) > limits.results.SCHEMA_MAX_BYTES:
            raise wrong("", f"is longer than {limits.results.SCHEMA_MAX_BYTES} bytes")
        try:
            _ = self._validator
        except ValueError as error:
            raise wrong("", str(error)) from None
        return self

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(self.root["properties"])

    @cached_property
    def text(self) -> str:
        return json.dumps(self.root, ensure_ascii=False)

    @cached_property
    def _validator(self) -> Draft202012Validator:
        # What a call did not bring up is null, whatever the schema requires.
        return compiled({key: value for key, value in self.root.items() if key != "required"})

    def problem(self, values: Mapping[str, Any]) -> str | None:
        """Return what is wrong with these fields; None when they fit. Null always fits."""
        from jsonschema_rs import ValidationError  # noqa: PLC0415

        known = {name: value for name, value in values.items() if value is not None}
        try:
            self._validator.validate(known)
        except ValidationError as error:
            place = ".".join(map(str, error.instance_path)) or "the result"
            return f"{place}: {error.message[:300]}"
        return None
