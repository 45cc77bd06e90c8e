"""Private MCP: the official package's own server, in its own process, and how it can fail."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from http_end import http_end
from mcp_process import STDIO, McpProcess, mcp_process, raw_end
from structlog.testing import capture_logs

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.agents.config.mcp import McpServer
from gateway.agents.routing import AgentBook, Route
from gateway.bridge.calls.session_configs import SessionConfigs
from gateway.errors import SettingsError, ToolError
from gateway.limits.patience import McpPatience
from gateway.tools.mcp_connection import ListedMcpTool, StderrTail
from gateway.tools.mcp_faults import NOT_NOW, McpUnavailable
from gateway.tools.mcp_servers import McpServerLink, McpServers
from gateway.tools.python import ToolContext
from gateway.tools.toolbox import Toolbox, ToolResult

PATIENCE_S = 20.0
CONTEXT = ToolContext("CA1", "+15550123", "+15550100", "desk")
SECRETS = {"SHELF_TOKEN": "s3cret"}


HASTE = McpPatience(pause_first_s=0.02, pause_max_s=0.1)


@pytest.fixture(scope="module")
def shared() -> Iterator[McpProcess]:
    with mcp_process() as process:
        yield process


def server(**fields: Any) -> McpServer:
    return McpServer.model_validate({"via": "gateway"} | fields)


class Statuses:
    """What links report, by their label."""

    def __init__(self) -> None:
        self._queues: dict[str, asyncio.Queue[bool]] = {}

    def of(self, label: str) -> asyncio.Queue[bool]:
        return self._queues.setdefault(label, asyncio.Queue())

    def forget(self) -> None:
        self._queues.clear()

    def __call__(self, label: str, up: bool) -> None:
        self.of(label).put_nowait(up)


STATUSES = Statuses()


@pytest.fixture(autouse=True)
def _no_statuses_of_other_tests() -> None:
    STATUSES.forget()


def shelf(
    server: McpServer, secrets: dict[str, str], patience: McpPatience = HASTE
) -> McpServerLink:
    return McpServerLink("shelf", server, secrets, STATUSES, patience=patience)


class Running:
    """A link at work, and what it has reported."""

    def __init__(self, link: McpServerLink) -> None:
        self.link = link
        self._told = STATUSES.of(link.label)

    async def until(self, up: bool) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while await self._told.get() != up:
                pass


@asynccontextmanager
async def at_work(link: McpServerLink) -> AsyncIterator[Running]:
    running = Running(link)
    task = asyncio.create_task(link.run())
    try:
        yield running
    finally:
        task.cancel()
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def linked(process: McpProcess, **more: Any) -> AsyncIterator[McpServerLink]:
    link = shelf(server(url=process.url, **more), SECRETS)
    async with at_work(link) as running:
        await running.until(up=True)
        yield link


async def said(link: McpServerLink, tool: str, **arguments: Any) -> str:
    try:
        return await link.call(tool, arguments)
    except ToolError as error:
        return f"! {error}"


async def test_what_a_tool_says(shared: McpProcess) -> None:
    async with linked(shared) as link:
        assert [tool.name for tool in link.tools][:2] == ["stock", "say"]
        assert link.tools[0].description == "How much of a tea is left."
        assert json.loads(await said(link, "stock", tea="assam")) == {"tea": "assam", "left": 4}
        assert await said(link, "say", text="a", times=3) == "aaa"
        assert "an image is part of the answer" in await said(link, "picture")
        assert "the shelf is locked" in await said(link, "refuses")
        assert await said(link, "breaks") == "! It did not work: Error executing tool breaks"
        assert "Unknown tool" in await said(link, "nothing_like_it")


async def test_who_we_are_comes_from_the_environment_and_stays_out_of_the_log(
    shared: McpProcess,
) -> None:
    with capture_logs() as logs:
        headers = {"X-Team": "tea ${SHELF_TOKEN}"}
        async with linked(shared, authorization="${SHELF_TOKEN}", headers=headers) as link:
            assert (await said(link, "sees")).startswith("Bearer s3cret tea s3cret None")
    assert logs
    assert "s3cret" not in str(logs)


async def test_several_at_once_and_one_that_is_given_up(shared: McpProcess) -> None:
    async with linked(shared) as link:
        sleeping = asyncio.create_task(link.call("sleeps", {}))
        answers = await asyncio.gather(*(said(link, "say", text=str(n)) for n in range(20)))
        assert answers == [str(n) for n in range(20)]
        sleeping.cancel()
        await asyncio.gather(sleeping, return_exceptions=True)
        assert await said(link, "say", text="still here") == "still here"
        assert link.up


@pytest.mark.parametrize("turns", range(8))
async def test_it_ends_with_us_whatever_it_is_at(shared: McpProcess, turns: int) -> None:
    """The package's task groups may swallow a cancellation."""
    async with linked(shared) as link:
        sleeping = asyncio.create_task(link.call("sleeps", {}))
        await said(link, "say", text="a")
        sleeping.cancel()
        await asyncio.gather(sleeping, return_exceptions=True)
        for _ in range(turns):
            await asyncio.sleep(0)
        await said(link, "say", text="a", times=9_000)


