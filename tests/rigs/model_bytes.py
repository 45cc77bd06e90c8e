"""A gateway whose model is a test: the vendor's side of a session, event by event."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from far_end import FarEnd, far_end, text_of
from running_gateway import GatewayRig, running_gateway
from websockets.frames import Opcode

from gateway.tuning import DEFAULT_TUNING, Tuning

Behave = Callable[[FarEnd], Awaitable[None]]
EXPIRES = 1_900_000_000


def event(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, "event_id": "event_1", **fields})


async def next_event(end: FarEnd) -> dict[str, Any]:
    frame = await end.frame()
    assert frame.opcode is Opcode.TEXT
    heard: dict[str, Any] = json.loads(frame.data)
    return heard


async def events(end: FarEnd) -> AsyncIterator[dict[str, Any]]:
    """What the gateway says, up to its close."""
    while (frame := await end.frame()).opcode is Opcode.TEXT:
        yield json.loads(frame.data)
    assert frame.opcode is Opcode.CLOSE


async def configured(end: FarEnd) -> dict[str, Any]:
    """The opening of a session, as the vendor's server does it; what was asked for."""
    await end.accept(text_of(event("session.created", session={"id": "sess_1"})))
    update = await next_event(end)
    assert update["type"] == "session.update"
    echo = update["session"] | {"id": "sess_1", "expires_at": EXPIRES}
    end.say(event("session.updated", session=echo))
    opening = await next_event(end)
    assert opening["item"]["role"] == "system", "what is known of the call comes first"
    session: dict[str, Any] = update["session"]
    return session


@contextlib.asynccontextmanager
async def gateway_with_model(
    agents_file: Path, behave: Behave, tuning: Tuning = DEFAULT_TUNING
) -> AsyncIterator[GatewayRig]:
    async with (
        far_end(behave) as url,
        running_gateway(agents_file, f"{url.replace('ws:', 'http:')}/v1", tuning) as rig,
    ):
        yield rig
