"""Bodies of requests are bounded one by one and, for pictures, all together."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.types import Message

from gateway import limits
from gateway.imaging.upload_budget import UploadBudget
from gateway.web.http.problems import RequestRefused
from gateway.web.http.request_body import body_of


def request(*chunks: bytes) -> Request:
    """A request whose body comes in these pieces."""
    messages: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
    ]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    left = iter(messages)

    async def receive() -> Message:
        return next(left)

    return Request({"type": "http", "headers": []}, receive)


async def test_a_body_of_the_bound_is_read() -> None:
    assert await body_of(request(b"ab", b"cd"), 4) == b"abcd"


async def test_a_byte_more_is_refused_before_it_counts() -> None:
    budget = UploadBudget(lambda: None, 100)
    with budget.upload() as upload:
        with pytest.raises(RequestRefused) as caught:
            await body_of(request(b"ab", b"cde"), 4, upload.add)
        assert (caught.value.status, budget.held_bytes) == (413, 2)


async def test_uploads_that_are_held_open_leave_no_bytes_for_one_more() -> None:
    refusals: list[None] = []
    budget = UploadBudget(lambda: refusals.append(None))
    held = [budget.upload() for _ in range(4)]
    for upload in held:
        upload.__enter__().add(limits.images.IMAGE_BODY_MAX_BYTES)
    with budget.upload() as upload, pytest.raises(RequestRefused) as caught:
        await body_of(request(b"x"), limits.images.IMAGE_BODY_MAX_BYTES, upload.add)
    response = caught.value.response()
    assert response.status_code == 503
    assert response.headers["retry-after"] == str(limits.images.UPLOADS_RETRY_S)
    assert len(refusals) == 1
    held[0].__exit__(None, None, None)
    with budget.upload() as upload:
        assert await body_of(request(b"x"), 4, upload.add) == b"x"
