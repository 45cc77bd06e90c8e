"""`/phone`: a telephone in a browser, for anybody who has a link that an operator made.

The page plays the carrier's part of a media stream. Its sound is PCM at 24 kHz, as the model has
it, or mu-law at 8 kHz, as a caller hears it: `mediaFormat` of `start` says which. The token stands
behind the `#` of the link and is sent in headers, so that no log of a server or proxy contains it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from gateway import limits
from gateway.audio.wire import MULAW_8K, PCM_24K, WireFormat
from gateway.bridge.calls.live_call import LiveCall
from gateway.bridge.inbound.browser_calls import BrowserCalls
from gateway.bridge.inbound.stream_handshake import StreamHandshake
from gateway.bridge.messaging.picture_links import PictureLinks
from gateway.errors import NotAdmitted, SignatureRefused
from gateway.ops.limits.signed_tokens import PhoneClaims, PhoneTokens
from gateway.ops.limits.token_bucket import TokenBucket
from gateway.ops.telemetry.metrics import Metrics
from gateway.protocols.media_stream import MediaFormat, StartBody
from gateway.transports.media_socket import media_socket_of
from gateway.web.browser.console import page_routes
from gateway.web.http.problems import RequestRefused

PROTOCOL: Final = "gateway.phone"
"""Subprotocol, offered with the token: a browser's WebSocket can set no other header."""
_FILES: Final = {
    "/phone": ("text/html", "phone.html"),
    "/phone/phone.css": ("text/css", "colours.css", "phone.css"),
    "/phone/phone.js": ("text/javascript", "phone.js"),
    "/phone/call.js": ("text/javascript", "phone-call.js"),
    "/phone/line.js": ("text/javascript", "phone-line.js"),
}
_EMBEDDED: Final = {"/phone/embed.js": ("text/javascript", "phone-embed.js")}
"""For pages of other sites."""
_WIRES: Final = (PCM_24K, MULAW_8K)
_NO_LINK: Final = {
    "no_token": "This link is not complete: copy the whole of it.",
    "bad_token": "This link is not one of ours, or not completely copied.",
    "expired_token": "This link has expired: ask for another one.",
}


class PhoneCard(msgspec.Struct):
    """Data that the page shows before a call."""

    agent: str
    language: str
    expires_at: float
    refusal: str | None
    """Reason why this process would refuse a call now."""


