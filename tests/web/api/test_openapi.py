"""The API's description: held against the routes, and the gateway against it by schemathesis."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
import pytest
import schemathesis
from gateway_calls import QUIET
from hypothesis import HealthCheck, settings
from running_gateway import running_gateway
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.generation.hypothesis import builder
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.python._constants.orchestrator import make_constants_value_source
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from search import draws, search
from starlette.routing import Route
from structlog.testing import capture_logs

from gateway import limits
from gateway.app import build
from gateway.call import events
from gateway.ops.records.record import CallRecord
from gateway.settings import load_settings
from gateway.simulator.openai.main import running_model
from gateway.simulator.openai.realtime.script import Script
from gateway.tuning import Tuning
from gateway.web.api import openapi

TOKEN = "a-token-of-the-operators"
DOCUMENT = openapi.document()
UNTESTED = (
    builder.InvalidHeadersExampleMark,
    builder.InvalidRegexMark,
    builder.MissingPathParameters,
    builder.NonSerializableMark,
    builder.UnsatisfiableExampleMark,
    builder.UnserializablePayloadMark,
)
"""Reasons why schemathesis does not make some of the requests."""
QUICK = settings(
    max_examples=draws(8), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def test_what_is_described_is_what_there_is() -> None:
    environ = {"GATEWAY_ADMIN_TOKEN": TOKEN}
    asgi = build(load_settings(environ, simulated=True)).asgi
    there = {
        (method.lower(), route.path)
        for route in asgi.routes
        if isinstance(route, Route) and route.path.startswith("/api")
        for method in (route.methods or set()) - {"HEAD"}
    }
    described = {(method, path) for path, ops in DOCUMENT["paths"].items() for method in ops}
    assert described == there


def test_every_field_of_a_record_is_described() -> None:
    described = DOCUMENT["components"]["schemas"]["CallRecord"]["properties"]
    assert list(described) == [field.name for field in msgspec.structs.fields(CallRecord)]


def operations() -> list[tuple[str, str, dict[str, Any]]]:
    return [(m, path, op) for path, ops in DOCUMENT["paths"].items() for m, op in ops.items()]


def test_every_operation_may_be_refused_in_the_ways_in_which_all_are() -> None:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for _, path, operation in operations():
        answers = operation["responses"]
        assert {"401", "422", "429"} <= set(answers), path
        assert sum(status.startswith("2") for status in answers) == 1, path
        assert all(a["content"] == problem for status, a in answers.items() if status[0] in "45")
        wait = {"Retry-After": {"required": True, "schema": {"type": "integer"}}}
        assert answers["429"]["headers"] == wait
        assert all("headers" not in answer for status, answer in answers.items() if status != "429")


OF_ALL = "401 403 422 429 503"
DESCRIBED = {
    # name: method and path, its answers besides those of all, role, whether it is audited
    "calls": ("GET /api/calls", "200 404", "viewer", False),
    "dial": ("POST /api/calls", "202 400 404 408 409 413 415 502 504", "operator", True),
    "call": ("GET /api/calls/{id}", "200 404", "viewer", True),
    "recording": ("GET /api/calls/{id}/recording", "200 404 416 500", "operator", True),
    "recording_info": ("GET /api/calls/{id}/recording/info", "200 404 500", "operator", False),
    "pause_recording": (
        "POST /api/calls/{id}/recording",
        "202 400 404 408 409 413 415",
        "operator",
        True,
    ),
    "hangup": ("POST /api/calls/{id}/hangup", "202 404 409 502", "operator", True),
    "say": ("POST /api/calls/{id}/say", "202 400 404 408 409 413 415", "operator", True),
    "transfer": ("POST /api/calls/{id}/transfer", "202 400 404 408 409 413 415", "operator", True),
    "image": ("POST /api/calls/{id}/image", "202 404 408 409 413 415", "operator", True),
    "approve": (
        "POST /api/calls/{id}/approvals/{approval}",
        "202 400 404 408 409 413 415",
        "operator",
        True,
    ),
    "phone": ("POST /api/phone", "201 400 404 408 413 415", "operator", True),
    "agents": ("GET /api/agents", "200", "viewer", False),
    "reload": ("POST /api/reload", "200", "operator", True),
    "events": ("GET /api/events", "200", "viewer", True),
    "deliveries": ("GET /api/deliveries", "200 404", "viewer", False),
    "retry_delivery": ("POST /api/deliveries/{id}/retry", "202 404", "operator", True),
    "delete_call": ("DELETE /api/calls/{id}", "200 404 409", "admin", True),
    "forget": ("POST /api/forget", "200 400 408 413 415", "admin", True),
    "audit": ("GET /api/audit", "200 404", "admin", True),
    "operator": ("GET /api/operator", "200", "viewer", False),
    "tokens": ("GET /api/tokens", "200", "admin", False),
    "make_token": ("POST /api/tokens", "201 400 408 409 413 415", "admin", True),
    "revoke_token": ("DELETE /api/tokens/{name}", "200 404", "admin", True),
    "openapi": ("GET /api/openapi.json", "200", "viewer", False),
}


def test_each_operation_answers_so_and_takes_that_role() -> None:
    found = {}
    for method, path, operation in operations():
        answers = sorted(set(operation["responses"]) - set(OF_ALL.split()))
        assert set(OF_ALL.split()) <= set(operation["responses"]), path
        found[operation["operationId"]] = (f"{method.upper()} {path}", " ".join(answers))
    assert found == {name: (asked, answers) for name, (asked, answers, *_) in DESCRIBED.items()}
    guards = {one.name: (one.role, one.audited) for one in openapi.OPERATIONS}
    assert guards == {name: (role, audited) for name, (*_, role, audited) in DESCRIBED.items()}
    assert {one.name for one in openapi.OPERATIONS if one.acts} == {
        name for name, (asked, *_) in DESCRIBED.items() if not asked.startswith("GET")
    }


def test_what_may_stand_in_a_path_and_behind_it() -> None:
    id_ = {"type": "string", "minLength": 1, "maxLength": limits.web.CALL_ID_MAX_CHARS}
    approval = id_ | {"maxLength": limits.tools.APPROVAL_ID_MAX_CHARS}
    schemas = {"id": id_, "name": id_ | {"maxLength": 64}, "approval": approval}
    for _, path, operation in operations():
        for one in operation.get("parameters", []):
            if one["in"] == "path":
                assert one == {
                    "name": one["name"],
                    "in": "path",
                    "required": True,
                    "schema": schemas[one["name"]],
                }, path
    asked = DOCUMENT["paths"]["/api/calls"]["get"]["parameters"]
    found = {one["name"]: one["schema"] for one in asked}
    assert {one["in"] for one in asked} == {"query"}
    assert found["state"] == {"anyOf": [{"enum": ["live", "ended"]}, {"const": ""}]}
    assert found["since"] == {"anyOf": [{"type": "string", "format": "date-time"}, {"const": ""}]}
    assert found["limit"] == {"type": "integer", "minimum": 1, "maximum": 500, "default": 100}
    assert "anyOf" not in found["agent"]
    [key] = DOCUMENT["paths"]["/api/calls"]["post"]["parameters"]
    length = limits.web.IDEMPOTENCY_KEY_MAX_CHARS
    assert (key["in"], key["schema"]) == ("header", {"type": "string", "maxLength": length})


def test_answers_that_are_no_type_of_ours() -> None:
    def content(path: str) -> object:
        return DOCUMENT["paths"][path]["get"]["responses"]["200"]["content"]

    assert content("/api/openapi.json") == {"application/json": {"schema": {"type": "object"}}}
    assert content("/api/events") == {"text/event-stream": {"schema": {}}}
    call = {"application/json": {"schema": {"$ref": "#/components/schemas/CallRecord"}}}
    assert content("/api/calls/{id}") == call


def test_what_stands_in_a_path_is_required_and_what_is_asked_behind_it_is_not() -> None:
    for _, path, operation in operations():
        parameters = operation.get("parameters", [])
        within = [one for one in parameters if one["in"] == "path"]
        assert [f"{{{one['name']}}}" in path for one in within] == [True] * path.count("{")
        assert all(one["required"] is True for one in within)
        assert all(one["schema"]["minLength"] == 1 for one in within)
        assert not any(one.get("required") for one in parameters if one["in"] == "query")


def test_a_body_is_required_where_there_is_one() -> None:
    bodies = {
        operation["operationId"]: operation["requestBody"]
        for _, _, operation in operations()
        if "requestBody" in operation
    }
    assert {"say", "transfer", "approve", "phone", "image"} <= set(bodies)
    assert all(body["required"] is True for body in bodies.values())
    assert set(bodies["say"]["content"]) == {"application/json"}
    assert {"image/jpeg", "image/png"} <= set(bodies["image"]["content"])


def test_no_count_and_no_time_of_a_record_is_below_zero() -> None:
    """And zero is one of them: a call may have no turn, and a wait may take no time."""
    record = ("RecordTurn", "SpeechSpan")
    for name in record:
        fields = DOCUMENT["components"]["schemas"][name]["properties"]
        for field, schema in fields.items():
            kinds = [schema, *schema.get("anyOf", ())]
            numbers = [kind for kind in kinds if kind.get("type") in ("integer", "number")]
            assert all(number.get("minimum") == 0 for number in numbers), f"{name}.{field}"


@dataclass
class Live:
    url: str
    call_sid: str


UNHURRIED = Tuning(api_requests_burst=1_000_000, api_actions_burst=1_000_000)


# The caller has as long as the requests take, and says nothing.
PATIENT_AGENT = """
agents:
  quiet:
    instructions: Wait until you are spoken to.
    idle: {nudge_after_s: 590, end_after_s: 600}
