"""The functions of an agent: held against their schema, timed, bounded, answered in words."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import tool_functions
from http_end import HttpEnd, http_end
from structlog.testing import capture_logs

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.agents.config.tool_options import FunctionTool
from gateway.agents.routing import AgentBook, Route
from gateway.errors import SettingsError
from gateway.tools.http import redirected
from gateway.tools.python import ToolContext
from gateway.tools.toolbox import Toolbox, ToolResult

CONTEXT = ToolContext("CA1", "+15550123", "+15550100", "desk")
HERE = "tool_functions"


def book_of(functions: dict[str, dict[str, Any]]) -> AgentBook:
    made = {name: FunctionTool.model_validate(fields) for name, fields in functions.items()}
    agent = Agent(name="desk", instructions="x", tools=list(made), functions=made)
    return AgentBook({"desk": agent}, (Route(to="*", agent="desk"),))


@asynccontextmanager
async def toolbox(
    functions: dict[str, dict[str, Any]], environ: dict[str, str] | None = None
) -> AsyncIterator[Toolbox]:
    box = Toolbox(book_of(functions), environ or {})
    yield box
    await box.close()


async def use(fields: dict[str, Any], arguments: object = None, **environ: str) -> ToolResult:
    async with toolbox({"tool": fields}, environ) as box:
        text = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
        return await box.run("tool", text, CONTEXT)


def python(name: str, **more: Any) -> dict[str, Any]:
    return {"python": f"{HERE}:{name}", **more}


def http(url: str, *, properties: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    call = {"url": url, "allow_private": True} | more
    schema = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in properties},
        "required": list(properties),
        "additionalProperties": False,
    }
    return {"description": "Asks.", "parameters": schema, "http": call}


# --- Python ---


async def test_a_function_of_the_operators() -> None:
    assert await use(python("double"), {"number": 21, "note": "!"}) == ToolResult("42!", "ok")


async def test_a_function_knows_who_is_on_the_line() -> None:
    result = await use(python("who"))
    assert json.loads(result.output) == {"caller": "+15550123", "agent": "desk"}


def test_its_schema_comes_from_the_signature() -> None:
    book = book_of({"double": python("double"), "who": python("who")})
    box = Toolbox(book, {})
    double, who = box.definitions(book.agents["desk"])
    assert double["description"] == "Twice the number."
    assert double["parameters"]["properties"]["number"]["type"] == "integer"
    assert double["parameters"]["required"] == ["number"]
    assert who["parameters"]["properties"] == {}


async def test_a_bug_of_theirs_is_an_answer_in_words() -> None:
    result = await use(python("broken"))
    assert result == ToolResult("It failed: KeyError.", "error")


async def test_what_it_says_can_be_sent() -> None:
    """The model's socket takes UTF-8, and its context is not endless."""
    assert await use(python("half_a_character")) == ToolResult("menu-?.pdf", "ok")
    complaint = await use(python("complains"))
    assert complaint.outcome == "error"
    assert complaint.output.endswith("[cut here: the answer was longer]")


async def test_one_that_takes_too_long_is_given_up() -> None:
    result = await use(python("sleeper", timeout_s=0.01))
    assert result.outcome == "timeout"


async def test_one_that_blocks_does_so_in_a_thread() -> None:
    assert await use(python("slow_in_a_thread")) == ToolResult("done", "ok")


async def test_those_that_hang_are_in_nobodys_way() -> None:
    """The loop's own threads look up hosts: without them no call would reach the model."""
    functions = {"stuck": python("stuck", timeout_s=0.01), "other": python("slow_in_a_thread")}
    tool_functions.RELEASED.clear()
    try:
        async with toolbox(functions) as box:
            for _ in range(limits.tools.TOOL_THREADS_MAX):
                assert (await box.run("stuck", "{}", CONTEXT)).outcome == "timeout"
            assert (await box.run("stuck", "{}", CONTEXT)).output.startswith("It is still busy")
            assert await box.run("other", "{}", CONTEXT) == ToolResult("done", "ok")
            assert await asyncio.to_thread(lambda: "free") == "free"
            tool_functions.RELEASED.set()
            while (await box.run("stuck", "{}", CONTEXT)).output != "at last":  # noqa: ASYNC110
                await asyncio.sleep(0)  # each that comes back gives its place back
    finally:
        tool_functions.RELEASED.set()


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("undocumented", "needs a docstring"),
        ("starred", "needs a type, and no stars"),
        ("DATA", "is not a function"),
        ("missing", "cannot be imported"),
    ],
)
def test_what_cannot_be_a_function_refuses_to_start(name: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        Toolbox(book_of({"tool": python(name)}), {})


# --- Arguments, which models make up ---


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "number"),
        ({"number": "many"}, "number"),
        ({"number": 1, "other": 2}, "other"),
        ("not json", "not JSON"),
        ("[1]", "array|object"),
        ("[" * 100_000, "not JSON"),
    ],
)
async def test_wrong_arguments_reach_nothing(arguments: object, said: str) -> None:
    result = await use(python("double"), arguments)
    assert result.outcome == "invalid"
    assert any(word in result.output for word in said.split("|"))


