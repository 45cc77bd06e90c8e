"""Which door is where."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route, WebSocketRoute

from gateway.web.desk import Desk, from_twilio
from gateway.web.health import HealthDoors
from gateway.web.media import MediaDoor
from gateway.web.voice import VoiceDoors


def routes(desk: Desk) -> list[BaseRoute]:
    voice, health = VoiceDoors(desk), HealthDoors(desk)
    from_carrier = [
        ("voice", voice.voice),
        ("after", voice.after),
        ("status", voice.status),
        ("stream-status", voice.stream_status),
    ]
    return [
        *(
            Route(f"/twilio/{name}", from_twilio(desk, name, door), methods=["GET", "POST"])
            for name, door in from_carrier
        ),
        WebSocketRoute("/twilio/media", MediaDoor(desk).media),
        Route("/healthz", health.healthz),
        Route("/readyz", health.readyz),
        Route("/metrics", health.metrics),
    ]
