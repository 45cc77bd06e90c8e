"""Requests that say whose they are: the call's ids, a trace, and values of the call in them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from http_end import HttpEnd, http_end

from gateway.agents.config.agent import Agent
from gateway.agents.config.tool_options import FunctionTool
from gateway.agents.routing import AgentBook, Route
from gateway.tools.python import ToolContext
from gateway.tools.toolbox import Toolbox, ToolResult

CALL = ToolContext(
    "CA1",
    "+21671000001",
    "+15550100",
    "desk",
    "rtc_1",
    "rtc_1",
    "inbound",
    {"customer": "C 1/2", "name": "أمل", "evil": "x\r\nX-Admin: yes", "up": "..", "tea": "{tea}"},
)


async def ask(
    http: dict[str, Any], arguments: dict[str, Any] | None = None, context: ToolContext = CALL
) -> tuple[ToolResult, HttpEnd]:
    """Have an agent ask a service; its function has one argument, `tea`."""
    async with http_end() as end:
        call = {"allow_private": True, **http, "url": end.url + http["url"]}
        schema = {"type": "object", "properties": {"tea": {"type": "string"}}, "required": []}
        if "{tea}" in http["url"]:
            schema["required"] = ["tea"]
        fields = {"description": "Asks.", "parameters": schema, "http": call}
        functions = {"ask": FunctionTool.model_validate(fields)}
        agent = Agent(name="desk", instructions="x", tools=["ask"], functions=functions)
        box = Toolbox(AgentBook({"desk": agent}, (Route(to="*", agent="desk"),)), {})
        assert "call." not in json.dumps(box.definitions(agent)), "the model does not see them"
        result = await box.run("ask", json.dumps(arguments or {}), context)
        await box.close()
    return result, end


async def test_a_request_says_for_which_call_it_is() -> None:
    _, end = await ask({"url": "/"})
    headers = end.seen[0].headers
    assert headers["x-gateway-call-sid"] == "CA1"
    assert headers["x-gateway-call-id"] == "rtc_1"
    assert headers["x-gateway-agent"] == "desk"
    assert headers["x-gateway-direction"] == "inbound"
    assert "+21671000001" not in str(headers)
    version, trace, span, flags = headers["traceparent"].split("-")
    assert (version, len(trace), len(span), flags) == ("00", 32, 16, "01")
    assert int(trace, 16)
    assert int(span, 16)


async def test_requests_of_one_call_share_a_trace_and_each_has_its_span() -> None:
    seen = [(await ask({"url": "/"}))[1].seen[0].headers["traceparent"] for _ in range(2)]
    (_, trace, span, _), (_, other_trace, other_span, _) = (one.split("-") for one in seen)
    assert trace == other_trace
    assert span != other_span
    _, other_call = await ask({"url": "/"}, context=replace(CALL, call_sid="CA2"))
    assert trace not in other_call.seen[0].headers["traceparent"]


async def test_what_a_call_does_not_have_is_left_out() -> None:
    _, end = await ask({"url": "/"}, context=ToolContext("CA1", "", "", "desk"))
    assert "x-gateway-call-id" not in end.seen[0].headers
    assert "x-gateway-direction" not in end.seen[0].headers


async def test_a_header_of_the_operators_is_theirs() -> None:
    _, end = await ask({"url": "/", "headers": {"X-Gateway-Agent": "mine"}})
    assert end.seen[0].headers["x-gateway-agent"] == "mine"


async def test_each_value_is_escaped_for_its_place() -> None:
    http = {
        "method": "POST",
        "url": "/c/{call.facts.customer}/{tea}?from={call.caller}&name={call.facts.name}",
        "headers": {"X-Name": "{call.facts.name}", "X-Note": "{call.facts.evil}"},
        "body": {"sid": "{call.sid}", "note": ["{call.facts.evil}"], "n": 3},
    }
    result, end = await ask(http, {"tea": "a/b"})
    assert result.outcome == "ok"
    (seen,) = end.seen
    path, _, query = seen.raw_path.partition("?")
    assert path == "/c/C%201%2F2/a%2Fb"
    assert query == "from=%2B21671000001&name=%D8%A3%D9%85%D9%84"
    assert seen.headers["x-name"] == "%D8%A3%D9%85%D9%84"
    assert seen.headers["x-note"] == "x%0D%0AX-Admin: yes"
    assert "x-admin" not in seen.headers
    assert json.loads(seen.body) == {"sid": "CA1", "note": ["x\r\nX-Admin: yes"], "n": 3}


async def test_no_argument_replaces_a_value_of_the_call() -> None:
    http = {
        "method": "POST",
        "url": "/{call.sid}?sid={call.sid}",
        "headers": {"X-Call": "{call.sid}"},
        "body": {"sid": "{call.sid}"},
    }
    made_up = {"sid": "CA9", "call.sid": "CA9", "tea": "{call.caller}", "body": {"sid": "CA9"}}
    _, end = await ask(http, made_up)
    (seen,) = end.seen
    assert seen.raw_path == "/CA1?sid=CA1"
    assert seen.headers["x-call"] == "CA1"
    body = json.loads(seen.body)
    assert body["sid"] == "CA1"
    assert body["tea"] == "{call.caller}", "what the model writes is not filled in"


async def test_a_query_of_the_operators_is_not_replaced_either() -> None:
    _, end = await ask({"url": "/?sid={call.sid}"}, {"sid": "CA9", "tea": "x"})
    assert end.seen[0].raw_path == "/?sid=CA1&tea=x"


async def test_a_fact_is_no_placeholder_for_an_argument() -> None:
    _, end = await ask({"url": "/{call.facts.tea}/{tea}"}, {"tea": "green"})
    assert end.seen[0].raw_path == "/%7Btea%7D/green"


async def test_a_default_may_have_what_parts_an_address() -> None:
    url = "/c/{call.facts.none|a/b?c}/{tea}?of={call.facts.none|x?y/z}&on={call.facts.up|?}"
    _, end = await ask({"url": url}, {"tea": "green"})
    assert end.seen[0].raw_path == "/c/a%2Fb%3Fc/green?of=x%3Fy%2Fz&on=.."


async def test_blanks_around_a_value_are_no_part_of_a_header() -> None:
    context = replace(CALL, facts={"name": " Amel\t", "none": "  "})
    headers = {"X-Name": "{call.facts.name}", "X-None": "{call.facts.none}", "X-Plain": " plain "}
    result, end = await ask({"url": "/", "headers": headers}, context=context)
    assert result.outcome == "ok"
    seen = end.seen[0].headers
    assert (seen["x-name"], seen["x-none"], seen["x-plain"]) == ("Amel%09", "", "plain")


async def test_a_segment_that_is_missing_or_leads_up_is_not_asked_for() -> None:
    for url in ("/c/{call.facts.none}", "/c/{call.facts.up}/x"):
        result, end = await ask({"url": url})
        assert result == ToolResult("This call lacks what the request needs.", "error")
        assert not end.seen
    _, end = await ask({"url": "/c/{call.facts.none|nobody}?t={call.facts.none}"})
    assert end.seen[0].raw_path == "/c/nobody?t="
