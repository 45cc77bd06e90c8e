"""MCP over HTTP, against servers that misbehave: what one of their answers may cost."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from http_end import http_end
from mcp_http_end import LISTED, Asked, Behave, McpHttpEnd, mcp_http_end
from structlog.testing import capture_logs

from gateway import limits
from gateway.agents.config.mcp import McpServer
from gateway.errors import ToolError
from gateway.limits.patience import MCP_PATIENCE, McpPatience
from gateway.tools.mcp_connection import McpConnection, StderrTail, connected
from gateway.tools.mcp_faults import McpStatus, McpUnavailable
from gateway.tools.mcp_http import AnswerBroken, BoundedTransport, Exchange
from gateway.tools.mcp_servers import McpServerLink, OnStatus, ignore_status

PATIENCE_S = 20.0


@asynccontextmanager
async def linked(
    end: McpHttpEnd, patience: McpPatience = MCP_PATIENCE, on_status: OnStatus = ignore_status
) -> AsyncIterator[McpServerLink]:
    server = McpServer(via="gateway", url=end.url)
    link = McpServerLink("shelf", server, {}, on_status, patience=patience)
    task = asyncio.create_task(link.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            await link.tried.wait()
        assert link.up
        yield link
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def wired(end: McpHttpEnd) -> AsyncIterator[McpConnection]:
    server = McpServer(via="gateway", url=end.url)
    async with connected(server, {}, StderrTail({})) as wire:
        yield wire


async def resets(asked: Asked) -> None:
    asked.writer.transport.abort()


async def breaks_off(asked: Asked) -> None:
    asked.reply(200, b"{", content_length="100")
    asked.writer.close()


async def is_too_long(asked: Asked) -> None:
    asked.reply(200, b" " * (limits.mcp.RESPONSE_MAX_BYTES + 1))


async def is_packed(asked: Asked) -> None:
    asked.reply(200, gzip.compress(b"{}"), content_encoding="gzip")


async def is_unauthorized(asked: Asked) -> None:
    asked.reply(401)


async def is_no_json(asked: Asked) -> None:
    asked.reply(200, b"<html>")


async def ends_without_an_answer(asked: Asked) -> None:
    asked.stream(": nothing\n\n")
    asked.writer.close()


FAULTS = [
    (resets, "RemoteProtocolError"),
    (breaks_off, "RemoteProtocolError"),
    (is_too_long, "DecodingError"),
    (is_packed, "DecodingError"),
    (is_unauthorized, "http_401"),
    (is_no_json, "MCPError"),
    (ends_without_an_answer, "MCPError"),
]


@pytest.mark.parametrize(("fault", "named"), FAULTS)
async def test_one_answer_that_fails_costs_no_other_call(fault: Behave, named: str) -> None:
    """Another caller's call is under way over the same connection, and may book something."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def call(asked: Asked) -> None:
        if asked.message["params"]["name"] == "one":
            await fault(asked)
            return
        begun.set()
        await go_on.wait()
        asked.text("booked")

    async with mcp_http_end() as end:
        end.call = call
        with capture_logs() as logs:
            async with linked(end) as link:
                slow = asyncio.create_task(link.call("slow", {}))
                await begun.wait()
                with pytest.raises(McpUnavailable):
                    await link.call("one", {})
                go_on.set()
                assert await slow == "booked"
                assert link.up
    assert [line["reason"] for line in logs if line["event"] == "mcp_call_failed"] == [named]
    assert end.sessions == 1