class PhoneEndpoints:
    """The page, its data, and its media stream."""

    def __init__(
        self,
        public_url: str,
        origins: Sequence[str],
        tokens: PhoneTokens,
        browser_calls: BrowserCalls,
        pictures: PictureLinks,
        metrics: Metrics,
        *,
        start_wait_s: float = limits.call.START_WAIT_S,
    ) -> None:
        """`origins` are sites that may show the page in theirs."""
        self._start_wait_s = start_wait_s
        self._public_url, self._origins = public_url, origins
        self._tokens, self._phones, self._metrics = tokens, browser_calls, metrics
        self._pictures = pictures
        self._sockets = 0
        self._guesses = TokenBucket(limits.phone.GUESSES_BURST, limits.phone.GUESSES_PER_S)

    def routes(self) -> list[BaseRoute]:
        return [
            *page_routes(_FILES, _headers(self._public_url, self._origins)),
            *page_routes(_EMBEDDED, {"Cross-Origin-Resource-Policy": "cross-origin"}),
            Route("/phone/card", self.card, methods=["GET"]),
            WebSocketRoute("/phone/line", self.line),
        ]

    def link(self, agent: str, seconds: float) -> tuple[str, float]:
        """Return a link to an agent, and when it expires, Unix time."""
        token, expires_at = self._tokens.issue(agent, seconds)
        return f"{self._public_url}/phone#{token}", expires_at

    async def card(self, request: Request) -> Response:
        """`GET /phone/card`: data of the link whose token is the bearer."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            found = self._tokens.redeem(token.strip() if scheme.lower() == "bearer" else "")
        except SignatureRefused as error:
            return self._no_card(error.reason).response()
        refusal = self._phones.refusal(found.agent)
        agent = self._phones.agent(found.agent)
        language = agent.language if agent is not None else "en"
        body = msgspec.json.encode(PhoneCard(found.agent, language, found.expires_at, refusal))
        return Response(body, headers={"Cache-Control": "no-store"}, media_type="application/json")

    def _no_card(self, reason: str) -> RequestRefused:
        """Slow down guesses, and no requests with a valid link."""
        if wait_s := self._guesses.take():
            retry = {"Retry-After": str(math.ceil(wait_s))}
            return RequestRefused(429, "Too many requests: slow down.", retry)
        return RequestRefused(403, _NO_LINK[reason])

    async def line(self, websocket: WebSocket) -> None:
        """`WS /phone/line`: Media Streams as from a carrier, without a token in `start`."""
        try:
            _check_origin(websocket.headers, self._public_url)
            found = self._checked(websocket.scope["subprotocols"])
        except (SignatureRefused, NotAdmitted) as error:
            self._refused(error.reason)
            await websocket.close()  # before acceptance: the handshake is answered 403
            return
        self._sockets += 1
        try:
            await self._carry(websocket, found)
        finally:
            self._sockets -= 1

    def _checked(self, offered: Sequence[str]) -> PhoneClaims:
        """Check the token before anything is allocated. Raises SignatureRefused, NotAdmitted."""
        tokens = [name for name in offered if name != PROTOCOL]
        if len(tokens) != 1 or PROTOCOL not in offered:
            raise SignatureRefused("no_token")
        if self._sockets >= limits.phone.SOCKETS_MAX:
            raise NotAdmitted("sockets")
        return self._tokens.redeem(tokens[0])

    async def _carry(self, websocket: WebSocket, found: PhoneClaims) -> None:
        await websocket.accept(PROTOCOL)
        socket = media_socket_of(websocket)
        wire = MULAW_8K

        async def let_in(start: StartBody) -> LiveCall:
            nonlocal wire
            wire = _wire_of(start.media_format)
            if wire is PCM_24K:
                socket.widen()
            if ticket := start.custom_parameters.get("resume"):
                return await self._phones.resume(ticket, found.agent, wire)
            return await self._phones.begin(found.agent, wire)

        async def answer(call: LiveCall) -> bytes:
            address = await self._pictures.make(call)
            ticket = self._phones.ticket(call, found.agent, wire)
            body = {"resume": ticket, "pictures": address.removeprefix(self._public_url)}
            return msgspec.json.encode({"event": "answered", "answered": body})

        StreamHandshake(
            socket,
            let_in,
            self._refused,
            says_why=True,
            answer=answer,
            start_wait_s=self._start_wait_s,
        )
        await socket.gone()

    def _refused(self, reason: str) -> None:
        self._metrics.phone_refused.labels(reason).inc()


def _wire_of(given: MediaFormat) -> WireFormat:
    """Raises NotAdmitted."""
    for wire in _WIRES:
        if (given.encoding, given.sample_rate, given.channels) == (
            wire.encoding,
            wire.sample_rate,
            1,
        ):
            return wire
    raise NotAdmitted("media_format")


def _check_origin(headers: Headers, public_url: str) -> None:
    """Refuse a socket that a page of another site opens. Raises SignatureRefused.

    What is no browser sends no origin, and needs a link all the same.
    """
    origin = headers.get("origin", "")
    here = ("http://" + headers.get("host", ""), "https://" + headers.get("host", ""))
    if origin and origin not in (*here, origin_of(public_url)):
        raise SignatureRefused("origin")


def _headers(public_url: str, origins: Sequence[str]) -> dict[str, str]:
    """Return headers of the page: which sites may show it, and what it may reach."""
    socket = "ws" + origin_of(public_url).removeprefix("http")
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        # Older browsers do not count a WebSocket of the same host as 'self'.
        "connect-src": f"'self' {socket}",
        "img-src": "data: blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": " ".join(["'self'", *origins]) if origins else "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Permissions-Policy": "microphone=(self), camera=(), screen-wake-lock=(self)",
        "Cross-Origin-Resource-Policy": "cross-origin" if origins else "same-origin",
    }


def origin_of(url: str) -> str:
    """Return the origin of an address, as browsers write it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
