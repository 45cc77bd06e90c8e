"""What every door needs, handed in by `app`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gateway.agents.texts.spoken import spoken_phrases
from gateway.agents.texts.templates import Templates
from gateway.bridge.calls.registry import CallRegistry
from gateway.bridge.failover.snapshots import SnapshotStore
from gateway.bridge.outbound.outbound_calls import OutboundCalls
from gateway.bridge.outbound.warm_transfer import WarmTransfers
from gateway.errors import PeerError, SignatureRefused
from gateway.ops.limits.admission import Admission, RateWatch
from gateway.ops.limits.circuit_breaker import CircuitBreaker
from gateway.ops.limits.signed_tokens import DialTokens, OutboundTokens, StreamTokens
from gateway.ops.store.shared import Store
from gateway.ops.telemetry.metrics import Metrics
from gateway.web.http.request_body import STATUS
from gateway.web.twilio.signature import TwilioSignature

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class TwilioContext:
    public_url: str
    media_url: str
    account_sid: str
    overflow: str
    sip_uri: str | None
    """Where a call is dialled on the SIP path; None while that is not set up."""
    registry: CallRegistry
    templates: Templates
    guard: TwilioSignature
    tokens: StreamTokens
    dial_tokens: DialTokens
    out_tokens: OutboundTokens
    outbound: OutboundCalls
    warm: WarmTransfers
    store: Store
    snapshots: SnapshotStore
    admission: Admission
    breaker: CircuitBreaker
    rates: RateWatch
    metrics: Metrics

    def person(self, to: str, language: str, after_url: str) -> Response:
        """Somebody is called for the caller: a number, or a SIP address."""
        return Response(self.ring(to, language, after_url), media_type="text/xml")

    def ring(self, to: str, language: str, after_url: str, whisper_url: str = "") -> str:
        """The same; with a `whisper_url` he hears first what that answers."""
        name = "human.xml" if to.startswith("+") else "human-sip.xml"
        return self.document(name, language, to=to, after_url=after_url, whisper_url=whisper_url)

    def twiml(self, name: str, language: str = "en", **values: str) -> Response:
        """A document for Twilio, with the sentences of that language at hand."""
        return Response(self.document(name, language, **values), media_type="text/xml")

    def document(self, name: str, language: str, **values: str) -> str:
        spoken = spoken_phrases(language)
        return self.templates.render(
            name,
            language=spoken.language,
            apology=spoken.apology,
            unavailable=spoken.unavailable,
            leave_message=spoken.leave_message,
            handover=spoken.handover,
            press_key=spoken.press_key,
            **values,
        )


Handler = Callable[[dict[str, str], Request], Awaitable[Response]]


def from_twilio(
    desk: TwilioContext, endpoint: str, handler: Handler
) -> Callable[..., Awaitable[Response]]:
    """A webhook of Twilio's: checked, counted, and answered in one sentence when refused."""

    async def checked(request: Request) -> Response:
        try:
            fields = await desk.guard.fields(request)
            response = await handler(fields, request)
        except SignatureRefused as error:
            desk.metrics.webhooks.labels(endpoint, error.reason).inc()
            log.warning("webhook refused", endpoint=endpoint, reason=error.reason, url=error.url)
            return PlainTextResponse("The request is not signed by Twilio.", 403)
        except PeerError as error:
            desk.metrics.webhooks.labels(endpoint, error.kind).inc()
            log.warning("webhook not understood", endpoint=endpoint, reason=str(error))
            return PlainTextResponse(
                f"The request was not understood: {error}.", STATUS[error.kind]
            )
        desk.metrics.webhooks.labels(endpoint, "ok").inc()
        return response

    return checked