@pytest.mark.parametrize("as_stream", [False, True], ids=["json", "events"])
@pytest.mark.parametrize("as_error", [False, True], ids=["result", "error"])
async def test_an_answer_with_the_id_of_another_call_reaches_nobody_else(
    as_stream: bool, as_error: bool
) -> None:
    """What one caller is to hear may be private; it must not be read out to another."""
    begun, go_on = asyncio.Event(), asyncio.Event()
    ids: dict[str, int] = {}

    async def call(asked: Asked) -> None:
        ids[asked.message["params"]["name"]] = asked.message["id"]
        if asked.message["params"]["name"] == "slow":
            begun.set()
            await go_on.wait()
            asked.text("booked")
            return
        said = {"content": [{"type": "text", "text": "somebody's address"}]}
        came = {"error": {"code": -32000, "message": "no"}} if as_error else {"result": said}
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": ids["slow"]} | came
        if as_stream:
            asked.stream(answer)
            asked.writer.close()
        else:
            asked.reply(200, json.dumps(answer).encode())

    async with mcp_http_end() as end:
        end.call = call
        async with linked(end) as link:
            slow = asyncio.create_task(link.call("slow", {}))
            await begun.wait()
            async with asyncio.timeout(PATIENCE_S):
                (other,) = await asyncio.gather(link.call("one", {}), return_exceptions=True)
                go_on.set()
                assert await slow == "booked"
    assert isinstance(other, McpUnavailable)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("ours", [True, False])
async def test_an_event_has_its_id_however_it_is_cut(line_end: str, ours: bool) -> None:
    async def call(asked: Asked) -> None:
        asked.stream(": nothing" + 2 * line_end)
        answer_id = asked.message["id"] if ours else 99
        content = [{"type": "text", "text": "booked"}]
        answer = {"jsonrpc": "2.0", "id": answer_id, "result": {"content": content}}
        said = json.dumps(answer, indent=1).splitlines()
        event = "".join(f"data: {line}{line_end}" for line in ["", *said]) + line_end
        for byte in event.encode():
            asked.writer.write(bytes([byte]))
            await asked.writer.drain()
        asked.writer.close()

    async with mcp_http_end() as end:
        end.call = call
        async with linked(end) as link, asyncio.timeout(PATIENCE_S):
            if ours:
                assert await link.call("one", {}) == "booked"
            else:
                with pytest.raises(McpUnavailable):
                    await link.call("one", {})


@pytest.mark.parametrize("as_stream", [False, True], ids=["json", "events"])
async def test_an_error_without_an_id_is_that_of_its_request(as_stream: bool) -> None:
    async def call(asked: Asked) -> None:
        error = {"code": -32000, "message": "full"}
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": None, "error": error}
        if as_stream:
            asked.stream(answer)
            asked.writer.close()
        else:
            asked.reply(200, json.dumps(answer).encode())

    async with mcp_http_end() as end:
        end.call = call
        async with linked(end) as link, asyncio.timeout(PATIENCE_S):
            with pytest.raises(ToolError, match="full"):
                await link.call("one", {})


async def test_a_session_that_is_lost_is_opened_again_and_the_call_is_made() -> None:
    """As after a restart of the server: 404 says that nothing was done."""
    made: list[str] = []

    async def call(asked: Asked) -> None:
        if asked.headers["mcp-session-id"] == "s1":
            asked.reply(404)
            return
        made.append(asked.message["params"]["name"])
        asked.text("booked")

    async with mcp_http_end() as end:
        end.call = call
        async with linked(end) as link:
            assert await link.call("one", {}) == "booked"
    assert made == ["one"]


async def test_a_refusal_in_the_new_session_is_the_tool_s() -> None:
    async def call(asked: Asked) -> None:
        if asked.headers["mcp-session-id"] == "s1":
            asked.reply(404)
        else:
            asked.result({"content": [{"type": "text", "text": "full"}], "isError": True})

    async with mcp_http_end() as end:
        end.call = call
        async with linked(end) as link:
            with pytest.raises(ToolError, match="It did not work: full"):
                await link.call("one", {})


async def test_a_server_that_always_says_404_is_asked_twice_and_no_more() -> None:
    async def call(asked: Asked) -> None:
        asked.reply(404)

    async with mcp_http_end() as end:
        end.call = call
        async with linked(end) as link:
            with pytest.raises(McpUnavailable):
                await link.call("one", {})
        assert end.seen.count("POST tools/call") == 2