# --- HTTP ---


async def test_arguments_go_where_they_belong(end: HttpEnd) -> None:
    fields = http(end.url + "/stock/{item}", properties=("item", "size"))
    result = await use(fields, {"item": "a/b c", "size": "9&x"})
    assert result.outcome == "ok"
    (seen,) = end.seen
    assert seen.raw_path == "/stock/a%2Fb%20c?size=9%26x"
    assert seen.method == "GET"


async def test_what_the_file_has_in_the_query_stays_there(end: HttpEnd) -> None:
    """An argument that nobody has asked for does not take its place either."""
    fields = http(end.url + "/stock?shop=7&kind={kind}", properties=("kind",))
    await use(fields, {"kind": "a&b"})
    fields["parameters"]["additionalProperties"] = True
    await use(fields, {"kind": "tea", "shop": "8", "size": "1"})
    assert [seen.raw_path for seen in end.seen] == [
        "/stock?shop=7&kind=a%26b",
        "/stock?shop=7&kind=tea&size=1",
    ]


@pytest.mark.parametrize("place", [".", "..", ""])
async def test_an_argument_fills_one_place_of_the_path(end: HttpEnd, place: str) -> None:
    """`..` would take away the one before it: the model must not choose another address."""
    fields = http(end.url + "/shops/7/orders/{order}", properties=("order",), method="DELETE")
    assert (await use(fields, {"order": place})).outcome == "invalid"
    assert end.seen == []
    assert (await use(fields, {"order": "..."})).outcome == "ok"


async def test_arguments_that_are_no_text_stand_in_the_query_as_json(end: HttpEnd) -> None:
    fields = http(end.url + "/") | {"parameters": {"type": "object"}}
    await use(fields, {"tags": ["a", 2], "only": True, "none": None, "size": {"cm": 1}})
    assert end.seen[0].raw_path == "/?tags=a&tags=2&only=true&size=%7B%22cm%22%3A+1%7D"


@pytest.mark.parametrize("arguments", ['{"price": NaN}', '{"tea": "\\ud800"}'])
async def test_what_cannot_be_written_reaches_nothing(end: HttpEnd, arguments: str) -> None:
    fields = http(end.url + "/", method="POST") | {"parameters": {"type": "object"}}
    assert (await use(fields, arguments)).outcome == "invalid"
    assert end.seen == []


async def test_a_cookie_of_one_caller_is_not_sent_for_the_next(end: HttpEnd) -> None:
    end.answers["/"] = (200, {"set-cookie": "session=alice; Path=/"}, b"hello")
    async with toolbox({"tool": http(end.url + "/")}) as box:
        for _ in range(2):
            await box.run("tool", "{}", CONTEXT)
    assert ["cookie" in seen.headers for seen in end.seen] == [False, False]


async def test_two_services_behind_one_address_share_no_connection(end: HttpEnd) -> None:
    """A connection is kept by its address: TLS was agreed on for one of their names."""
    named = end.url.replace("127.0.0.1", "localhost")
    async with toolbox({"one": http(end.url + "/"), "two": http(named + "/")}) as box:
        for name in ("one", "two", "one"):
            assert (await box.run(name, "{}", CONTEXT)).outcome == "ok"
    first, second, again = (seen.port for seen in end.seen)
    assert first == again != second


async def test_a_packed_answer_is_neither_asked_for_nor_unpacked(end: HttpEnd) -> None:
    end.answers["/"] = (200, {"content-encoding": "gzip"}, gzip.compress(b"0" * 1_000_000))
    result = await use(http(end.url + "/", headers={"accept-encoding": "gzip"}))
    assert result.output == "The service answered in a form that cannot be read."
    assert end.seen[0].headers["accept-encoding"] == "identity"


async def test_an_alphabet_that_nobody_knows(end: HttpEnd) -> None:
    end.answers["/"] = (200, {"content-type": "text/plain; charset=hex"}, b"tea")
    assert await use(http(end.url + "/")) == ToolResult("tea", "ok")


async def test_a_body_is_json(end: HttpEnd) -> None:
    fields = http(end.url + "/orders", properties=("item",), method="POST")
    await use(fields, {"item": "tea"})
    assert json.loads(end.seen[0].body) == {"item": "tea"}


async def test_secrets_come_from_the_environment(end: HttpEnd) -> None:
    headers = {"Authorization": "Bearer ${SHOP_TOKEN}"}
    await use(http(end.url + "/", headers=headers), SHOP_TOKEN="s3cret")
    assert end.seen[0].headers["authorization"] == "Bearer s3cret"


def test_a_secret_that_is_not_set_refuses_to_start() -> None:
    fields = http("https://api.example.com/", headers={"Authorization": "${SHOP_TOKEN}"})
    with pytest.raises(SettingsError, match="SHOP_TOKEN"):
        Toolbox(book_of({"tool": fields}), {})


