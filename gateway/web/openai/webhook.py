"""`POST /openai/webhook`: a SIP call waits to be accepted.

The webhook is answered at once and the call is handled afterwards: OpenAI retries for three days
what is not answered within seconds. Source: guide "Webhooks" (Standard Webhooks), guide "Telephony
and SIP".
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Callable, Sequence
from time import time
from typing import Final

import structlog
from openai import AsyncOpenAI, InvalidWebhookSignatureError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gateway import limits
from gateway.errors import PeerError, SettingsError, SignatureRefused
from gateway.ops.store.shared import Store
from gateway.protocols.openai_webhooks import LIVE_INCOMING, IncomingCall, parse
from gateway.web.http.request_body import STATUS, read_body

log = structlog.get_logger()
_SIGNED: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")
_SECONDS: Final = re.compile(r"[0-9]{1,12}")


class OpenAISignature:
    """Verifies requests with any of several secrets, so that one can be rotated."""

    def __init__(self, secrets: Sequence[str]) -> None:
        if not all(map(_is_key, secrets)):
            raise SettingsError(
                "OPENAI_WEBHOOK_SECRET must be whsec_ and base64, as the dashboard shows it."
            )
        self._secrets = secrets
        # The verifier is a method of a client; this one never makes a request.
        self._webhooks = AsyncOpenAI(api_key="unused", base_url="http://127.0.0.1").webhooks

    def check(self, request: Request, body: bytes) -> None:
        """Raises SignatureRefused: `unsigned`, `stale`, `bad_signature`."""
        # A plain dict: the verifier searches all headers for each one that it needs.
        found = dict(reversed(request.headers.items()))  # of two with one name the first counts
        headers = {name: found.get(name, "") for name in _SIGNED}
        if not all(headers.values()):
            raise SignatureRefused("unsigned")
        timestamp, signature = (headers[name] for name in _SIGNED[1:])
        # The vendor's verifier compares text, which must be ASCII.
        if not (_SECONDS.fullmatch(timestamp) and signature.isascii()):
            raise SignatureRefused("bad_signature")
        if abs(time() - int(timestamp)) > limits.sip.WEBHOOK_TOLERANCE_S:
            raise SignatureRefused("stale")
        if not any(self._verifies(headers, body, secret) for secret in self._secrets):
            raise SignatureRefused("bad_signature")

    def _verifies(self, headers: dict[str, str], body: bytes, secret: str) -> bool:
        try:
            self._webhooks.verify_signature(
                body, headers, secret=secret, tolerance=limits.sip.WEBHOOK_TOLERANCE_S
            )
        except (InvalidWebhookSignatureError, ValueError):  # a body that is not UTF-8 is one
            return False
        return True


def _is_key(secret: str) -> bool:
    try:
        return bool(b64decode(secret.removeprefix("whsec_"), validate=True))
    except binascii.Error:
        return False


class OpenAIWebhookEndpoint:
    """Verifies events, drops repeated ones, and passes incoming calls on."""

    def __init__(
        self,
        signature: OpenAISignature,
        store: Store,
        take: Callable[[IncomingCall], None],
        count: Callable[[str], None],
        *,
        body_wait_s: float = limits.web.WEBHOOK_BODY_WAIT_S,
        clock: Callable[[], float] = time,
        on_skew: Callable[[float], None] = lambda _off_s: None,
    ) -> None:
        """`take` starts the work on a call; `count` counts results, from a closed set.

        `on_skew` gets how many seconds this clock is ahead of the vendor's, with each delivery.
        """
        self._signature, self._store = signature, store
        self._take, self._count = take, count
        self._body_wait_s = body_wait_s
        self._clock, self._on_skew = clock, on_skew
        self._logged_skew_s = 0.0
        self._warned = False

    async def webhook(self, request: Request) -> Response:
        try:
            body = await read_body(request, limits.web.WEBHOOK_BODY_MAX_BYTES, self._body_wait_s)
            self._signature.check(request, body)
            sent_at = int(request.headers["webhook-timestamp"])
            self._compare_clocks(sent_at)
            result = await self._result(request.headers["webhook-id"], sent_at, body)
        except SignatureRefused as error:
            log.warning("webhook_refused", endpoint="openai", reason=error.reason)
            self._count(error.reason)
            return PlainTextResponse("The request is not signed by OpenAI.", 403)
        except PeerError as error:
            log.warning("webhook_malformed", endpoint="openai", reason=str(error))
            self._count(error.kind)
            sentence = f"The request was not understood: {error}."
            return PlainTextResponse(sentence, STATUS[error.kind])
        self._count(result)
        return Response(status_code=200)

    async def _result(self, webhook_id: str, sent_at: int, body: bytes) -> str:
        """Return the result of a verified event; an incoming call that is new is handled."""
        event = parse(body, limits.sip.HEADERS_MAX)
        if isinstance(event, str):
            return self._other(event)
        # Both times are the vendor's: a local clock that is off must not turn calls away.
        age_s = sent_at - event.created_at
        if age_s > limits.sip.EVENT_AGE_MAX_S:
            log.warning("webhook_too_old", call_id=event.call_id, age_s=age_s)
            return "too_old"  # the caller has hung up
        fresh_id = await self._store.claim(f"webhook:{webhook_id}", limits.sip.WEBHOOK_SEEN_S)
        fresh_call = await self._store.claim(f"incoming:{event.call_id}", limits.sip.WEBHOOK_SEEN_S)
        if not (fresh_id and fresh_call):
            return "duplicate"
        self._take(event)
        return "ok"

    def _compare_clocks(self, sent_at: int) -> None:
        """Report the skew of this clock, and log it when it is large and has changed."""
        off_s = self._clock() - sent_at
        self._on_skew(off_s)
        if abs(off_s) < limits.sip.CLOCK_SKEW_WARN_S:
            self._logged_skew_s = 0.0
        elif abs(off_s - self._logged_skew_s) >= limits.sip.CLOCK_SKEW_WARN_S:
            self._logged_skew_s = off_s
            log.warning("clock_skew", ahead_s=round(off_s), of="openai")

    def _other(self, kind: str) -> str:
        if kind != LIVE_INCOMING:
            return "other_event"
        if not self._warned:
            self._warned = True
            log.warning(
                "webhook_subscribed_twice",
                hint="unsubscribe live.transport.incoming: the first answer to a call wins",
            )
        return "live_event"