routes:
  - {to: "*", agent: quiet}
"""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A gateway with a running call, in a thread of its own."""
    data = tmp_path_factory.mktemp("data")
    agents_file = data / "agents.yaml"
    agents_file.write_text(PATIENT_AGENT)
    ready: list[Live] = []
    loop, up, done = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def run() -> None:
        more = {"GATEWAY_ADMIN_TOKEN": TOKEN, "GATEWAY_DATA_DIR": str(data)}
        async with (
            running_model(Script(speed=500, think_ms=0)) as model,
            running_gateway(agents_file, model, UNHURRIED, **more) as rig,
            rig.carrier.call(QUIET) as stream,
        ):
            await rig.note(events.ModelReady)
            ready.append(Live(rig.url, stream.call_sid))
            up.set()
            while not done.is_set():
                await stream.speak()
                await asyncio.sleep(0.1)

    # Its log also comes between two tests, when pytest captures nothing.
    with capture_logs():
        thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
        thread.start()
        assert up.wait(60)
        yield ready[0]
        loop.call_soon_threadsafe(done.set)
        thread.join(60)
        loop.close()


@cache
def described() -> Any:
    """What schemathesis makes of the document."""
    # Its requests always carry the token here; that nothing opens without it is seen elsewhere.
    document = {key: value for key, value in DOCUMENT.items() if key != "security"}
    return schemathesis.openapi.from_dict(document)


