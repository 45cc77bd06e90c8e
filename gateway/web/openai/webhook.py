"""`POST /openai/webhook`: a SIP call waits to be accepted.

The webhook is answered at once and the call is handled afterwards: OpenAI retries for three days
what is not answered within seconds. Source: guide "Webhooks" (Standard Webhooks), guide "Telephony
and SIP".
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from time import time
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gateway import limits
from gateway.errors import PeerError, SettingsError, SignatureRefused
from gateway.ops.store.shared import Store
from gateway.protocols.openai_webhooks import LIVE_INCOMING, IncomingCall, parse
from gateway.protocols.standard_webhooks import signing_keys
from gateway.web.http.request_body import STATUS, read_body

log = structlog.get_logger()
_SIGNED: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")
_VERSION: Final = "v1"
_SECONDS: Final = re.compile(r"[0-9]{1,12}")


class OpenAISignature:
    """Verifies requests with any of several secrets, so that one can be rotated."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Raises SettingsError for a secret that is not one of the vendor's."""
        try:
            self._keys = signing_keys(",".join(secrets))
        except ValueError:
            raise SettingsError(
                "OPENAI_WEBHOOK_SECRET must be whsec_ and base64, as the dashboard shows it."
            ) from None

    def check(self, request: Request, body: bytes) -> None:
        """Raises SignatureRefused: `unsigned`, `stale`, `bad_signature`."""
        webhook_id, timestamp, signatures = (request.headers.get(name, "") for name in _SIGNED)
        if not (webhook_id and timestamp and signatures):
            raise SignatureRefused("unsigned")
        if not _SECONDS.fullmatch(timestamp):
            raise SignatureRefused("bad_signature")
        if abs(time() - int(timestamp)) > limits.sip.WEBHOOK_TOLERANCE_S:
            raise SignatureRefused("stale")
        # Header values are bytes, which starlette decodes as Latin-1.
        signed = f"{webhook_id}.{timestamp}.".encode("latin-1") + body
        if not self._verifies(signed, signatures):
            raise SignatureRefused("bad_signature")

    def _verifies(self, signed: bytes, signatures: str) -> bool:
        """Several signatures are separated by spaces, each with its version in front."""
        given = [
            signature.encode("latin-1")
            for version, _, signature in (one.partition(",") for one in signatures.split())
            if version == _VERSION
        ]
        expected = [b64encode(hmac.digest(key, signed, "sha256")) for key in self._keys]
        return any(hmac.compare_digest(one, other) for one in expected for other in given)


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
        on_left_out: Callable[[str], None] = lambda _field: None,
    ) -> None:
        """`take` starts the work on a call; `count` counts results, from a closed set.

        `on_left_out` gets the name of each field of a call that could not be read. `on_skew` gets
        how many seconds this clock is ahead of the vendor's, with each delivery.
        """
        self._signature, self._store = signature, store
        self._take, self._count = take, count
        self._body_wait_s = body_wait_s
        self._clock, self._on_skew, self._on_left_out = clock, on_skew, on_left_out
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
        for field in event.left_out:
            self._on_left_out(field)
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