async def test_a_process_of_ours_ends_with_us_and_is_started_again() -> None:
    link = McpServerLink(
        "shelf", server(command=STDIO, env={"SHELF": "${SHELF_TOKEN}"}), SECRETS, STATUSES
    )
    with capture_logs() as logs:
        async with at_work(link) as running:
            await running.until(up=True)
            *_, shelf, first_pid = (await said(link, "sees")).split()
            assert shelf == "s3cret"
            with pytest.raises(McpUnavailable):
                await link.call("dies", {})
            await running.until(up=False)
            assert link.tools == ()
            await running.until(up=True)
            pid = (await said(link, "sees")).split()[-1]
            assert pid != first_pid
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)
    (lost,) = (line for line in logs if line["event"] == "mcp_server_unavailable")
    assert lost["last_words"].endswith("the shelf [secret] has fallen")
    assert "s3cret" not in str(logs)


async def test_one_that_is_killed_costs_its_tools_and_comes_back() -> None:
    agent = agent_with(url="http://127.0.0.1:1/")
    with mcp_process() as process:
        agent = agent_with(url=process.url)
        box = Toolbox(book_of(agent), {}, None, STATUSES, mcp_patience=HASTE)
        sessions = SessionConfigs(book_of(agent), box)
        (link,) = box.mcp.links
        assert "tools" not in sessions.of("desk", "sip", {})
        async with at_work(link) as running:
            await running.until(up=True)
            session = sessions.of("desk", "media-streams", {})
            assert "shelf_stock" in [tool["name"] for tool in session["tools"]]
            assert sessions.of("desk", "media-streams", {}) is session
            assert (await box.run("shelf_say", '{"text": "a"}', CONTEXT)) == ToolResult("a", "ok")
            process.kill()
            assert await box.run("shelf_stock", '{"tea": "a"}', CONTEXT) == ToolResult(
                NOT_NOW, "unavailable"
            )
            await running.until(up=False)
            assert "tools" not in sessions.of("desk", "media-streams", {})
            assert (await box.run("shelf_say", "{}", CONTEXT)).outcome == "unavailable"
            process.start()
            await running.until(up=True)
            assert (await box.run("shelf_say", '{"text": "b"}', CONTEXT)) == ToolResult("b", "ok")
        await box.close()


async def test_one_that_is_asked_for_is_tried_at_once(shared: McpProcess) -> None:
    book = book_of(agent_with(url="http://127.0.0.1:1/"))
    box = Toolbox(
        book,
        {},
        None,
        STATUSES,
        mcp_patience=McpPatience(5.0, pause_first_s=3600.0, pause_max_s=3600.0),
    )
    (link,) = box.mcp.links
    async with at_work(link) as running:
        await running.until(up=False)
        say = ("shelf_say", '{"text": "a"}', CONTEXT)
        assert await box.run(*say) == ToolResult(NOT_NOW, "unavailable")
        link.server = server(url=shared.url)
        assert await box.run(*say) == ToolResult("a", "ok")
        assert (await box.run("shelf_nothing_like_it", "{}", CONTEXT)).outcome == "unavailable"


async def test_a_call_that_takes_too_long_is_told_so(shared: McpProcess) -> None:
    agent = agent_with(url=shared.url, timeout_s=1.0)
    box = Toolbox(book_of(agent), {}, None, STATUSES, mcp_patience=HASTE)
    async with at_work(box.mcp.links[0]) as running:
        await running.until(up=True)
        assert (await box.run("shelf_sleeps", "{}", CONTEXT)).outcome == "timeout"
        long = json.dumps({"text": "x", "times": limits.tools.TOOL_RESULT_MAX_CHARS + 1})
        assert (await box.run("shelf_say", long, CONTEXT)).output.endswith("answer was longer]")
        wrong = await box.run("shelf_say", '{"text": "x", "times": "many"}', CONTEXT)
        assert wrong.outcome == "error"
        assert "times" in wrong.output


