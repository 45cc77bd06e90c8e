"""Twilio's REST API as bytes: what is asked of it, and whatever answer a test wants."""

from __future__ import annotations

import asyncio
import contextlib
import json
from base64 import b64decode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from far_end import FarEnd, far_end
from gateway_calls import new_sid


@dataclass
class RestDesk:
    """`answers` are given in order, the last one from then on: (status, Twilio's code)."""

    answers: list[tuple[int, int | None]] = field(default_factory=lambda: [(200, None)])
    url: str = ""
    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    """Method and path, and the form."""
    placed: list[str] = field(default_factory=list)
    """CallSids of calls that were placed here."""
    looked_up: str = "ringing"
    """The status of every call, to whoever looks it up."""
    hold: asyncio.Event | None = None
    """Nothing is answered before it is set."""
    credentials: set[str] = field(default_factory=set)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, end: FarEnd) -> None:
        await end.request()
        form = parse_qs((await end.body()).decode())
        self.credentials.add(b64decode(end.headers["authorization"].split()[1]).decode())
        self.asked.append((end.request_line.removesuffix(" HTTP/1.1"), form))
        self._news.set()
        if self.hold is not None:
            await self.hold.wait()
        status, code = self.answers[min(len(self.asked), len(self.answers)) - 1]
        body: dict[str, object] = {"code": code, "status": status}
        if end.request_line.startswith("POST") and "/Calls.json" in end.request_line:
            if status < 300:
                self.placed.append(new_sid("CA"))
                self._news.set()
                body = {"sid": self.placed[-1], "status": "queued"}
        elif end.request_line.startswith("GET"):
            sid = end.request_line.split("/Calls/")[1].partition(".")[0]
            body = {"sid": sid, "status": self.looked_up}
        end.respond(status, json.dumps(body).encode())
        await end.gone()

    def of(self, order: str) -> list[dict[str, list[str]]]:
        """The forms of what was asked by this method, of paths with this end."""
        method, _, end = order.partition(" ")
        found = [(asked.split(" "), form) for asked, form in self.asked]
        return [form for (verb, path), form in found if verb == method and path.endswith(end)]

    async def hears_of(self, order: str) -> dict[str, list[str]]:
        async with asyncio.timeout(30):
            while not (found := self.of(order)):
                self._news.clear()
                await self._news.wait()
        return found[-1]

    async def places(self) -> str:
        """The CallSid of the first call that was placed here."""
        async with asyncio.timeout(30):
            while not self.placed:
                self._news.clear()
                await self._news.wait()
        return self.placed[0]

    def forget(self, *answers: tuple[int, int | None]) -> None:
        """From now on it answers so."""
        self.answers = list(answers) or [(200, None)]
        self.asked.clear()
        self.placed.clear()
        self.hold = None

    async def hears(self, count: int = 1) -> list[tuple[str, dict[str, list[str]]]]:
        async with asyncio.timeout(30):
            while len(self.asked) < count:
                self._news.clear()
                await self._news.wait()
        return self.asked


@contextlib.asynccontextmanager
async def rest_desk(*answers: tuple[int, int | None]) -> AsyncIterator[RestDesk]:
    desk = RestDesk(list(answers)) if answers else RestDesk()
    async with far_end(desk.answer) as url:
        desk.url = url.replace("ws:", "http:")
        yield desk
