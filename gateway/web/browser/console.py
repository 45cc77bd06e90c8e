"""`/console`: the operators' page, made of a few files without a build step."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

_FILES: Final = {
    "/console": ("text/html", "console.html"),
    "/console/console.css": ("text/css", "colours.css", "console.css"),
    "/console/console.js": ("text/javascript", "console.js"),
    "/console/deliveries.js": ("text/javascript", "deliveries.js"),
    "/console/filters.js": ("text/javascript", "filters.js"),
    "/console/recording.js": ("text/javascript", "recording.js"),
}
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src data:; media-src blob:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def console_routes() -> list[BaseRoute]:
    """Return the page's routes; they need no token, which the page asks for itself."""
    return page_routes(_FILES)


def page_routes(
    files: Mapping[str, tuple[str, ...]], headers: Mapping[str, str] | None = None
) -> list[BaseRoute]:
    """Return routes of files by path: a media type, and the files that are concatenated."""
    page, headers = resources.files("gateway.web.browser") / "page", HEADERS | dict(headers or {})
    return [
        _file(path, b"".join((page / name).read_bytes() for name in names), media_type, headers)
        for path, (media_type, *names) in files.items()
    ]


def _file(path: str, content: bytes, media_type: str, headers: Mapping[str, str]) -> Route:
    async def endpoint(_request: Request) -> Response:
        return Response(content, media_type=media_type, headers=headers)

    return Route(path, endpoint)