# --- Servers that are none ---


async def test_one_that_never_was_harms_nobody() -> None:
    desk = McpServers(book_of(agent_with(url="http://127.0.0.1:1/")), {}, STATUSES, patience=HASTE)
    with capture_logs() as logs:
        async with at_work(desk.links[0]) as running:
            await desk.tried(PATIENCE_S)
            await running.until(up=False)
            await running.until(up=False)  # it is tried again, and told of once
    assert [line["reason"] for line in logs] == ["ConnectionRefusedError"]


async def test_one_that_takes_the_connection_and_says_nothing() -> None:
    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        hasty = replace(HASTE, connect_max_s=0.05)
        link = shelf(server(url=f"http://127.0.0.1:{port}/"), {}, hasty)
        async with at_work(link) as running:
            await running.until(up=False)
            await running.until(up=False)


async def test_one_that_speaks_something_else() -> None:
    async with (
        http_end() as end,
        at_work(shelf(server(url=end.url), {})) as running,
    ):
        await running.until(up=False)
    async with at_work(shelf(server(command=["echo", "hello"]), {})) as running:
        await running.until(up=False)
    async with at_work(shelf(server(command=["/no/such/program"]), {})) as running:
        await running.until(up=False)


@pytest.mark.parametrize("before", range(370, 420, 7))
async def test_no_part_of_a_secret_is_among_the_last_words(before: int) -> None:
    """Wherever it is cut: by what is read at once, or by what is kept."""
    secret = "s3cret" * 5
    for noise in (b"x" * before + b" ", b"x" * before + b"\n"):
        words, stream = StderrTail({"TOKEN": secret, "PART": secret[:6]}), asyncio.StreamReader()
        stream.feed_data((noise + secret.encode()) * 4 + b"\nit is over\n")
        stream.feed_eof()
        await words.read(stream)
        assert "s3cret" not in str(words)
        assert "3cret" not in str(words)
        assert str(words).endswith("it is over")


async def test_the_start_does_not_wait_for_ever() -> None:
    desk = McpServers(book_of(agent_with(url="http://127.0.0.1:1/")), {}, STATUSES, patience=HASTE)
    await desk.tried(0.01)


# --- What is offered to whom ---


def agent_with(**fields: Any) -> Agent:
    return Agent(name="desk", instructions="x", mcp={"shelf": server(**fields)})


def book_of(*agents: Agent) -> AgentBook:
    return AgentBook({a.name: a for a in agents}, (Route(to="*", agent=agents[0].name),))


def offering(agent: Agent, *tools: ListedMcpTool) -> list[str]:
    desk = McpServers(book_of(agent), {}, STATUSES, patience=HASTE)
    desk.links[0].tools = tools
    return list(desk.tools(agent))


def listed(name: str, **schema: Any) -> ListedMcpTool:
    return ListedMcpTool(name, "", {"type": "object"} | schema)


def test_names_are_made_of_label_and_tool() -> None:
    agent = agent_with(url="http://shelf.internal/")
    assert offering(agent, listed("stock"), listed("odd.name/x")) == [
        "shelf_stock",
        "shelf_odd_name_x",
    ]


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"not": schema}
    return schema


def test_what_cannot_be_offered_is_left_out_with_a_warning() -> None:
    agent = agent_with(url="http://shelf.internal/")
    with capture_logs() as logs:
        names = offering(agent, listed("a.b"), listed("a/b"), listed("x" * 64))
    assert names == ["shelf_a_b"]
    assert [line["tool"] for line in logs] == ["a/b", "x" * 64]


def left_out(logs: list[Any]) -> dict[str, str]:
    return {line["tool"]: line["reason"] for line in logs if line["event"] == "mcp_tool_left_out"}


def test_what_no_agent_may_use_takes_nobodys_place() -> None:
    """The file's list is applied before the bound."""
    others = [listed(f"other{n}") for n in range(limits.mcp.TOOLS_MAX)]
    agent = agent_with(url="http://shelf.internal/", allowed_tools=["wanted"])
    with capture_logs() as logs:
        assert offering(agent, *others, listed("wanted")) == ["shelf_wanted"]
    assert logs == []


