"""Uploads from a call's page, step by step: bounds, one at a time, and what is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from gateway import limits
from gateway.bridge.messaging.picture_links import PictureLink
from gateway.errors import PeerError
from gateway.imaging.upload_budget import UploadBudget
from gateway.web.browser.photo import PhotoEndpoint

OURS, OVER, GUESSED = "o" * 16, "e" * 16, "g" * 16
PHOTO_MAX, FRAME_MAX = limits.images.IMAGE_BODY_MAX_BYTES, limits.images.CAMERA_FRAME_MAX_BYTES


class Page:
    """The page of one running call, of one that is over, and of none."""

    def __init__(self, budget_bytes: int = limits.images.UPLOADS_MAX_BYTES) -> None:
        self.now_s = 0.0
        self.shown: list[tuple[str, int]] = []
        self.refused: list[tuple[str, str]] = []
        self.answer: bool | PeerError = True
        call: Any = SimpleNamespace(facts=SimpleNamespace(key="CA1"), key="CA1")
        self._links = {OURS: PictureLink("en", call), OVER: PictureLink("fr", None)}
        links: Any = SimpleNamespace(is_ours=lambda token: token != GUESSED, find=self._find)
        self.full = 0
        self.budget = UploadBudget(self._is_full, budget_bytes)
        pictures: Any = SimpleNamespace(
            photo=self._to("photo"),
            frame=self._to("frame"),
            uploads=self.budget,
            refused=lambda *what: self.refused.append(what),
        )
        endpoint = PhotoEndpoint(links, pictures, lambda: self.now_s)
        app = Starlette(
            routes=[
                Route("/photo/{token}", endpoint.take, methods=["POST"]),
                Route("/photo/{token}", endpoint.page),
            ]
        )
        transport = httpx2.ASGITransport(app)
        self.client = httpx2.AsyncClient(transport=transport, base_url="http://gateway")

    def _is_full(self) -> None:
        self.full += 1

    async def _find(self, token: str) -> PictureLink | None:
        return self._links.get(token)

    def _to(self, kind: str) -> Any:
        async def show(_call: object, body: bytes) -> bool:
            self.shown.append((kind, len(body)))
            if isinstance(self.answer, PeerError):
                raise self.answer
            return self.answer

        return show

    async def send(
        self,
        content: bytes | AsyncIterator[bytes] = b"1",
        *,
        camera: bool = False,
        token: str = OURS,
        kind: str = "image/jpeg",
    ) -> tuple[int, str, str | None]:
        query = "?camera=1" if camera else ""
        response = await self.client.post(
            f"/photo/{token}{query}", content=content, headers={"Content-Type": kind}
        )
        return (
            response.status_code,
            response.json()["outcome"],
            response.headers.get("retry-after"),
        )


TAKEN = (202, "taken", None)


@pytest.mark.parametrize(
    ("camera", "most", "kind"), [(False, PHOTO_MAX, "photo"), (True, FRAME_MAX, "frame")]
)
async def test_a_photo_may_be_larger_than_a_frame(camera: bool, most: int, kind: str) -> None:
    page, source = Page(), "camera" if camera else "page"
    assert await page.send(b"\0" * most, camera=camera) == TAKEN
    assert page.shown == [(kind, most)]
    assert await page.send(b"\0" * (most + 1), camera=camera) == (413, "too_large", None)
    assert page.refused == [(source, "too_large")]
    assert page.budget.held_bytes == 0


@pytest.mark.parametrize(
    ("camera", "burst", "per_s"),
    [
        (False, limits.images.PHOTOS_BURST, limits.images.PHOTOS_PER_S),
        (True, limits.images.CAMERA_BURST, limits.images.CAMERA_PER_S),
    ],
)
async def test_some_may_come_at_once_and_more_after_a_while(
    camera: bool, burst: int, per_s: float
) -> None:
    page = Page()
    assert [await page.send(camera=camera) for _ in range(burst)] == [TAKEN] * burst
    status, outcome, retry = await page.send(camera=camera)
    assert (status, outcome) == (429, "too_often")
    assert retry == ("2" if per_s < 1 else "1")
    page.now_s += 1 / per_s
    assert [await page.send(camera=camera) for _ in "ab"] == [TAKEN, (429, "too_often", retry)]
    assert await page.send(camera=not camera) == TAKEN, "each has an allowance of its own"


async def test_while_one_comes_another_must_wait() -> None:
    page, begun, let_go = Page(), asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"1"
        begun.set()
        await let_go.wait()
        yield b"2"

    sending = asyncio.create_task(page.send(slow()))
    await begun.wait()
    assert await page.send(camera=True) == (429, "too_often", "1")
    assert page.refused == [("camera", "too_often")]
    let_go.set()
    assert await sending == TAKEN
    assert await page.send(camera=True) == TAKEN, "and then it need not"
    assert page.shown == [("photo", 2), ("frame", 1)]


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        ("too_many", (403, "too_many", None)),
        ("too_many_pixels", (413, "too_many_pixels", None)),
        ("overloaded", (503, "overloaded", str(limits.images.UPLOADS_RETRY_S))),
        ("heic", (422, "heic", None)),
    ],
)
async def test_what_cannot_be_shown(error: str, answer: tuple[int, str, str | None]) -> None:
    page = Page()
    page.answer = PeerError(error)
    assert await page.send() == answer
    assert page.refused == [], "it is counted where it was decoded"
    page.answer = True
    assert await page.send() == TAKEN


async def test_a_call_that_ends_meanwhile_shows_nothing() -> None:
    page = Page()
    page.answer = False
    assert await page.send() == (410, "over", None)


async def test_too_many_bytes_at_once_are_refused_for_a_while() -> None:
    page = Page(budget_bytes=10)
    retry = str(limits.images.UPLOADS_RETRY_S)
    assert await page.send(b"\0" * 11) == (503, "overloaded", retry)
    assert (page.full, page.refused) == (1, [("page", "overloaded")])
    assert await page.send(b"\0" * 10) == TAKEN
    assert page.budget.held_bytes == 0


@pytest.mark.parametrize("kind", ["image/jpeg", "image/png", "IMAGE/WEBP; q=1"])
async def test_kinds_of_pictures(kind: str) -> None:
    assert await Page().send(kind=kind) == TAKEN


@pytest.mark.parametrize("kind", ["image/gif", "text/html", ""])
async def test_kinds_that_are_no_pictures(kind: str) -> None:
    page = Page()
    assert await page.send(kind=kind) == (415, "not_an_image", None)
    assert (page.refused, page.shown) == ([("page", "not_an_image")], [])


async def test_a_link_of_another_time_takes_nothing() -> None:
    page = Page()
    assert await page.send(token=OVER) == (410, "over", None)
    assert await page.send(token="n" * 16) == (404, "over", None)
    seen = [(await page.client.get(f"/photo/{one}")).status_code for one in (OURS, OVER, "n" * 16)]
    assert seen == [200, 410, 404]


@pytest.mark.parametrize(
    ("wanted", "language"),
    [
        ("fr", "fr"),
        ("fr-CA,en", "fr"),
        ("fr,en;q=0.8", "fr"),
        ("fr;q=1", "fr"),
        ("xx", "en"),
        ("", "en"),
    ],
)
async def test_an_unknown_link_is_answered_in_the_browsers_language(
    wanted: str, language: str
) -> None:
    headers = {"Accept-Language": wanted}
    answer = await Page().client.get(f"/photo/{'n' * 16}", headers=headers)
    assert f'<html lang="{language}"' in answer.text


async def test_guesses_are_slow_and_known_links_are_not() -> None:
    page, burst = Page(), limits.images.PHOTO_LOOKS_BURST
    for nth in range(burst):
        answer = await (page.client.get if nth % 2 else page.client.post)(f"/photo/{GUESSED}")
        assert answer.status_code == 404
    assert await page.send(token=GUESSED) == (429, "too_often", "1")
    assert (await page.client.get(f"/photo/{GUESSED}")).status_code == 429
    assert await page.send() == TAKEN
    page.now_s += 1 / limits.images.PHOTO_LOOKS_PER_S
    assert [(await page.send(token=GUESSED))[0] for _ in "ab"] == [404, 429]
