"""Requests to the address that was checked, and to no other."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from http_end import http_end

from gateway import limits
from gateway.errors import ToolError
from gateway.tools.pinned_http import HttpAnswer, PinnedHttp, is_public, text_of


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("::ffff:127.0.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("100.64.0.1", False),
        ("93.184.216.34", True),
        ("2606:4700::1111", True),
        ("64:ff9b::a9fe:a9fe", False),  # NAT64: 169.254.169.254
        ("64:ff9b::5db8:d822", True),
        ("2002:7f00:1::", False),  # 6to4: 127.0.0.1
        ("::127.0.0.1", False),
        ("::ffff:0:127.0.0.1", False),
        ("fec0::1", False),
    ],
)
def test_which_addresses_are_of_the_open_internet(address: str, public: bool) -> None:
    assert is_public(address) is public


async def test_an_answer_is_bounded_and_a_redirect_is_not_followed() -> None:
    async with http_end() as end:
        end.answers["/there"] = (302, {"location": "/elsewhere"}, b"")
        end.answers["/long"] = (200, {}, b"x" * 101)
        client = PinnedHttp(allow_private=True)

        async def ask(path: str) -> tuple[int, str, str]:
            url = httpx2.URL(end.url + path)
            answer = await client.ask("POST", url, httpx2.Headers(), b"{}", most_bytes=100)
            return answer.status, answer.location, text_of(answer)

        assert await ask("/") == (200, "", "fine")
        assert await ask("/there") == (302, "/elsewhere", "")
        with pytest.raises(ToolError) as error:
            await ask("/long")
        assert error.value.reason == "too_long"
        await client.close()
    assert [seen.raw_path for seen in end.seen] == ["/", "/there", "/long"]


@pytest.mark.parametrize(("kept_s", "connections"), [(0.0, 2), (60.0, 1)])
async def test_a_connection_is_kept_for_a_bounded_time(kept_s: float, connections: int) -> None:
    async with http_end() as end:
        client = PinnedHttp(allow_private=True, kept_s=kept_s)
        for _ in range(2):
            await client.ask("GET", httpx2.URL(end.url), httpx2.Headers(), None)
        await client.close()
    assert len({seen.port for seen in end.seen}) == connections


@pytest.mark.parametrize("charset", ["idna", "undefined", "punycode", "hex", "unicode_escape", "x"])
def test_what_claims_a_charset_that_is_none_of_the_web_is_read_as_utf8(charset: str) -> None:
    """`idna` and `undefined` raise whatever is asked of them, `punycode` is quadratic."""
    answer = HttpAnswer(200, "caf\u00e9 \\n".encode() + b"\xff", charset, "")
    assert text_of(answer) == "caf\u00e9 \\n\ufffd"


@pytest.mark.parametrize("charset", ["ISO-8859-1", "windows-1252", "utf-16", "GBK"])
def test_charsets_of_the_web_are_read(charset: str) -> None:
    known = HttpAnswer(200, "\u00e9".encode(charset), charset, "")
    assert text_of(known) == "\u00e9"


async def test_a_name_that_is_looked_up_for_ever_holds_up_nobody_else() -> None:
    """The loop's own threads are few, and look up the model's host for each call."""
    loop, answered = asyncio.get_running_loop(), threading.Event()
    own = ThreadPoolExecutor(1)
    loop.set_default_executor(own)

    def hangs(*_: Any, **__: Any) -> list[Any]:
        answered.wait()
        return []

    client = PinnedHttp(allow_private=True, resolve=hangs)
    url = httpx2.URL("http://crm.example.com/call")
    try:
        for _ in range(limits.tools.TOOL_THREADS_MAX):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await client.ask("POST", url, httpx2.Headers(), b"{}")
        with pytest.raises(ToolError, match="still busy"):
            await client.ask("POST", url, httpx2.Headers(), b"{}")
        assert await loop.run_in_executor(None, lambda: "free") == "free"
    finally:
        answered.set()
        await client.close()
        own.shutdown()


async def test_a_name_that_nobody_knows_is_one_sentence() -> None:
    def unknown(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    client = PinnedHttp(allow_private=True, resolve=unknown)
    with pytest.raises(ToolError, match="could not be found") as error:
        await client.ask("GET", httpx2.URL("http://nobody.example"), httpx2.Headers(), None)
    assert error.value.reason == "unknown_host"
    await client.close()
