"""Which door is where."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route, WebSocketRoute

from gateway.web.desk import Desk, from_twilio
from gateway.web.health import HealthDoors
from gateway.web.media import MediaDoor
from gateway.web.openai import OpenAIDoor
from gateway.web.voice import VoiceDoors


def routes(desk: Desk, openai_door: OpenAIDoor | None) -> list[BaseRoute]:
    """Without a webhook secret nothing of OpenAI's can be believed: there is no such door."""
    voice, health = VoiceDoors(desk), HealthDoors(desk)
    from_carrier = [
        ("voice", voice.voice),
        ("after", voice.after),
        ("refer", voice.refer),
        ("status", voice.status),
        ("stream-status", voice.stream_status),
    ]
    return [
        *(
            Route(f"/twilio/{name}", from_twilio(desk, name, door), methods=["GET", "POST"])
            for name, door in from_carrier
        ),
        WebSocketRoute("/twilio/media", MediaDoor(desk).media),
        *(
            [Route("/openai/webhook", openai_door.webhook, methods=["POST"])]
            if openai_door is not None
            else []
        ),
        Route("/healthz", health.healthz),
        Route("/readyz", health.readyz),
        Route("/metrics", health.metrics),
    ]
