"""The operator's functions: their requests, their schemas, and how they behave in a call."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway import limits
from gateway.agents.config.tool_options import (
    FunctionTool,
    HttpCall,
    ToolOptions,
    all_with_secrets,
    with_secrets,
)

URL = "https://api.example.com/orders/{order}"
SCHEMA = {"type": "object", "properties": {"order": {"type": "string"}}, "required": ["order"]}


def function(request: dict[str, Any] | None = None, **fields: Any) -> FunctionTool:
    return FunctionTool.model_validate(
        {"description": "Find.", "parameters": SCHEMA, "http": {"url": URL} | (request or {})}
        | fields
    )


def key_of(refused: pytest.ExceptionInfo[ValidationError]) -> tuple[str, str]:
    (details,) = refused.value.errors()
    key = details.get("ctx", {}).get("key") or ".".join(map(str, details["loc"]))
    return key, details["msg"]


# --- The request ---


@pytest.mark.parametrize(
    "url",
    [
        "http://a",
        "https://api.example.com:65535/x?y=1",
        "https://api.example.com/{call.sid}/{order}?q={order}",
        "https://api.example.com/{call.facts.customer|unknown}",
    ],
)
def test_addresses_that_can_be_reached(url: str) -> None:
    assert HttpCall(url=url).url == url


@pytest.mark.parametrize(
    "url",
    [
        "ftp://api.example.com/",
        "https://",
        "https://user@api.example.com/",
        "https://{host}/",
        "https://api.example.com:0/",
        "https://api.example.com:65536/",
        "https://api.example.com/a b",
        "https://api.example.com/a#b",
        "https://api.example.com/{order",
        "https://api.example.com/order}",
        "https://api.example.com/{call.pin}",
        "https://api.example.com/" + "x" * limits.tools.URL_MAX_CHARS,
    ],
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        HttpCall(url=url)


def test_values_of_the_call_are_no_arguments() -> None:
    call = HttpCall(url="https://api.example.com/{call.sid}/{order}?size={size}")
    assert call.in_url == {"order", "size"}


def test_secrets_are_those_of_all_headers() -> None:
    headers = {"Authorization": "Bearer ${CRM_TOKEN}", "X-Two": "${A}${B}", "X-None": "$C {D}"}
    assert HttpCall(url="https://a/", headers=headers).secrets == {"CRM_TOKEN", "A", "B"}
    assert with_secrets("Bearer ${A}-${B}", {"A": "1", "B": "${A}"}) == "Bearer 1-${A}"
    assert all_with_secrets({"X": "${A}", "Y": "2"}, {"A": "1"}) == {"X": "1", "Y": "2"}
    with pytest.raises(KeyError):
        with_secrets("${A}", {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X Y", "v"),
        ("", "v"),
        ("X" * 129, "v"),
        ("X:", "v"),
        ("X", "a\r\nY: b"),
        ("X", "ü"),
        ("X", "{call.pin}"),
        ("X", "v" * (limits.tools.URL_MAX_CHARS + 1)),
    ],
)
def test_headers_that_cannot_be_sent(name: str, value: str) -> None:
    with pytest.raises(ValidationError):
        HttpCall(url="https://a/", headers={name: value})


def test_headers_at_their_bounds() -> None:
    headers = {"X" * 128: "v" * limits.tools.URL_MAX_CHARS, "Y": "", "Z": "\t{call.sid}"}
    headers |= {f"H{n}": "v" for n in range(limits.tools.TOOL_HEADERS_MAX - len(headers))}
    assert HttpCall(url="https://a/", headers=headers).headers == headers
    with pytest.raises(ValidationError):
        HttpCall(url="https://a/", headers=headers | {"One-Too-Many": "v"})


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_request_without_a_body_gets_none(method: str) -> None:
    with pytest.raises(ValidationError) as refused:
        HttpCall(method=method, url="https://a/", body={"kind": "x"})  # type: ignore[arg-type]
    assert key_of(refused)[0] == "body"
    assert HttpCall(method="PUT", url="https://a/", body={}).body == {}


def test_a_body_has_only_values_that_there_are() -> None:
    body = {"who": ["{call.caller}", {"x": "{call.facts.x}"}]}
    assert HttpCall(method="POST", url="https://a/", body=body).body == body
    with pytest.raises(ValidationError, match="is no value of a call"):
        HttpCall(method="POST", url="https://a/", body={"who": ["{call.pin}"]})
    with pytest.raises(ValidationError, match="as a name: only values are filled in"):
        HttpCall(method="POST", url="https://a/", body={"who": [{"{call.sid}": 1}]})


# --- The function ---


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"http": None}, "http"),
        ({"python": "shop:find"}, "http"),
        ({"description": None}, "description"),
        ({"parameters": None}, "parameters"),
        ({"http": None, "python": "shop:find"}, "parameters"),
        ({"http": None, "python": "shop.find", "parameters": None}, "python"),
        ({"parameters": {"type": "array"}}, "parameters.type"),
        ({"parameters": SCHEMA | {"properties": []}}, "parameters.properties"),
        ({"parameters": SCHEMA | {"required": "order"}}, "parameters.required"),
        ({"parameters": SCHEMA | {"required": []}}, "http.url"),
        ({"parameters": SCHEMA | {"properties": {"order": {"type": "strnig"}}}}, "parameters"),
        ({"parameters": SCHEMA | {"properties": {"order": {"$ref": "#"}}}}, "parameters"),
        ({"parameters": {"type": "object"}}, "http.url"),
        (
            {"parameters": SCHEMA | {"properties": {"order": {}, "call.sid": {}}}},
            "parameters.properties.call.sid",
        ),
    ],
)
def test_rules_between_fields(fields: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError) as refused:
        function(**fields)
    assert key_of(refused)[0] == key


def test_a_field_of_the_body_has_one_source() -> None:
    with pytest.raises(ValidationError) as refused:
        function(request={"method": "POST", "body": {"order": 1}})
    assert key_of(refused)[0] == "http.body.order"
    assert function(request={"method": "POST", "body": {"kind": 1}}).http is not None


def test_a_python_function_needs_no_more_than_its_name() -> None:
    assert FunctionTool(python="shop.orders:find").description is None


# --- In the conversation ---


@pytest.mark.parametrize(
    ("field", "low", "high", "beyond"),
    [("timeout_s", 0.001, 120, (0, 120.1)), ("filler_after_ms", 0, 60_000, (-1, 60_001))],
)
def test_bounds(field: str, low: float, high: float, beyond: tuple[float, float]) -> None:
    for value in (low, high):
        assert getattr(ToolOptions.model_validate({field: value}), field) == value
    for refused in (*beyond, float("nan"), True, str(low)):
        with pytest.raises(ValidationError):
            ToolOptions.model_validate({field: refused})


def test_defaults() -> None:
    options = ToolOptions()
    assert (options.timeout_s, options.filler, options.filler_after_ms) == (10, None, 1500)
    assert (options.on_barge_in, options.confirm, options.hold) == ("keep", False, False)
