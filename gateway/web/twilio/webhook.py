"""Twilio's webhooks: verified, counted, and answered in one sentence when refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from prometheus_client import Counter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gateway.errors import PeerError, SignatureRefused
from gateway.web.http.request_body import STATUS
from gateway.web.twilio.signature import TwilioSignature

log = structlog.get_logger()

Handler = Callable[[dict[str, str], Request], Awaitable[Response]]


class VerifiedWebhooks:
    """Wraps handlers so that they see the fields of verified requests only."""

    def __init__(self, signature: TwilioSignature, requests: Counter) -> None:
        """`requests` counts each request by endpoint and result."""
        self._signature, self._requests = signature, requests

    def wrap(self, endpoint: str, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """Return the handler as an ASGI endpoint; `endpoint` names it in metrics and logs."""

        async def verified(request: Request) -> Response:
            try:
                fields = await self._signature.fields(request)
                response = await handler(fields, request)
            except SignatureRefused as error:
                self._requests.labels(endpoint, error.reason).inc()
                log.warning(
                    "webhook_refused", endpoint=endpoint, reason=error.reason, url=error.url
                )
                return PlainTextResponse("The request is not signed by Twilio.", 403)
            except PeerError as error:
                self._requests.labels(endpoint, error.kind).inc()
                log.warning("webhook_malformed", endpoint=endpoint, reason=str(error))
                return PlainTextResponse(
                    f"The request was not understood: {error}.", STATUS[error.kind]
                )
            self._requests.labels(endpoint, "ok").inc()
            return response

        return verified
