"""Answers of MCP servers that are too large to be decoded."""

from __future__ import annotations

import asyncio
import codecs
import sys

import pytest
from mcp_process import raw_end

from gateway import limits
from gateway.agents.config.mcp import McpServer
from gateway.tools.mcp_bounds import LINES, AnswerSize, LineTooLong, MessagePace
from gateway.tools.mcp_connection import StderrTail, connected

PARTS = limits.mcp.RESPONSE_PARTS_MAX
ENDLESS = """
import sys
while True:
    sys.stdout.write("x" * 65536)
"""
FLOOD = """
while True:
    print('{"jsonrpc": "2.0", "method": "notifications/message"}')
"""


def decoded(*chunks: bytes) -> str:
    decoder = codecs.getincrementaldecoder(LINES)()
    return "".join(decoder.decode(chunk) for chunk in chunks)


def test_lines_are_utf_8_wherever_they_are_cut() -> None:
    text = '{"a": "\u00e9"}\n{"b": "\u4f60"}\n'
    whole = text.encode()
    assert decoded(*(whole[at : at + 1] for at in range(len(whole)))) == text
    assert text.encode(LINES) == whole


def test_a_line_has_a_bound_and_many_lines_have_none() -> None:
    line = b"x" * (limits.mcp.RESPONSE_MAX_BYTES // 2) + b"\n"
    assert len(decoded(line, line, line, line + line)) == 5 * len(line)
    with pytest.raises(LineTooLong):
        decoded(line[:-1], line[:-1], b"xx")


def test_a_line_of_too_many_parts_is_refused() -> None:
    assert decoded(b"{" * PARTS, b"\n", b"," * PARTS)
    with pytest.raises(LineTooLong):
        decoded(b"{" * PARTS, b",")


def test_an_answer_is_counted_from_its_beginning() -> None:
    size = AnswerSize()
    assert size.add(b"," * PARTS)
    assert not size.add(b",")
    size.restart()
    assert size.add(b",")


async def test_a_process_that_writes_without_a_line_end_is_given_up() -> None:
    server = McpServer(via="gateway", command=[sys.executable, "-c", ENDLESS])
    with pytest.raises(LineTooLong):
        async with connected(server, {}, StderrTail({})) as wire:
            await wire.tools()


async def test_a_list_of_many_tools_is_read() -> None:
    schema = {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(10)}}
    tools = [{"name": f"t{n}", "inputSchema": schema} for n in range(128)]
    server = McpServer(via="gateway", command=raw_end(tools=tools))
    async with connected(server, {}, StderrTail({})) as wire:
        assert len((await wire.tools()).tools) == 128


async def test_who_sends_too_fast_waits_and_is_named_once() -> None:
    floods: list[bool] = []
    pace = MessagePace(lambda: floods.append(True))
    await pace.passed(limits.mcp.MESSAGES_BURST)
    assert floods == []
    began_at = asyncio.get_running_loop().time()
    await pace.passed(20)
    await pace.passed(20)
    assert floods == [True]
    waited_s = asyncio.get_running_loop().time() - began_at
    assert waited_s >= 20 / limits.mcp.MESSAGES_PER_S


async def test_a_process_that_floods_is_read_slowly() -> None:
    flooded = asyncio.Event()
    server = McpServer(via="gateway", command=[sys.executable, "-c", FLOOD])

    async def connect() -> None:
        async with connected(server, {}, StderrTail({}), flooded.set):
            pass

    connecting = asyncio.create_task(connect())
    await flooded.wait()
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)
