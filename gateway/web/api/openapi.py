"""Operations of the operators' API: one table makes the routes and the OpenAPI document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from gateway import __version__, limits
from gateway.ops.access.token_book import Role
from gateway.ops.records.forgetting import Forgotten
from gateway.ops.records.record import CallRecord
from gateway.web.api import access, deliveries, forget
from gateway.web.api.agents_file import AgentsFileVersion, reload
from gateway.web.api.call_queries import QUERY
from gateway.web.api.calls import IMAGE_TYPES, CallsEndpoints
from gateway.web.api.recordings import PauseBody, RecordingInfo
from gateway.web.api.shapes import (
    AgentList,
    CallList,
    DecisionBody,
    DialBody,
    DoneBody,
    PhoneLink,
    PhoneLinkBody,
    SayBody,
    TransferBody,
)
from gateway.web.http.problems import CONTENT_TYPE, Problem

_REF: Final = "#/components/schemas/{name}"
_WHY: Final = {
    400: "The body is not what its type says.",
    401: "No token, or the wrong one.",
    403: "Your role may not, or outbound calls are off or not for that agent or country.",
    404: "There is no such call, agent or page, or no such request in the call.",
    408: "The body did not come in time.",
    409: "The call has ended, has no conversation now, or is being placed.",
    413: "The body is too large.",
    415: "The body is of another type.",
    416: "There is no such range.",
    422: "Understood, and cannot be done.",
    429: "Too many requests; Retry-After says for how long.",
    500: "What is stored cannot be read.",
    502: "The carrier cannot be reached.",
    503: "Not now, or not in this process.",
    504: "The carrier did not answer: it is not known whether the call rings.",
}
_BODY_ERRORS: Final = (400, 404, 408, 409, 413, 415)
_ANY: Final = (401, 403, 422, 429, 503)
"""Every operation may be refused so: by token, role, parameters, rate, or without a database."""


async def _document(_endpoints: CallsEndpoints, _request: Request) -> Response:
    return Response(encoded(), media_type="application/json")


@dataclass(frozen=True, slots=True)
class Operation:
    """One method on one path."""

    name: str
    """Its `operationId`."""
    handler: Callable[[CallsEndpoints, Request], Awaitable[Response]]
    method: str
    path: str
    summary: str
    answer: type[Struct] | str
    """Type of the JSON answer, or another content type."""
    status: int = 200
    errors: tuple[int, ...] = ()
    body: type[Struct] | tuple[str, ...] | None = None
    """Type of the JSON body, or the content types of a binary one."""
    query: Mapping[str, tuple[dict[str, Any], str]] = field(default_factory=dict)
    headers: Mapping[str, tuple[dict[str, Any], str]] = field(default_factory=dict)
    acts: bool = False

    @property
    def role(self) -> Role:
        """Role that it takes."""
        return _ROLES.get(self.name, "operator" if self.acts else "viewer")

    @property
    def audited(self) -> bool:
        """Whether the audit log has each use."""
        return self.acts or self.name in _LOOKS


_ROLES: Final[Mapping[str, Role]] = {
    "recording": "operator",
    "recording_info": "operator",
    "delete_call": "admin",
    "forget": "admin",
    "audit": "admin",
    "tokens": "admin",
    "make_token": "admin",
    "revoke_token": "admin",
}
_LOOKS: Final = frozenset({"call", "recording", "events", "audit"})
"""Operations that change nothing, and show what people said, or what operators did."""
_CALL: Final = "/api/calls/{id}"
OPERATIONS: Final = (
    Operation(
        "calls", CallsEndpoints.calls,
        "GET", "/api/calls", "Running calls, then pages of ended ones, each newest first.",
        CallList,
        errors=(404,), query=QUERY,
    ),
    Operation(
        "dial", CallsEndpoints.dial,
        "POST", "/api/calls", "Have an agent call somebody.", DoneBody, 202,
        (400, 404, 408, 409, 413, 415, 502, 504), DialBody, acts=True,
        headers={
            "Idempotency-Key": (
                {"type": "string", "maxLength": limits.web.IDEMPOTENCY_KEY_MAX_CHARS},
                "The same key again, for a day, is the same call: a retry dials once.",
            )
        },
    ),
    Operation(
        "call", CallsEndpoints.call,
        "GET", _CALL, "The record of one call.", CallRecord, errors=(404,)),
    Operation(
        "recording", CallsEndpoints.recording,
        "GET", f"{_CALL}/recording",
        "The sound of a recorded call that has ended: left the caller, right what they heard. "
        "One range may be asked for.",
        "audio/ogg", errors=(404, 416, 500),
        headers={
            "Range": ({"type": "string"}, "Like bytes=0-65535: the answer is 206."),
            "If-Range": ({"type": "string"}, "The ETag of the recording that the range is of."),
        },
    ),
    Operation(
        "recording_info", CallsEndpoints.recording_info,
        "GET", f"{_CALL}/recording/info",
        "What is known of a recording: when it began, its gaps, its waveform.",
        RecordingInfo, errors=(404, 500),
    ),
    Operation(
        "pause_recording", CallsEndpoints.pause_recording,
        "POST", f"{_CALL}/recording", "Pause the recording of a running call, or resume it.",
        DoneBody, 202, _BODY_ERRORS, PauseBody, acts=True,
    ),
    Operation(
        "hangup", CallsEndpoints.hangup,
        "POST", f"{_CALL}/hangup", "End the call now.", DoneBody, 202, (404, 409, 502),
        acts=True,
    ),
    Operation(
        "say", CallsEndpoints.say,
        "POST", f"{_CALL}/say", "Have the agent say a line, word for word.", DoneBody, 202,
        _BODY_ERRORS, SayBody, acts=True,
    ),
    Operation(
        "transfer", CallsEndpoints.transfer,
        "POST", f"{_CALL}/transfer", "Transfer the caller, after a word to them.",
        DoneBody, 202, _BODY_ERRORS, TransferBody, acts=True,
    ),
    Operation(
        "image", CallsEndpoints.image,
        "POST", f"{_CALL}/image", "Show the model a picture and have it say something.",
        DoneBody, 202, tuple(e for e in _BODY_ERRORS if e != 400), IMAGE_TYPES,
        {"about": ({"type": "string", "maxLength": limits.api.ABOUT_MAX_CHARS},
                   "What it is, in words for the model.")},
        acts=True,
    ),
    Operation(
        "approve", CallsEndpoints.approve,
        "POST", f"{_CALL}/approvals/{{approval}}",
        "Approve or deny a pending tool approval.",
        DoneBody, 202, _BODY_ERRORS, DecisionBody, acts=True,
    ),
    Operation(
        "phone", CallsEndpoints.phone,
        "POST", "/api/phone", "Make a link by which a browser calls an agent.", PhoneLink,
        201, (400, 404, 408, 413, 415), PhoneLinkBody, acts=True,
    ),
    Operation(
        "agents", CallsEndpoints.agents,
        "GET", "/api/agents", "Agents, without their instructions.", AgentList),
    Operation(
        "reload", reload,
        "POST", "/api/reload",
        "Read the agents file again. New calls take it; running ones keep theirs. With a file "
        "that cannot be used nothing changes, and the answer says what is wrong with it. It is "
        "for this process only.",
        AgentsFileVersion, acts=True),
    Operation(
        "events", CallsEndpoints.events,
        "GET", "/api/events",
        "Changes of calls' records as they happen. Each event is {call, at_s, part, value}: "
        "`summary` replaces the single values, `privacy` and `result` what was there; every other "
        "part gets one more element; a span of the timeline replaces the one with the same who and "
        "from_s. A client that does not keep "
        "up is disconnected, and starts again.",
        "text/event-stream",
    ),
    Operation(
        "deliveries", deliveries.deliveries,
        "GET", "/api/deliveries", "Events that are to be delivered, newest first.",
        deliveries.DeliveryList, errors=(404,), query=deliveries.QUERY,
    ),
    Operation(
        "retry_delivery", deliveries.retry,
        "POST", "/api/deliveries/{id}/retry", "Send a parked or pending event now.",
        deliveries.RetriedDelivery, 202, (404,), acts=True,
    ),
    Operation(
        "delete_call", forget.delete_call,
        "DELETE", _CALL, "Delete one call that has ended: record, recording, events, state.",
        Forgotten, errors=(404, 409), acts=True,
    ),
    Operation(
        "forget", forget.forget,
        "POST", "/api/forget", "Delete every trace of a caller, and say what is left.",
        Forgotten, errors=(400, 408, 413, 415), body=forget.ForgetBody, acts=True,
    ),
    Operation(
        "audit", access.audit,
        "GET", "/api/audit", "What operators did and looked at, newest first.",
        access.AuditPage, errors=(404,), query=access.QUERY,
    ),
    Operation(
        "operator", access.operator,
        "GET", "/api/operator", "Name and role of the token that is sent.", access.OperatorSelf,
    ),
    Operation(
        "tokens", access.tokens,
        "GET", "/api/tokens", "Names and roles of all tokens.", access.TokenList,
    ),
    Operation(
        "make_token", access.make_token,
        "POST", "/api/tokens", "Make a token. The answer alone has it.", access.NewToken, 201,
        (400, 408, 409, 413, 415), access.TokenBody, acts=True,
    ),
    Operation(
        "revoke_token", access.revoke_token,
        "DELETE", "/api/tokens/{name}", "Revoke a token that was made.", access.TokenInfo,
        errors=(404,), acts=True,
    ),
    Operation(
        "openapi", _document, "GET", "/api/openapi.json", "This document.", "application/json"
    ),
)  # fmt: skip


def document() -> dict[str, Any]:
    """Return the OpenAPI 3.1 document."""
    kinds = {op.answer for op in OPERATIONS} | {op.body for op in OPERATIONS} | {Problem}
    structs = sorted((k for k in kinds if isinstance(k, type)), key=lambda k: k.__name__)
    _, schemas = msgspec.json.schema_components(structs, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "gateway: the operators' API",
            "version": __version__,
            "description": "Calls while they run and after, and what can be done to each. "
            "Times ending in _s are seconds since the call was announced.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas,
        },
    }


@cache
def encoded() -> bytes:
    """Return the document as JSON, encoded once."""
    return msgspec.json.encode(document())


def _described(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "responses": {
            str(operation.status): {
                "description": "As asked.",
                "content": _answer(operation.answer),
            }
        }
        | {str(status): _problem(status) for status in sorted({*_ANY, *operation.errors})},
    }
    if parameters := _parameters(operation):
        described["parameters"] = parameters
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": _body(operation.body)}
    return described


def _answer(answer: type[Struct] | str) -> dict[str, Any]:
    if isinstance(answer, str):
        return {answer: {"schema": {"type": "object"} if "json" in answer else {}}}
    return {"application/json": {"schema": _ref(answer)}}


def _problem(status: int) -> dict[str, Any]:
    described: dict[str, Any] = {
        "description": _WHY[status],
        "content": {CONTENT_TYPE: {"schema": _ref(Problem)}},
    }
    if status == 429:
        described["headers"] = {"Retry-After": {"required": True, "schema": {"type": "integer"}}}
    return described


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if "{id}" in operation.path:
        schema = {"type": "string", "minLength": 1, "maxLength": limits.web.CALL_ID_MAX_CHARS}
        found.append({"name": "id", "in": "path", "required": True, "schema": schema})
    if "{name}" in operation.path:
        schema = {"type": "string", "minLength": 1, "maxLength": 64}
        found.append({"name": "name", "in": "path", "required": True, "schema": schema})
    if "{approval}" in operation.path:
        schema = {"type": "string", "minLength": 1, "maxLength": limits.tools.APPROVAL_ID_MAX_CHARS}
        found.append({"name": "approval", "in": "path", "required": True, "schema": schema})
    for place, named in (("query", operation.query), ("header", operation.headers)):
        for name, (narrow, text) in named.items():
            schema = _or_empty(narrow) if place == "query" else narrow
            found.append({"name": name, "in": place, "schema": schema, "description": text})
    return found


def _or_empty(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter that may be empty, which is the same as left out."""
    narrow = "enum" in schema or "format" in schema
    return {"anyOf": [schema, {"const": ""}]} if narrow else schema


def _body(body: type[Struct] | tuple[str, ...]) -> dict[str, Any]:
    if isinstance(body, tuple):
        bound = f"At most {limits.images.IMAGE_BODY_MAX_BYTES} bytes."
        picture = {"type": "string", "format": "binary", "description": bound}
        return {kind: {"schema": picture} for kind in body}
    return {"application/json": {"schema": _ref(body)}}


def _ref(struct: type[Struct]) -> dict[str, str]:
    return {"$ref": _REF.format(name=struct.__name__)}
