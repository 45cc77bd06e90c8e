"""Refusals as `application/problem+json`, and what the router refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from gateway.web.http.problems import CONTENT_TYPE, ProblemPart, RequestRefused, answer


def request(path: str) -> Request:
    return Request({"type": "http", "path": path, "headers": [], "query_string": b""})


def test_a_refusal_says_what_to_do() -> None:
    response = RequestRefused(429, "Slow down.", {"Retry-After": "3"}).response()
    assert (response.status_code, response.headers["retry-after"]) == (429, "3")
    assert response.headers["content-type"] == CONTENT_TYPE
    assert json.loads(bytes(response.body)) == {
        "title": "Too Many Requests",
        "status": 429,
        "detail": "Slow down.",
        "type": "about:blank",
    }


def test_where_several_things_are_wrong_each_is_said() -> None:
    parts = [ProblemPart("no such key", 3, "agents"), ProblemPart("not a number")]
    body = json.loads(bytes(RequestRefused(422, "Correct these.", errors=parts).response().body))
    assert body["errors"] == [
        {"problem": "no such key", "line": 3, "key": "agents"},
        {"problem": "not a number"},
    ]


@pytest.mark.parametrize(
    ("status", "detail"),
    [
        (404, "There is nothing at this address."),
        (405, "Not with this method; see Allow."),
        (413, "Too long."),
    ],
)
async def test_what_the_router_refuses_is_a_problem_in_the_api(status: int, detail: str) -> None:
    error = HTTPException(status, "Too long.", {"Allow": "GET"})
    response = await answer(request("/api/calls"), error)
    body: dict[str, Any] = json.loads(bytes(response.body))
    assert (response.status_code, body["status"], body["detail"]) == (status, status, detail)
    assert response.headers["allow"] == "GET"


async def test_and_a_plain_text_elsewhere() -> None:
    response = await answer(request("/photo"), HTTPException(405, "No.", {"Allow": "GET"}))
    assert (response.status_code, bytes(response.body)) == (405, b"No.")
    assert response.headers["allow"] == "GET"
    assert response.headers["content-type"].startswith("text/plain")