def test_more_tools_than_one_server_may_offer_are_named() -> None:
    agent = agent_with(url="http://shelf.internal/")
    most = limits.mcp.TOOLS_MAX
    with capture_logs() as logs:
        names = offering(agent, *(listed(f"t{n}") for n in range(most + 2)))
    assert len(names) == most
    assert list(left_out(logs)) == [f"t{most}", f"t{most + 1}"]


def test_all_servers_together_offer_what_one_session_can_hold() -> None:
    counted: list[tuple[str, int]] = []
    agent = Agent(
        name="desk",
        instructions="x",
        mcp={label: server(url=f"http://{label}.internal/") for label in ("a", "b", "c")},
    )
    desk = McpServers(
        book_of(agent), {}, STATUSES, lambda label, count: counted.append((label, count))
    )
    for link in desk.links:
        link.tools = tuple(listed(f"t{n}") for n in range(40))
    with capture_logs() as logs:
        names = list(desk.tools(agent))
    assert len(names) == limits.mcp.AGENT_TOOLS_MAX
    assert {line["server"] for line in logs} == {"c"}
    assert counted == [("c", 3 * 40 - limits.mcp.AGENT_TOOLS_MAX)]
    assert logs[-1]["more_tools"] == counted[0][1] - limits.mcp.LEFT_OUT_LOGGED_MAX


def test_the_sum_of_schemas_is_bounded_and_small_tools_still_fit() -> None:
    agent = agent_with(url="http://shelf.internal/")
    large = [listed(f"large{n}", description="x" * 15_000) for n in range(4)]
    with capture_logs() as logs:
        names = offering(agent, *large, listed("small"))
    assert names == ["shelf_large0", "shelf_large1", "shelf_large2", "shelf_small"]
    assert list(left_out(logs)) == ["large3"]


# --- One bad part ---

OBJECT = {"type": "object"}
BAD_TOOLS: list[Any] = [
    {"name": "untyped", "inputSchema": {}},
    {"name": "null", "inputSchema": {"type": None}},
    {"name": "missing"},
    {"name": "string", "inputSchema": {"type": "string"}},
    {"name": "text", "inputSchema": "object"},
    {"name": 7, "inputSchema": OBJECT},
    {"name": "", "inputSchema": OBJECT},
    {"name": "nonsense", "inputSchema": OBJECT | {"properties": {"a": {"type": "nonsense"}}}},
    {"name": "listed", "inputSchema": OBJECT | {"properties": []}},
    {"name": "deep", "inputSchema": OBJECT | {"properties": nested(150)}},
    {"name": "long", "inputSchema": OBJECT | {"title": "x" * limits.mcp.SCHEMA_MAX_CHARS}},
    "no tool at all",
    None,
]


@asynccontextmanager
async def raw(**answers: Any) -> AsyncIterator[McpServerLink]:
    link = shelf(server(command=raw_end(**answers)), {})
    async with at_work(link) as running:
        await running.until(up=True)
        yield link


@pytest.mark.parametrize("bad", BAD_TOOLS)
async def test_one_bad_tool_costs_itself(bad: Any) -> None:
    good = [{"name": "one", "inputSchema": OBJECT}, {"name": "two", "inputSchema": OBJECT}]
    with capture_logs() as logs:
        async with raw(tools=[good[0], bad, good[1]]) as link:
            assert [tool.name for tool in link.tools] == ["one", "two"]
    (name,) = left_out(logs)
    assert name == str(bad.get("name")) if isinstance(bad, dict) else "1"


async def test_what_only_describes_a_tool_costs_nothing() -> None:
    odd = {
        "name": "odd",
        "inputSchema": OBJECT,
        "description": 7,
        "title": [],
        "annotations": "none",
        "icons": 3,
        "outputSchema": "object",
        "_meta": [],
        "execution": 1,
    }
    with capture_logs() as logs:
        async with raw(tools=[odd]) as link:
            assert [(tool.name, tool.description) for tool in link.tools] == [("odd", "")]
    assert left_out(logs) == {}


async def test_bad_tools_of_later_pages_are_named_too() -> None:
    pages = [[{"name": "a"}, {"name": "one", "inputSchema": OBJECT}], [{"name": "b"}]]
    with capture_logs() as logs:
        async with raw(pages=pages) as link:
            assert [tool.name for tool in link.tools] == ["one"]
    assert list(left_out(logs)) == ["a", "b"]


