"""`/photo/{token}`: a page on which a caller sends photos and camera frames to their agent.

One document without further requests, in the agent's language. Opening it uses nothing up: many
telephones fetch a link for its preview before the person opens it.
"""

from __future__ import annotations

import html
import json
import math
from base64 import b64encode
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from hashlib import sha256
from importlib import resources
from string import Template
from time import monotonic
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from gateway import limits
from gateway.agents.texts.written import WrittenTexts, written_texts
from gateway.bridge.messaging.lru import LruMap
from gateway.bridge.messaging.picture_links import PictureLinks
from gateway.bridge.messaging.pictures import PAGE, Pictures, PictureTarget, key_of
from gateway.call.dialogue.image_input import CAMERA
from gateway.errors import PeerError
from gateway.ops.limits.token_bucket import TokenBucket
from gateway.web.http.problems import RequestRefused
from gateway.web.http.request_body import body_of, media_type

_TYPES: Final = frozenset({"image/jpeg", "image/png", "image/webp"})
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}
_SCRIPT_TEXTS: Final = (
    "show", "showing", "sending", "sent", "camera_on", "camera_off", "no_camera", "not_a_picture",
    "too_large", "too_often", "busy", "enough", "failed", "over_title", "over",
)  # fmt: skip


class CameraSession:
    """Remaining uploads of one call's page, and whether one is running."""

    def __init__(self, clock: Callable[[], float]) -> None:
        bounds = limits.images
        self.photos = TokenBucket(bounds.PHOTOS_BURST, bounds.PHOTOS_PER_S, clock)
        self.frames = TokenBucket(bounds.CAMERA_BURST, bounds.CAMERA_PER_S, clock)
        self.busy = False


class PhotoEndpoint:
    """The page, and what is uploaded from it."""

    def __init__(
        self, links: PictureLinks, photos: Pictures, clock: Callable[[], float] = monotonic
    ) -> None:
        """`clock` is monotonic, in seconds; it refills the limits on looks and uploads."""
        self._links, self._photos = links, photos
        looks, per_s = limits.images.PHOTO_LOOKS_BURST, limits.images.PHOTO_LOOKS_PER_S
        self._looks = TokenBucket(looks, per_s, clock)
        self._showings = LruMap(partial(CameraSession, clock))
        self._page, self._over = _Page("photo.html"), _Page("photo-over.html")

    async def page(self, request: Request) -> Response:
        """`GET /photo/{token}`: the page."""
        token = request.path_params["token"]
        if wait_s := self._must_wait(token):
            return _answer(429, "too_often", wait_s)
        link = await self._links.find(token)
        if link is None:
            return self._over.rendered(_preferred(request), 404)
        words = written_texts(link.language)
        if link.call is None:
            return self._over.rendered(words, 410)
        return self._page.rendered(words, 200)

    async def take(self, request: Request) -> Response:
        """`POST /photo/{token}`: the body is a picture, with `?camera=1` a camera frame."""
        token = request.path_params["token"]
        if wait_s := self._must_wait(token):
            return _answer(429, "too_often", wait_s)
        link = await self._links.find(token)
        if link is None or link.call is None:
            return _answer(410 if link else 404, "over")
        showing = self._showings.of(key_of(link.call))
        source = CAMERA if request.query_params.get("camera") == "1" else PAGE
        if showing.busy:
            return self._refused(source, 429, "too_often", 1.0)
        if wait_s := (showing.frames if source == CAMERA else showing.photos).take():
            return self._refused(source, 429, "too_often", wait_s)
        showing.busy = True
        try:
            return await self._taken(request, link.call, source)
        finally:
            showing.busy = False

    def _must_wait(self, token: str) -> float:
        """Return for how many seconds a guessed link must wait; a known one need not."""
        return 0.0 if self._links.is_ours(token) else self._looks.take()

    async def _taken(self, request: Request, call: PictureTarget, source: str) -> Response:
        if media_type(request) not in _TYPES:
            return self._refused(source, 415, "not_an_image")
        most = (
            limits.images.CAMERA_FRAME_MAX_BYTES
            if source == CAMERA
            else limits.images.IMAGE_BODY_MAX_BYTES
        )
        show = self._photos.frame if source == CAMERA else self._photos.photo
        with self._photos.uploads.upload() as upload:
            try:
                body = await body_of(request, most, upload.add)
            except RequestRefused as refused:
                kind = _UNREAD.get(refused.status, "cut_off")
                return self._refused(source, refused.status, kind, _RETRY_S.get(kind))
            try:
                taken = await show(call, body)
            except PeerError as error:
                status = _STATUS.get(error.kind, 422)
                return _answer(status, error.kind, _RETRY_S.get(error.kind))
        return _answer(202, "taken") if taken else _answer(410, "over")

    def _refused(
        self, source: str, status: int, outcome: str, wait_s: float | None = None
    ) -> Response:
        self._photos.refused(source, outcome)
        return _answer(status, outcome, wait_s)


_STATUS: Final = {"too_many": 403, "too_many_pixels": 413, "overloaded": 503}
_UNREAD: Final = {413: "too_large", 503: "overloaded"}
_RETRY_S: Final = {"overloaded": float(limits.images.UPLOADS_RETRY_S)}


class _Page:
    """One HTML file with style and script in it, each allowed by its hash."""

    def __init__(self, name: str) -> None:
        folder = resources.files("gateway.web.browser") / "page"
        style = "".join((folder / n).read_text("utf-8") for n in ("colours.css", "photo.css"))
        script = (folder / "photo.js").read_text("utf-8")
        document = (folder / name).read_text("utf-8")
        document = document.replace("/*style*/", style).replace("/*script*/", script)
        self._template = _Marked(document)
        self._headers = _HEADERS | {
            "Content-Security-Policy": (
                f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
                "connect-src 'self'; img-src blob:; base-uri 'none'; form-action 'none'; "
                "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
            )
        }

    def rendered(self, words: WrittenTexts, status: int) -> Response:
        said = asdict(words)
        to_script = json.dumps({name: said[name] for name in _SCRIPT_TEXTS})
        values = {name: html.escape(value) for name, value in said.items()}
        page = self._template.substitute(values, words=html.escape(to_script))
        return Response(page, status, self._headers, media_type="text/html")


class _Marked(Template):
    """Template with fields `@{name}`: a dollar sign belongs to the script."""

    delimiter = "@"
    idpattern = None  # type: ignore[assignment] # only in braces
    braceidpattern = "[a-z_]+"


def _hash(content: str) -> str:
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"


def _answer(status: int, outcome: str, wait_s: float | None = None) -> Response:
    """Return an outcome for the page's script, which has the words for it."""
    retry = {} if wait_s is None else {"Retry-After": str(math.ceil(wait_s))}
    body = json.dumps({"outcome": outcome})
    return Response(body, status, _HEADERS | retry, media_type="application/json")


def _preferred(request: Request) -> WrittenTexts:
    """Return the texts for an unknown link, in the language that the browser asks for."""
    return written_texts(request.headers.get("accept-language", "")[:2])