@pytest.mark.parametrize("code", [-32000, -32603, 7])
async def test_an_error_that_the_server_answers_is_told_in_its_words(code: int) -> None:
    async def call(asked: Asked) -> None:
        error = {"code": code, "message": "the diary is locked"}
        answer = {"jsonrpc": "2.0", "id": asked.message["id"], "error": error}
        asked.reply(200, json.dumps(answer).encode())

    async with mcp_http_end() as end, linked(end) as link:
        end.call = call
        with pytest.raises(ToolError, match="It did not work: the diary is locked") as caught:
            await link.call("one", {})
        assert caught.value.reason == f"mcp_error_{code}"


async def test_a_server_that_cannot_be_had_is_named_by_what_it_said() -> None:
    async with http_end() as end:
        end.answers["/mcp"] = (403, {}, b"")
        with pytest.raises(McpStatus, match="http_403"):
            async with wired(McpHttpEnd(f"{end.url}/mcp")):
                pass


async def test_an_answer_without_end_is_not_read_when_nobody_waits() -> None:
    """One that is given up would keep its connection as long as something comes."""
    begun, closed = asyncio.Event(), asyncio.Event()

    async def call(asked: Asked) -> None:
        asked.stream(": more\n\n")
        await asked.writer.drain()
        begun.set()
        await asked.reader.read()
        closed.set()

    async with mcp_http_end() as end, linked(end) as link:
        end.call = call
        asking = asyncio.create_task(link.call("one", {}))
        await begun.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        async with asyncio.timeout(PATIENCE_S):
            await closed.wait()
        assert link.up


async def test_no_stream_is_opened_for_what_nobody_asked() -> None:
    """The package would open it again at once, for ever, where the server says `retry: 0`."""
    async with mcp_http_end() as end, linked(end) as link:
        assert await link.call("one", {}) == "one"
        assert [seen for seen in end.seen if seen.startswith("GET")] == []


async def test_a_broken_answer_is_asked_for_in_pauses_and_not_for_ever() -> None:
    async def call(asked: Asked) -> None:
        asked.stream("id: 7\nretry: 0\ndata:\n\n")
        asked.writer.close()

    async with mcp_http_end() as end, linked(end) as link:
        end.call = call
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5 * limits.mcp.RESUME_PAUSE_S):
                await link.call("one", {})
        assert 1 <= end.seen.count("GET") <= 2
        assert link.up


# --- Servers that do one thing after the other ---


class Lost(asyncio.Event):
    """Set when the link reports that the server is away."""

    def __call__(self, _label: str, up: bool) -> None:
        if not up:
            self.set()


class OneAtATime:
    """Server that answers nothing else while it is at work."""

    def __init__(self, end: McpHttpEnd) -> None:
        self.begun, self.asked, self.go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.given_up = asyncio.Event()
        """Set when nobody waits for the list any more."""
        end.call, end.listing = self.call, self.listing

    async def call(self, asked: Asked) -> None:
        self.begun.set()
        await self.go_on.wait()
        asked.text("booked")

    async def listing(self, asked: Asked) -> None:
        self.asked.set()
        going_on = asyncio.create_task(self.go_on.wait())
        hung_up = asyncio.create_task(asked.reader.read(1))
        await asyncio.wait([going_on, hung_up], return_when=asyncio.FIRST_COMPLETED)
        if hung_up.done():
            self.given_up.set()
        going_on.cancel()
        hung_up.cancel()
        asked.result(LISTED)


ASK_MAX_S = 1.0
"""In which the question reaches the server, also on a machine that does much else."""


async def test_a_server_at_work_is_not_taken_for_lost() -> None:
    """Its list is asked for every few seconds, and is not answered meanwhile."""
    lost = Lost()
    async with mcp_http_end() as end, linked(end, McpPatience(ask_max_s=ASK_MAX_S), lost) as link:
        server = OneAtATime(end)
        working = asyncio.create_task(link.call("slow", {}))
        await server.begun.wait()
        given_up = asyncio.create_task(link.call("one", {}))
        await asyncio.sleep(0)
        given_up.cancel()  # which leaves a doubt, so that the list is asked for
        await server.asked.wait()
        await server.given_up.wait()
        server.go_on.set()
        assert await working == "booked"
        assert await link.call("one", {}) == "booked"
        assert end.sessions == 1
        assert not lost.is_set()


