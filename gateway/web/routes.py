"""Paths of the gateway and the endpoint at each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from gateway import limits
from gateway.ops.limits.token_bucket import TokenBucket
from gateway.web.api import openapi
from gateway.web.api.auth import Guard, Handler, OperatorAuth
from gateway.web.api.calls import CallsEndpoints
from gateway.web.browser.photo import PhotoEndpoint
from gateway.web.health import HealthEndpoints
from gateway.web.openai.webhook import OpenAIWebhookEndpoint
from gateway.web.twilio.media_stream import MediaEndpoint
from gateway.web.twilio.messages import MessageEndpoint
from gateway.web.twilio.recordings import RecordingWebhook
from gateway.web.twilio.secret_input import SecretInputEndpoints
from gateway.web.twilio.status import StatusEndpoints
from gateway.web.twilio.transfers import TransferWebhooks
from gateway.web.twilio.voice import VoiceEndpoints
from gateway.web.twilio.webhook import VerifiedWebhooks

OPENAI_WEBHOOK: Final = "/openai/webhook"


def openai_routes(endpoint: OpenAIWebhookEndpoint | None) -> list[BaseRoute]:
    """Return nothing without a webhook secret: no request could be verified."""
    if endpoint is None:
        return []
    return [Route(OPENAI_WEBHOOK, endpoint.webhook, methods=["POST"])]


def twilio_routes(
    webhooks: VerifiedWebhooks,
    voice: VoiceEndpoints,
    transfers: TransferWebhooks,
    secret_inputs: SecretInputEndpoints,
    status: StatusEndpoints,
    media: MediaEndpoint,
    messages: MessageEndpoint,
    recording: RecordingWebhook,
) -> list[BaseRoute]:
    """Return the media stream's route and those of Twilio's webhooks."""
    handlers = {
        "voice": voice.voice,
        "after": voice.after,
        "refer": voice.refer,
        "hold": transfers.hold,
        "whisper": transfers.whisper,
        "person": transfers.person_status,
        "digits": secret_inputs.digits,
        "payment": secret_inputs.payment,
        "status": status.status,
        "amd": status.amd,
        "stream-status": status.stream_status,
        "messages": messages.messages,
        "recording": recording.recording,
    }
    return [
        # Routes are searched in order: those with the most requests come first.
        WebSocketRoute("/twilio/media", media.media),
        *(
            Route(f"/twilio/{name}", webhooks.wrap(name, handler), methods=["GET", "POST"])
            for name, handler in handlers.items()
        ),
        Route("/twilio/hold.wav", transfers.music, methods=["GET"]),
    ]


def health_routes(health: HealthEndpoints) -> list[BaseRoute]:
    return [
        Route("/", health.landing),
        Route("/healthz", health.healthz),
        Route("/readyz", health.readyz),
        Route("/metrics", health.metrics),
    ]


def photo_routes(photo: PhotoEndpoint) -> list[BaseRoute]:
    """Return the routes of the page on which a caller sends pictures."""
    return [
        Route("/photo/{token}", photo.page, methods=["GET"]),
        Route("/photo/{token}", photo.take, methods=["POST"]),
    ]


def api_routes(
    endpoints: CallsEndpoints,
    auth: OperatorAuth,
    requests_burst: int = limits.api.REQUESTS_BURST,
    actions_burst: int = limits.api.ACTIONS_BURST,
) -> list[BaseRoute]:
    """Return the operators' API, made from the table that also makes its OpenAPI document."""
    reading = TokenBucket(requests_burst, limits.api.REQUESTS_PER_S)
    acting = TokenBucket(actions_burst, limits.api.ACTIONS_PER_S)
    by_path: dict[str, dict[str, Handler]] = {}
    for operation in openapi.OPERATIONS:
        by_path.setdefault(operation.path, {})[operation.method] = auth.only(
            acting if operation.acts else reading,
            Guard(operation.name, operation.role, operation.audited, frozenset(operation.query)),
            _bound(operation.handler, endpoints),
        )
    return [Route(path, _by_method(found), methods=list(found)) for path, found in by_path.items()]


def _bound(
    handler: Callable[[CallsEndpoints, Request], Awaitable[Response]], endpoints: CallsEndpoints
) -> Handler:
    async def endpoint(request: Request) -> Response:
        return await handler(endpoints, request)

    return endpoint


def _by_method(handlers: Mapping[str, Handler]) -> Handler:
    """Return one endpoint for all methods of a path, so that `Allow` names each of them."""

    async def endpoint(request: Request) -> Response:
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return endpoint
