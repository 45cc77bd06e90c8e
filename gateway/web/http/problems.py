"""Errors of the operators' API as problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

import msgspec
from msgspec import UNSET, Struct, UnsetType
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

CONTENT_TYPE: Final = "application/problem+json"


class ProblemPart(Struct, omit_defaults=True):
    """One thing that is wrong, where several are."""

    problem: str
    line: int | None = None
    """Line of the file."""
    key: str | None = None
    """Key at that place, with dots."""


class Problem(Struct):
    """Problem details; with the type `about:blank` the status is the kind of problem."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    errors: list[ProblemPart] | UnsetType = UNSET
    """Each thing that is wrong, where several are."""


class RequestRefused(Exception):
    """Request that is answered with a problem; `detail` is one sentence saying what to do."""

    def __init__(
        self,
        status: int,
        detail: str,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[ProblemPart] = (),
    ) -> None:
        self.status, self.detail, self.headers = status, detail, dict(headers or {})
        self.errors = list(errors)
        super().__init__(detail)

    def response(self) -> Response:
        problem = Problem(HTTPStatus(self.status).phrase, self.status, self.detail)
        if self.errors:
            problem.errors = self.errors
        return Response(
            msgspec.json.encode(problem), self.status, self.headers, media_type=CONTENT_TYPE
        )


async def answer(request: Request, error: Exception) -> Response:
    """Answer what the router refuses: an unknown path, or a method that it does not have."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this type only
    if not request.url.path.startswith("/api/"):
        return PlainTextResponse(error.detail, error.status_code, error.headers)
    detail = {404: "There is nothing at this address.", 405: "Not with this method; see Allow."}
    sentence = detail.get(error.status_code, error.detail)
    return RequestRefused(error.status_code, sentence, error.headers).response()