async def test_a_list_without_end_is_cut_and_named() -> None:
    many = [{"name": f"t{n}", "inputSchema": OBJECT} for n in range(limits.mcp.LISTED_MAX + 1)]
    with capture_logs() as logs:
        async with raw(tools=many) as link:
            assert len(link.tools) == limits.mcp.LISTED_MAX
    assert list(left_out(logs)) == [f"t{limits.mcp.LISTED_MAX}"]


PACKED = {"type": "object", "properties": {"left": {"type": "integer", "pattern": "^(a+)+$"}}}


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"structuredContent": {"left": "a" * 40 + "!"}}, "four"),
        ({"structuredContent": "four"}, "four"),
        ({}, "four"),
        ({"isError": "no"}, "four"),
        ({"content": [{"type": "text", "text": "four"}, {"type": "smell"}]}, "four\n[a part"),
        ({"content": [{"type": "text", "text": "four", "annotations": 7}]}, "four"),
        ({"content": None, "structuredContent": {"left": 4}}, '{"left": 4}'),
    ],
)
async def test_a_result_that_does_not_fit_its_schema_has_its_text(
    result: dict[str, Any], words: str
) -> None:
    tool = {"name": "stock", "inputSchema": OBJECT, "outputSchema": PACKED}
    text = {"content": [{"type": "text", "text": "four"}]}
    async with raw(tools=[tool], result=text | result) as link:
        assert (await said(link, "stock")).startswith(words)


def test_a_built_in_tool_keeps_its_name() -> None:
    agent = Agent(name="desk", instructions="x", mcp={"end": server(url="http://shelf.internal/")})
    assert offering(agent, listed("call"), listed("stock")) == ["end_stock"]


def test_only_what_the_file_allows() -> None:
    agent = agent_with(url="http://shelf.internal/", allowed_tools=["stock"])
    assert offering(agent, listed("stock"), listed("drop_everything")) == ["shelf_stock"]


@pytest.mark.parametrize(
    "odd",
    [
        {"$ref": "http://127.0.0.1:1/schema.json"},
        {"$ref": "#"},
        {"type": "string", "pattern": "^(a+)+$"},  # doubles its time with each letter
    ],
)
async def test_a_schema_of_a_server_is_for_the_server(odd: dict[str, Any]) -> None:
    """Nothing of it is fetched, followed or matched here."""
    agent = agent_with(url="http://shelf.internal/")
    box = Toolbox(book_of(agent), {}, None, STATUSES, mcp_patience=HASTE)
    link = box.mcp.links[0]
    link.tools, link.revision = (listed("odd", properties={"a": odd}),), link.revision + 1
    result = await box.run("shelf_odd", json.dumps({"a": "a" * 64 + "!"}), CONTEXT)
    assert result.outcome == "unavailable"  # it came as far as to its server, which is not there
    assert (await box.run("shelf_odd", "[]", CONTEXT)).outcome == "invalid"


def test_two_agents_share_a_server_and_not_its_tools() -> None:
    one = agent_with(url="http://shelf.internal/", allowed_tools=["stock"])
    two = one.model_copy(
        update={"name": "two", "mcp": {"shelf": server(url="http://shelf.internal/")}}
    )
    desk = McpServers(book_of(one, two), {}, STATUSES, patience=HASTE)
    (link,) = desk.links
    link.tools = (listed("stock"), listed("reserve"))
    assert list(desk.tools(one)) == ["shelf_stock"]
    assert list(desk.tools(two)) == ["shelf_stock", "shelf_reserve"]


def test_what_the_vendor_reaches_is_none_of_ours() -> None:
    agent = Agent(
        name="desk",
        instructions="x",
        mcp={"docs": McpServer(via="openai", url="https://docs.example.com/")},
    )
    assert McpServers(book_of(agent), {}, STATUSES, patience=HASTE).links == []


def test_a_label_stands_for_one_server() -> None:
    two = Agent(name="two", instructions="x", mcp={"shelf": server(url="http://b.internal/")})
    with pytest.raises(SettingsError, match="two servers"):
        McpServers(book_of(agent_with(url="http://a.internal/"), two), {}, STATUSES, patience=HASTE)


def test_a_secret_that_is_not_set_refuses_to_start() -> None:
    with pytest.raises(SettingsError, match="mcp shelf needs SHELF_TOKEN"):
        Toolbox(book_of(agent_with(url="http://a.internal/", authorization="${SHELF_TOKEN}")), {})
