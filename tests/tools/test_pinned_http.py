"""Requests to the operator's addresses: the one that was checked is the one that is asked."""

from __future__ import annotations

import httpx2
import pytest
from http_end import http_end

from gateway.errors import ToolError
from gateway.tools.pinned_http import PinnedHttp, text_of


async def test_a_private_address_is_asked_only_where_that_is_allowed() -> None:
    async with http_end() as end:
        for allowed in (True, False):
            client = PinnedHttp(allow_private=allowed)
            asked = client.ask("POST", httpx2.URL(end.url), httpx2.Headers(), b"{}")
            if allowed:
                assert text_of(await asked) == "fine"
            else:
                with pytest.raises(ToolError) as refused:
                    await asked
                assert refused.value.reason == "private_address"
            await client.close()
    assert len(end.seen) == 1


async def test_an_answer_is_bounded() -> None:
    async with http_end() as end:
        end.answers["/"] = (200, {}, b"x" * 100)
        client = PinnedHttp(allow_private=True)
        with pytest.raises(ToolError) as refused:
            await client.ask("GET", httpx2.URL(end.url), httpx2.Headers(), None, most_bytes=50)
        assert refused.value.reason == "too_long"
        await client.close()
