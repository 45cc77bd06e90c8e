"""A stand-in web service: a table of handlers, served on loopback.

Nothing is written anywhere: what is booked or reported is forgotten when the process ends.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

Handler = Callable[[Mapping[str, str], Mapping[str, Any]], dict[str, Any] | None]
"""Path parameters, and the arguments of the query or body -> the answer; None: there is none."""


def service(handlers: Mapping[str, Handler]) -> Starlette:
    """Return the application; keys are like `GET /tables/{table}`."""
    return Starlette(routes=[_route(asked, handler) for asked, handler in handlers.items()])


def _route(asked: str, handler: Handler) -> Route:
    method, _, path = asked.partition(" ")

    async def answer(request: Request) -> JSONResponse:
        given = dict(request.query_params) if method == "GET" else await request.json()
        found = handler(request.path_params, given)
        if found is None:
            return JSONResponse({"error": "not found"}, 404)
        return JSONResponse(found)

    return Route(path, answer, methods=[method])


def serve(app: Starlette, port: int) -> None:
    """Serve on loopback, at the port of the example or the one of `--port`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=port)
    chosen = parser.parse_args().port
    uvicorn.run(app, host="127.0.0.1", port=chosen, log_level="warning", lifespan="off")
