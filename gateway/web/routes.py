"""Which door is where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from gateway import limits
from gateway.ops.limits.token_bucket import TokenBucket
from gateway.web.api import openapi
from gateway.web.api.auth import Handler, OperatorAuth
from gateway.web.api.calls import CallsEndpoints
from gateway.web.browser.photo import PhotoEndpoint
from gateway.web.health import HealthEndpoints
from gateway.web.openai.webhook import OpenAIWebhookEndpoint
from gateway.web.twilio.context import TwilioContext, from_twilio
from gateway.web.twilio.media_stream import MediaEndpoint
from gateway.web.twilio.messages import MessageEndpoint
from gateway.web.twilio.voice import VoiceEndpoints

OPENAI_WEBHOOK: Final = "/openai/webhook"


def routes(desk: TwilioContext, openai_endpoint: OpenAIWebhookEndpoint | None) -> list[BaseRoute]:
    """Without a webhook secret nothing of OpenAI's can be believed: there is no such door."""
    voice, health = VoiceEndpoints(desk), HealthEndpoints(desk)
    from_carrier = [
        ("voice", voice.voice),
        ("after", voice.after),
        ("refer", voice.refer),
        ("hold", voice.handing.hold),
        ("whisper", voice.handing.whisper),
        ("rung", voice.handing.step),
        ("status", voice.status),
        ("amd", voice.amd),
        ("stream-status", voice.stream_status),
    ]
    # Looked through in this order: the doors at which crowds come stand first.
    return [
        *(
            [Route(OPENAI_WEBHOOK, openai_endpoint.webhook, methods=["POST"])]
            if openai_endpoint is not None
            else []
        ),
        WebSocketRoute("/twilio/media", MediaEndpoint(desk).media),
        *(
            Route(f"/twilio/{name}", from_twilio(desk, name, endpoint), methods=["GET", "POST"])
            for name, endpoint in from_carrier
        ),
        Route("/twilio/hold.wav", voice.handing.music, methods=["GET"]),
        Route("/healthz", health.healthz),
        Route("/readyz", health.readyz),
        Route("/metrics", health.metrics),
    ]


def photo_routes(messages: MessageEndpoint, photo: PhotoEndpoint) -> list[BaseRoute]:
    """By which a caller shows what he talks about."""
    endpoint = from_twilio(messages.desk, "messages", messages.messages)
    return [
        Route("/twilio/messages", endpoint, methods=["GET", "POST"]),
        Route("/photo/{token}", photo.page, methods=["GET"]),
        Route("/photo/{token}", photo.take, methods=["POST"]),
    ]


def operators_routes(endpoints: CallsEndpoints, operators: OperatorAuth) -> list[BaseRoute]:
    """The API, as its description has it. Without a token there is none of this."""
    looking = TokenBucket(limits.api.REQUESTS_BURST, limits.api.REQUESTS_PER_S)
    acting = TokenBucket(limits.api.ACTIONS_BURST, limits.api.ACTIONS_PER_S)
    described = openapi.encoded()

    async def description(_request: Request) -> Response:
        return Response(described, media_type="application/json")

    by_path: dict[str, dict[str, Handler]] = {}
    for operation in openapi.OPERATIONS:
        by_path.setdefault(operation.path, {})[operation.method] = operators.only(
            acting if operation.acts else looking,
            frozenset(operation.query),
            description if operation.name == "openapi" else getattr(endpoints, operation.name),
        )
    return [Route(path, _by_method(found), methods=list(found)) for path, found in by_path.items()]


def _by_method(handlers: Mapping[str, Handler]) -> Handler:
    """One route for all methods of a path: whoever uses another one is told of each."""

    async def endpoint(request: Request) -> Response:
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return endpoint
