"""Starlette, with a shortcut past its middlewares and routing for the busiest endpoints.

Both take as long as everything else that is done for a webhook, and hundreds may come at once.
Anything unusual, such as another method, takes the ordinary way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

PostEndpoint = Callable[[Request], Awaitable[Response]]


class GatewayApp(Starlette):
    """The gateway's ASGI application."""

    def __init__(self, shortcuts: Mapping[str, PostEndpoint], **others: Any) -> None:
        """`shortcuts` are endpoints for POST by path; each must be among the routes too.

        What a shortcut raises is answered by the server, and not by `exception_handlers`.
        """
        super().__init__(**others)
        # Starlette would redirect to the address in the Host header, which anybody can forge.
        self.router.redirect_slashes = False
        self._shortcuts = shortcuts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._shortcuts.get(scope.get("path", ""))
        if endpoint is None or scope.get("method") != "POST":
            return await super().__call__(scope, receive, send)
        response = await endpoint(Request(scope, receive))
        return await response(scope, receive, send)
