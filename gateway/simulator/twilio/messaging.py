"""Messaging of the simulated carrier: texts of the account, and the media of messages."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from gateway.simulator.twilio.api_error import TwilioApiError

API: Final = "/2010-04-01/Accounts/{account_sid}"
BODY_MAX_CHARS: Final = 1_600
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{5,14}")


@dataclass(frozen=True, slots=True)
class Text:
    """One text that the account sent."""

    sender: str
    to: str
    body: str
    sid: str = field(default_factory=lambda: "SM" + uuid4().hex)


@dataclass(frozen=True, slots=True)
class Medium:
    """Bytes of one medium and their type."""

    content: bytes
    media_type: str


class SimMessaging:
    """Messages resource of one account; `admit` raises for a request without its credentials."""

    def __init__(self, account_sid: str, admit: Callable[[Request], None]) -> None:
        self.texts: list[Text] = []
        self._account_sid, self._admit = account_sid, admit
        self._media: dict[str, Medium] = {}
        self._tickets: dict[str, Medium] = {}

    def routes(self) -> list[Route]:
        return [
            Route(f"{API}/Messages.json", self._send, methods=["POST"]),
            Route(API + "/Messages/{message_sid}/Media/{media_sid}", self._medium),
            Route("/simulator/media/{ticket}", self._bytes),
        ]

    def store(self, message_sid: str, medium: Medium) -> str:
        """Store a medium of a message. Return its path."""
        path = API.format(account_sid=self._account_sid)
        path += f"/Messages/{message_sid}/Media/ME{uuid4().hex}"
        self._media[path] = medium
        return path

    def to(self, number: str) -> list[Text]:
        """Return the texts to a number, oldest first."""
        return [text for text in self.texts if text.to == number]

    async def _send(self, request: Request) -> Response:
        self._admit(request)
        async with request.form() as form:
            to, sender, body = (str(form.get(name, "")) for name in ("To", "From", "Body"))
        _check(to, sender, body)
        text = Text(sender, to, body)
        self.texts.append(text)
        return JSONResponse(self._resource(text), 201)

    def _resource(self, text: Text) -> dict[str, Any]:
        path = API.format(account_sid=self._account_sid) + f"/Messages/{text.sid}.json"
        return {
            "sid": text.sid,
            "account_sid": self._account_sid,
            "api_version": "2010-04-01",
            "body": text.body,
            "direction": "outbound-api",
            "error_code": None,
            "from": text.sender,
            "num_media": "0",
            "num_segments": str(-(-len(text.body) // 153)),
            "status": "queued",
            "to": text.to,
            "uri": path,
        }

    async def _medium(self, request: Request) -> Response:
        """Redirect the account, and nobody else, to the bytes; a ticket is good for one request."""
        self._admit(request)
        medium = self._media.get(request.url.path)
        if medium is None:
            raise TwilioApiError(
                404, 20404, f"The requested resource {request.url.path} was not found"
            )
        ticket = uuid4().hex
        self._tickets[ticket] = medium
        return RedirectResponse(f"/simulator/media/{ticket}", 307)

    async def _bytes(self, request: Request) -> Response:
        medium = self._tickets.pop(request.path_params["ticket"], None)
        if medium is None:
            return Response(status_code=403)
        return Response(medium.content, media_type=medium.media_type)


def _check(to: str, sender: str, body: str) -> None:
    """Raises TwilioApiError for a text that Twilio refuses."""
    if not _NUMBER.fullmatch(to):
        raise TwilioApiError(400, 21211, f"Invalid 'To' Phone Number: {to}")
    if not _NUMBER.fullmatch(sender):
        raise TwilioApiError(400, 21212, f"Invalid From Number (caller ID): {sender}")
    if to == sender:
        raise TwilioApiError(400, 21266, "'To' and 'From' number cannot be the same")
    if not body:
        raise TwilioApiError(400, 21602, "Message body is required")
    if len(body) > BODY_MAX_CHARS:
        raise TwilioApiError(
            400, 21617, "The concatenated message body exceeds the 1600 character limit"
        )
