"""Reading JSON as strictly as the vendor does, by the vendor's own published types.

pydantic alone reports every arm of a union; a server names one parameter. This walk follows the
`type` and `role` of each object and stops at the first thing that is wrong.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel

MAX_DEPTH: Final = 32


class InvalidValue(Exception):
    """What a client sent is not accepted: the `error` event to answer with."""

    def __init__(
        self,
        code: str,
        message: str,
        param: str | None = None,
        *,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.param, self.kind = code, message, param, kind


def check(value: Any, shape: Any, path: str = "", depth: int = 0) -> None:
    """Raises `Refused` unless the JSON value fits the annotation; unknown fields do not fit."""
    if depth > MAX_DEPTH:
        raise InvalidValue("invalid_value", f"'{path}' is nested too deeply.", path)
    origin = get_origin(shape)
    if origin is Annotated:
        check(value, get_args(shape)[0], path, depth)
    elif origin is Union:
        _check_union(value, get_args(shape), path, depth)
    elif origin is Literal:
        _check_literal(value, get_args(shape), path)
    elif origin is list:
        _expect(isinstance(value, list), path, "an array", value)
        for at, element in enumerate(value):
            check(element, get_args(shape)[0], f"{path}[{at}]", depth + 1)
    elif origin is dict:
        _expect(isinstance(value, dict), path, "an object", value)
        for key, element in value.items():
            check(element, get_args(shape)[1], _under(path, key), depth + 1)
    elif isinstance(shape, type) and issubclass(shape, BaseModel):
        _check_model(value, shape, path, depth)
    elif shape is not object and shape is not Any:
        _check_plain(value, shape, path)


def _check_model(value: Any, model: type[BaseModel], path: str, depth: int) -> None:
    _expect(isinstance(value, dict), path, "an object", value)
    for key in value:
        if key not in model.model_fields:
            name = _under(path, key)
            raise InvalidValue("unknown_parameter", f"Unknown parameter: '{name}'.", name)
    for key, field in model.model_fields.items():
        if key in value:
            check(value[key], field.annotation, _under(path, key), depth + 1)
        elif field.is_required():
            name = _under(path, key)
            raise InvalidValue(
                "missing_required_parameter", f"Missing required parameter: '{name}'.", name
            )


def _check_union(value: Any, arms: tuple[Any, ...], path: str, depth: int) -> None:
    if value is None and type(None) in arms:
        return
    flat = [arm for arm in _flatten(arms) if arm is not type(None)]
    fitting = [arm for arm in flat if _may_be(value, arm)]
    if isinstance(value, dict) and not fitting and (models := [a for a in flat if _is_model(a)]):
        _refuse_kind(value, models, path)
    refusal: InvalidValue | None = None
    for arm in fitting or flat:
        try:
            check(value, arm, path, depth)
        except InvalidValue as error:
            refusal = refusal or error
        else:
            return
    if refusal:
        raise refusal


def _flatten(arms: tuple[Any, ...]) -> list[Any]:
    """Unions of unions and annotated arms, as one list."""
    flat: list[Any] = []
    for given in arms:
        arm = get_args(given)[0] if get_origin(given) is Annotated else given
        flat.extend(_flatten(get_args(arm)) if get_origin(arm) is Union else [arm])
    return flat


def _is_model(arm: Any) -> bool:
    return isinstance(arm, type) and issubclass(arm, BaseModel)


def _tags(arm: type[BaseModel]) -> dict[str, tuple[Any, ...]]:
    """The literal values of `type` and `role` by which the vendor tells its objects apart."""
    return {
        key: literals
        for key in ("type", "role")
        if key in arm.model_fields and (literals := _literals(arm.model_fields[key].annotation))
    }


def _literals(shape: Any) -> tuple[Any, ...]:
    for arm in _flatten((shape,)):
        if get_origin(arm) is Literal:
            return get_args(arm)
    return ()


def _may_be(value: Any, arm: Any) -> bool:
    if not _is_model(arm):
        return not isinstance(value, dict) or get_origin(arm) is dict or arm is object
    if not isinstance(value, dict):
        return False
    return all(value.get(key, values[0]) in values for key, values in _tags(arm).items())


def _refuse_kind(value: dict[str, Any], models: list[type[BaseModel]], path: str) -> None:
    for key in ("type", "role"):
        known = sorted({str(v) for model in models for v in _tags(model).get(key, ())})
        if key in value and known and value[key] not in known:
            _check_literal(value[key], tuple(known), _under(path, key))


def _check_literal(value: Any, allowed: tuple[Any, ...], path: str) -> None:
    if any(value == one and type(value) is type(one) for one in allowed):
        return
    names = ", ".join(f"'{one}'" for one in allowed)
    raise InvalidValue(
        "invalid_value", f"Invalid value: {_shown(value)}. Supported values are: {names}.", path
    )


def _check_plain(value: Any, shape: Any, path: str) -> None:
    if shape is float:
        good = isinstance(value, int | float) and not isinstance(value, bool)
        _expect(good, path, "a number", value)
    elif shape is int:
        good = isinstance(value, int) and not isinstance(value, bool)
        _expect(good, path, "an integer", value)
    elif shape is bool:
        _expect(isinstance(value, bool), path, "a boolean", value)
    elif shape is str:
        _expect(isinstance(value, str), path, "a string", value)


def _expect(good: bool, path: str, kind: str, value: Any) -> None:
    if not good:
        raise InvalidValue(
            "invalid_type",
            f"Invalid type for '{path}': expected {kind}, but got {_shown(value)} instead.",
            path,
        )


def _under(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _shown(value: Any) -> str:
    return f"'{value}'"[:80] if isinstance(value, str) else type(value).__name__