async def test_a_link_ends_while_a_server_does_not_list_its_tools() -> None:
    asked, never = asyncio.Event(), asyncio.Event()

    async def listing(_asked: Asked) -> None:
        asked.set()
        await never.wait()

    async with mcp_http_end() as end:
        end.listing = listing
        server = McpServer(via="gateway", url=end.url)
        running = asyncio.create_task(McpServerLink("shelf", server, {}).run())
        await asked.wait()
        running.cancel()
        done, _ = await asyncio.wait([running], timeout=PATIENCE_S)
        never.set()
        assert running in done
        assert running.cancelled()


async def test_a_server_that_has_answered_nothing_is_lost() -> None:
    """Though calls are under way: they are given up one after the other."""
    lost = Lost()
    async with mcp_http_end() as end, linked(end, McpPatience(ask_max_s=ASK_MAX_S), lost) as link:
        server = OneAtATime(end)
        working = asyncio.create_task(link.call("slow", {}))
        await server.begun.wait()
        working.cancel()
        await server.asked.wait()
        another = asyncio.create_task(link.call("slow", {}))
        async with asyncio.timeout(PATIENCE_S):
            await lost.wait()
        await asyncio.gather(another, return_exceptions=True)
        server.go_on.set()


# --- Below the package ---


async def answered(status: int = 200, body: bytes = b"", **headers: str) -> httpx2.Response:
    async with http_end() as end, httpx2.AsyncClient(transport=BoundedTransport()) as client:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        end.answers["/"] = (status, named, body)
        return await client.post(end.url)


async def test_an_answer_has_a_bound() -> None:
    most = limits.mcp.RESPONSE_MAX_BYTES
    assert len((await answered(body=b" " * most)).content) == most
    with pytest.raises(AnswerBroken):
        await answered(body=b" " * (most + 1))


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream"])
async def test_what_is_compressed_is_not_unpacked(kind: str) -> None:
    """It was asked not to be; a few kilobytes can become gigabytes."""
    packed = gzip.compress(b" " * 1_000_000)
    response = await answered(body=packed, content_encoding="gzip", content_type=kind)
    assert (response.status_code, response.content) == (502, b"")


async def test_nobody_there_is_an_answer_too() -> None:
    async with httpx2.AsyncClient(transport=BoundedTransport()) as client:
        assert (await client.post("http://127.0.0.1:1/")).status_code == 502
        with pytest.raises(httpx2.ConnectError):
            await client.delete("http://127.0.0.1:1/")


async def test_who_waits_for_an_exchange_that_is_over_is_told_so() -> None:
    exchange = Exchange()
    waiting = asyncio.create_task(exchange.wait(asyncio.Event().wait()))
    await asyncio.sleep(0)
    exchange.end()
    exchange.end()
    with pytest.raises(httpx2.ReadTimeout):
        await waiting
    with pytest.raises(httpx2.ReadTimeout):
        await exchange.wait(asyncio.Event().wait())


async def test_events_that_say_nothing_are_read_slowly() -> None:
    """Each would take its time of every call."""
    floods: list[Any] = []
    events = b":\n\n" * (limits.mcp.MESSAGES_BURST + 20)
    async with http_end() as end:
        end.answers["/"] = (200, {"content-type": "text/event-stream"}, events)
        transport = BoundedTransport(lambda: floods.append(1))
        async with httpx2.AsyncClient(verify=False, transport=transport) as client:
            assert (await client.post(end.url)).content == events
    assert floods == [1]


async def test_a_piece_of_more_lines_than_are_read_breaks_the_answer() -> None:
    """All of it would be read in one step."""
    for line_end in (b"\n", b"\r"):
        flood = b":" + line_end * 2 * limits.mcp.EVENT_LINES_MAX
        with pytest.raises(AnswerBroken):
            await answered(body=flood, content_type="text/event-stream")
