"""Where Twilio keeps what was sent by message: a host that wants a password, and one behind it."""

from __future__ import annotations

import asyncio
import contextlib
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.simulator.twilio.rest_api import listening

Answer = Callable[[Request], Awaitable[Response]]
_numbers = count(1)


@dataclass
class MediaStore:
    """Also takes texts, and keeps them."""

    account: str
    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    """By path."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Paths, and the credentials that came with them."""
    texts: list[dict[str, str]] = field(default_factory=list)
    refuses_texts: int | None = None
    """A code of Twilio's."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def keeps(self, content: bytes | Answer, status: int = 200) -> str:
        """The address of a medium with this content."""
        n = next(_numbers)
        path = f"/2010-04-01/Accounts/{self.account}/Messages/MM{n:032x}/Media/ME{n:032x}"
        self.answers[path] = content if callable(content) else _always(content, status)
        return self.url + path

    def has(self, path: str, content: bytes | Answer) -> str:
        """The same at any path."""
        self.answers[path] = content if callable(content) else _always(content, 200)
        return self.url + path

    async def endpoint(self, request: Request) -> Response:
        scheme, _, coded = request.headers.get("authorization", "").partition(" ")
        self.asked.append((request.url.path, b64decode(coded).decode() if scheme else ""))
        if request.method == "POST":
            return await self._text(request)
        answer = self.answers.get(request.url.path)
        return Response(status_code=404) if answer is None else await answer(request)

    async def _text(self, request: Request) -> Response:
        if self.refuses_texts is not None:
            return Response(f'{{"code": {self.refuses_texts}, "status": 400}}', 400)
        async with request.form() as form:
            self.texts.append({name: str(value) for name, value in form.items()})
        self._news.set()
        return Response('{"sid": "SM1"}', 201)

    async def text(self, nth: int = 1) -> dict[str, str]:
        async with asyncio.timeout(30):
            while len(self.texts) < nth:
                self._news.clear()
                await self._news.wait()
        return self.texts[nth - 1]


def _always(content: bytes, status: int) -> Answer:
    async def answer(_request: Request) -> Response:
        return Response(content, status)

    return answer


@contextlib.asynccontextmanager
async def media_store(account: str) -> AsyncIterator[MediaStore]:
    store = MediaStore(account)
    app = Starlette(routes=[Route("/{path:path}", store.endpoint, methods=["GET", "POST"])])
    async with listening(app, 0) as url:
        store.url = url
        yield store
