"""Web services for an agent's functions, on loopback: slow or failing as the scenario says."""

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

from gateway.simulator.scenario.parties import Answer
from gateway.simulator.twilio.rest_api import listening

PLACEHOLDER: Final = "${services}"
"""Placeholder in an agents file for their address, `http://127.0.0.1:PORT`."""
METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class HttpServices:
    """Responses by path, and the number of requests to each."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self._answers = answers
        self.requests: Counter[str] = Counter()

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self._answer, methods=METHODS)])

    async def _answer(self, request: Request) -> Response:
        path = request.url.path
        self.requests[path] += 1
        answer = self._answers.get(path)
        if answer is None:
            return JSONResponse({"error": "not found"}, 404)
        await asyncio.sleep(answer.delay_ms / 1000)
        return JSONResponse(answer.json_, answer.status)

    def failures(self, wanted: Mapping[str, int]) -> list[str]:
        """Return a sentence for each path that was not requested as often as expected."""
        return [
            f"the service {path} was asked {self.requests[path]} times, expected {times}"
            for path, times in wanted.items()
            if self.requests[path] != times
        ]


@contextlib.asynccontextmanager
async def serving(services: HttpServices) -> AsyncIterator[str]:
    """Serve them and yield their address."""
    async with listening(services.app(), 0) as url:
        yield url


def with_addresses(content: Any, addresses: Mapping[str, str]) -> Any:
    """Return the content with every placeholder, like `${services}`, replaced."""
    if isinstance(content, dict):
        return {key: with_addresses(value, addresses) for key, value in content.items()}
    if isinstance(content, list):
        return [with_addresses(value, addresses) for value in content]
    if isinstance(content, str):
        for placeholder, address in addresses.items():
            content = content.replace(placeholder, address)
    return content