def ask(asked: str, answered: Callable[[Any], None]) -> None:
    """Make the requests of one operation, and judge each answer.

    As the plugin for pytest does it, but here and not at collection, which every process does.
    """
    method, path = asked.split()
    schema = described()
    test = build_operation_test(
        config=schema.config,
        operation=schema[path][method.upper()],
        test_func=QUICK(answered),
        given_kwargs={},
        feedback=FeedbackSources(constants_value_source=make_constants_value_source(schema)),
    )
    assert [mark for mark in UNTESTED if mark.get(test) is not None] == []
    test()


# `/api/events` never ends, so it is not asked.
ANYTHING = [f"{method} {path}" for method, path, _ in operations() if path != "/api/events"]
OF_A_CALL = [
    one
    for one in ANYTHING
    if re.search(r"/api/calls/\{id\}/(say|transfer|image|approvals.*)|\{id\}$", one)
]


@search
@pytest.mark.parametrize("asked", ANYTHING)
def test_whatever_is_asked_the_answer_is_as_described(asked: str, live: Live) -> None:
    def answered(case: Any) -> None:
        case.call_and_validate(
            base_url=live.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60
        )

    ask(asked, answered)


@search
@pytest.mark.parametrize("asked", OF_A_CALL)
def test_and_of_a_running_call_too(asked: str, live: Live) -> None:
    def answered(case: Any) -> None:
        case.path_parameters = {**(case.path_parameters or {}), "id": live.call_sid}
        response = case.call(
            base_url=live.url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60
        )
        # A target that fits the schema need not be one of this agent's; and what was wrong with
        # the request may have been its path, which is right now.
        case.validate_response(
            response, excluded_checks=[positive_data_acceptance, negative_data_rejection]
        )

    ask(asked, answered)
