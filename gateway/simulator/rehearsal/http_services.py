"""Web services that an agent's functions ask, on loopback: slow, broken or well, as a file says."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.simulator.scenario.schema import Answer
from gateway.simulator.twilio.rest_api import listening

PLACEHOLDER: Final = "${services}"
"""Stands in an agents file for where they are: `http://127.0.0.1:PORT`."""
METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class HttpServices:
    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self._answers = answers
        self.asked: Counter[str] = Counter()
        """How often each path was."""

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self._answer, methods=METHODS)])

    async def _answer(self, request: Request) -> Response:
        path = request.url.path
        self.asked[path] += 1
        answer = self._answers.get(path)
        if answer is None:
            return JSONResponse({"error": "no such thing"}, 404)
        await asyncio.sleep(answer.delay_ms / 1000)
        return JSONResponse(answer.json_, answer.status)

    def failures(self, wanted: Mapping[str, int]) -> list[str]:
        """Of what was expected to be asked."""
        return [
            f"the service {path} was asked {self.asked[path]} times, expected {times}"
            for path, times in wanted.items()
            if self.asked[path] != times
        ]


@contextlib.asynccontextmanager
async def serving(services: HttpServices) -> AsyncIterator[str]:
    """Where they are, as long as they are needed."""
    async with listening(services.app(), 0) as url:
        yield url


def placed(content: Any, places: Mapping[str, str]) -> Any:
    """The same with each placeholder, like `${services}`, filled in wherever it stands."""
    if isinstance(content, dict):
        return {key: placed(value, places) for key, value in content.items()}
    if isinstance(content, list):
        return [placed(value, places) for value in content]
    if isinstance(content, str):
        for placeholder, place in places.items():
            content = content.replace(placeholder, place)
    return content