def test_a_secret_with_a_line_break_refuses_to_start() -> None:
    """As files of secrets often end; every call of the function would fail of it."""
    fields = http("https://api.example.com/", headers={"Authorization": "${SHOP_TOKEN}"})
    with pytest.raises(SettingsError, match="SHOP_TOKEN"):
        Toolbox(book_of({"tool": fields}), {"SHOP_TOKEN": "s3cret\n"})


async def test_the_name_that_was_asked_for_is_the_host(end: HttpEnd) -> None:
    await use(http(end.url + "/"))
    assert end.seen[0].headers["host"] == end.url.removeprefix("http://")


async def test_a_redirect_within_the_host_is_followed(end: HttpEnd) -> None:
    end.answers["/a"] = (302, {"location": "/b"}, b"")
    end.answers["/b"] = (200, {}, b"here")
    assert await use(http(end.url + "/a")) == ToolResult("here", "ok")


async def test_a_redirect_elsewhere_is_not(end: HttpEnd, another: HttpEnd) -> None:
    end.answers["/a"] = (302, {"location": another.url + "/steal"}, b"")
    result = await use(http(end.url + "/a", headers={"Authorization": "${T}"}), T="s3cret")
    assert result.outcome == "error"
    assert another.seen == []


@pytest.mark.parametrize("location", ["http://[", "", "https://127.0.0.1:1/", "ftp://%s/b"])
async def test_a_redirect_to_nowhere(end: HttpEnd, location: str) -> None:
    there = location.replace("%s", end.url.removeprefix("http://"))
    end.answers["/a"] = (302, {"location": there}, b"")
    result = await use(http(end.url + "/a"))
    assert result.output == "The service sent us elsewhere, where we do not go."


def test_a_redirect_does_not_leave_tls() -> None:
    """The same host without TLS would be told the credentials for anybody to read."""
    here = httpx2.URL("https://shop.example/a")
    assert redirected(here, "http://shop.example/a") is None
    assert redirected(here, "/b") == httpx2.URL("https://shop.example/b")
    plain = httpx2.URL("http://shop.example/a")
    assert redirected(plain, "https://shop.example/a") == here


async def test_a_circle_ends(end: HttpEnd) -> None:
    end.answers["/a"] = (302, {"location": "/a"}, b"")
    result = await use(http(end.url + "/a"))
    assert result.output == "The service sent us in a circle."


@pytest.mark.parametrize("status", [400, 404, 500])
async def test_an_error_is_told_in_words(end: HttpEnd, status: int) -> None:
    end.answers["/"] = (status, {}, b"stack trace with secrets")
    result = await use(http(end.url + "/"))
    assert result == ToolResult(f"The service answered with an error, status {status}.", "error")


async def test_too_much_is_not_read(end: HttpEnd) -> None:
    end.answers["/"] = (200, {}, b"x" * (limits.tools.TOOL_RESPONSE_MAX_BYTES + 1))
    assert (await use(http(end.url + "/"))).outcome == "error"


async def test_a_long_answer_is_cut_and_says_so(end: HttpEnd) -> None:
    end.answers["/"] = (200, {}, b"x" * (limits.tools.TOOL_RESULT_MAX_CHARS + 1))
    result = await use(http(end.url + "/"))
    assert result.output.endswith("[cut here: the answer was longer]")


async def test_nobody_there() -> None:
    assert (await use(http("http://127.0.0.1:1/"))).output == "The service could not be reached."


async def test_this_machine_is_out_of_reach_unless_allowed(end: HttpEnd) -> None:
    result = await use(http(end.url + "/", allow_private=False))
    assert result.output == "The service stands where functions may not go."
    assert end.seen == []


async def test_whatever_fails_leaves_a_line_with_the_reason(end: HttpEnd) -> None:
    end.answers["/500"] = (500, {}, b"the caller's words")
    strict = http(end.url + "/{id}", properties=("id",))
    cases: list[tuple[dict[str, Any], Any, str, str]] = [
        (http(end.url + "/", allow_private=False), {}, "error", "private_address"),
        (http("http://127.0.0.1:1/"), {}, "error", "ConnectionRefusedError"),
        (http("http://no-such-host.invalid/"), {}, "error", "unknown_host"),
        (http(end.url + "/500"), {}, "error", "status_500"),
        (strict, {"id": 7}, "invalid", "arguments"),
        (python("sleeper", timeout_s=0.01), {}, "timeout", "timeout"),
        (python("complains"), {}, "error", "refused_by_tool"),
        (python("broken"), {}, "error", "KeyError"),
    ]
    for fields, arguments, outcome, reason in cases:
        with capture_logs() as logs:
            await use(fields, arguments)
        line = next(line for line in logs if line["event"] == "tool_call_failed")
        assert (line["outcome"], line["reason"]) == (outcome, reason)
        assert (line["tool"], line["call_sid"]) == ("tool", CONTEXT.call_sid)
        assert "words" not in str(line)


@pytest.fixture
async def end() -> AsyncIterator[HttpEnd]:
    async with http_end() as one:
        yield one


@pytest.fixture
async def another() -> AsyncIterator[HttpEnd]:
    async with http_end() as one:
        yield one
