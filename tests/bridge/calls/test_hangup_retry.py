"""Hanging up a SIP leg until it is hung up: it would talk on, at our cost."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from call_doubles import CALL_ID, Orders
from structlog.testing import capture_logs

from gateway.bridge.calls.hangup_retry import hang_up_with_retries
from gateway.errors import LinkError


async def hung_up(*failures: Exception | None, first_pause_s: float) -> tuple[Orders, list[Any]]:
    calls = Orders(*failures)
    with capture_logs() as logs:
        await hang_up_with_retries(cast("Any", calls), CALL_ID, first_pause_s=first_pause_s)
    return calls, [line["again_s"] for line in logs if line["event"] == "sip_hangup_retrying"]


async def test_once_is_enough() -> None:
    calls, pauses = await hung_up(first_pause_s=60.0)
    assert calls.asked == [("hang_up", CALL_ID)]
    assert pauses == []


async def test_failures_are_tried_again_with_growing_pauses() -> None:
    failures = [LinkError("http_500", retryable=True)] * 4
    calls, pauses = await hung_up(*failures, first_pause_s=0.001)
    assert calls.asked == [("hang_up", CALL_ID)] * 5
    assert pauses == [0.001, 0.002, 0.004, 0.008]


async def test_the_vendor_is_left_alone_in_between() -> None:
    calls = Orders(LinkError("http_500", retryable=True), LinkError("http_500", retryable=True))
    trying = asyncio.create_task(
        hang_up_with_retries(cast("Any", calls), CALL_ID, first_pause_s=3600.0)
    )
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(calls.asked) == 1
    trying.cancel()
