"""Two hundred SIP calls at once: how soon each webhook is answered while other calls run."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast
from urllib.parse import urlsplit

from bench.load_generator import LoadGenerator
from bench.measures import Spread, percentile, spread
from bench.process import Usage
from bench.sound import TIMED
from gateway.errors import ServiceUnreachable
from gateway.simulator.openai.sip.signing import signed_headers

WEBHOOKS: Final = 200
RUNNING_CALLS: Final = 20
_PATH: Final = "/openai/webhook"
_ALL_WITHIN_S: Final = 10.0
_CALM_S: Final = 2.0
_MEASURED_S: Final = TIMED.cycle_s
_LOOK_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class SipBurst:
    """Two waves: every call's webhook, and every one of them again, as after a lost answer."""

    webhooks: int
    running_calls: int
    answered_ms: Spread
    again_ms: Spread
    accepted: int
    accepted_twice: int
    decided_ms: float
    """From the first webhook to the last accept."""
    up_p99_ms: float
    """Of the running calls' frames meanwhile."""
    lost: int
    sip_cpu_percent: float
    """Of one core, for each SIP call that talks."""
    sip_rss_mb: float
    """For each of them."""


async def sip_burst(generator: LoadGenerator, url: str, secret: str, usage: Usage) -> SipBurst:
    """Raises ServiceUnreachable where an answer is missing or is not 200."""
    await generator.grow(RUNNING_CALLS)
    await asyncio.sleep(_CALM_S)
    few_mb, few_cpu = usage.rss_mb(), await _cpu(usage)
    requests = [_request(url, secret, number) for number in range(WEBHOOKS)]
    generator.take()
    began_s = time.monotonic()
    answered = await _wave(url, requests)
    decided_ms = await _decided(generator.decided, began_s)
    again = await _wave(url, requests)
    await asyncio.sleep(_CALM_S)
    up_p99_ms = percentile(generator.take().up_ms, 0.99)
    accepts = [count for (_, what), count in generator.decided.items() if what == "accept"]
    return SipBurst(
        webhooks=WEBHOOKS,
        running_calls=RUNNING_CALLS,
        answered_ms=spread([answered]),
        again_ms=spread([again]),
        accepted=len(accepts),
        accepted_twice=sum(count > 1 for count in accepts),
        decided_ms=decided_ms,
        up_p99_ms=up_p99_ms,
        lost=generator.lost,
        sip_cpu_percent=100 * (await _cpu(usage) - few_cpu) / WEBHOOKS,
        sip_rss_mb=(usage.rss_mb() - few_mb) / WEBHOOKS,
    )


async def _cpu(usage: Usage) -> float:
    """The share of its core that the gateway takes."""
    cpu_s, began_s = usage.cpu_s(), time.monotonic()
    await asyncio.sleep(_MEASURED_S)
    return (usage.cpu_s() - cpu_s) / (time.monotonic() - began_s)


async def _decided(decided: Counter[tuple[str, str]], began_s: float) -> float:
    """Milliseconds until the last is decided, or until it is waited for no more."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_ALL_WITHIN_S):
            while len(decided) < WEBHOOKS:  # noqa: ASYNC110 - in steps that disturb nobody
                await asyncio.sleep(_LOOK_S)
    return 1000 * (time.monotonic() - began_s)


async def _wave(url: str, requests: list[bytes]) -> list[float]:
    """All of them at once, each on a connection of its own; milliseconds to each answer."""
    where, loop = urlsplit(url), asyncio.get_running_loop()
    posts = [_Post(loop.create_future()) for _ in requests]
    for post in posts:
        await loop.create_connection(partial(_itself, post), where.hostname or "", where.port or 80)
    for post, request in zip(posts, requests, strict=True):
        post.send(request)
    try:
        async with asyncio.timeout(_ALL_WITHIN_S):
            return [1000 * await post.answered for post in posts]
    except TimeoutError as error:
        raise ServiceUnreachable("A webhook got no answer: see the gateway's log.") from error


def _itself(post: _Post) -> _Post:
    return post


class _Post(asyncio.Protocol):
    """One request, and the time to the status of its answer."""

    def __init__(self, answered: asyncio.Future[float]) -> None:
        self.answered = answered
        self._transport: asyncio.Transport | None = None
        self._sent_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes) -> None:
        self._sent_s = time.monotonic()
        if self._transport is not None:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        seconds = time.monotonic() - self._sent_s
        if self.answered.done():
            return
        if data.startswith(b"HTTP/1.1 200 "):
            self.answered.set_result(seconds)
        else:
            status = data[9:12].decode("ascii", "replace")
            self.answered.set_exception(ServiceUnreachable(f"A webhook was answered {status}."))
        if self._transport is not None:
            self._transport.close()


def _request(url: str, secret: str, number: int) -> bytes:
    now = int(time.time())
    body = json.dumps(_event(number, now)).encode()
    headers = {
        "host": urlsplit(url).netloc,
        "content-type": "application/json",
        "content-length": str(len(body)),
        **signed_headers([secret], f"wh_{number:032x}", now, body),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {_PATH} HTTP/1.1\r\n{head}\r\n".encode() + body


def _event(number: int, now: int) -> dict[str, Any]:
    """As in the guide "Telephony and SIP"."""
    headers = {"From": f"sip:+1555{number:07}@sip.example.com", "To": "sip:+15550100@example.com"}
    return {
        "object": "event",
        "id": f"evt_{number:032x}",
        "type": "realtime.call.incoming",
        "created_at": now,
        "data": {
            "call_id": f"rtc_u1_{number:032x}",
            "sip_headers": [{"name": name, "value": value} for name, value in headers.items()],
            "sip_media_security": "srtp",
        },
    }
