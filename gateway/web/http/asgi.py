"""Starlette, with a way around it for the doors at which crowds come.

Its middlewares and its routing take as long as all else that is done for a webhook, and two
hundred of them come in one moment. Anything unusual, another method say, goes the whole way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

Door = Callable[[Request], Awaitable[Response]]


class GatewayApp(Starlette):
    """`crowded` are doors for POST, by their paths; each must stand in the routes too.

    What such a door raises is answered by the server, and not by `exception_handlers`.
    """

    def __init__(self, crowded: Mapping[str, Door], **others: Any) -> None:
        super().__init__(**others)
        self._crowded = crowded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._crowded.get(scope.get("path", ""))
        if endpoint is None or scope.get("method") != "POST":
            return await super().__call__(scope, receive, send)
        response = await endpoint(Request(scope, receive))
        return await response(scope, receive, send)
