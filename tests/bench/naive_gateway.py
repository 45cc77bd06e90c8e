"""Naive gateway, the reference of the bench.

It takes a queue, a task switch and two parsers for each message: Starlette's WebSocket, `json`,
`base64`, the client of `websockets`, `audioop.ratecv` (or mu-law straight through). It has no
signature, no token, no pacing, no playback ledger and no barge-in.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import ClientConnection, connect

from bench.gateways import NUMBERS
from gateway.audio.g711 import CALLER_HZ, MODEL_HZ, audioop

_TWIML = '<Response><Connect><Stream url="ws://{host}/twilio/media/{audio}"/></Connect></Response>'


_FORMATS = {number: audio for audio, number in NUMBERS.items()}


class Transcoder:
    """Transcoding of one call through `audioop`, both directions."""

    def __init__(self, audio: str) -> None:
        self._through = audio == "pcmu"
        self._up: Any = None
        self._down: Any = None

    def up(self, mulaw: bytes) -> bytes:
        if self._through:
            return mulaw
        pcm = audioop.ulaw2lin(mulaw, 2)
        wide, self._up = audioop.ratecv(pcm, 2, 1, CALLER_HZ, MODEL_HZ, self._up)
        return bytes(wide)

    def down(self, audio: bytes) -> bytes:
        if self._through:
            return audio
        pcm, self._down = audioop.ratecv(audio, 2, 1, MODEL_HZ, CALLER_HZ, self._down)
        return bytes(audioop.lin2ulaw(pcm, 2))


def application(model_url: str) -> Starlette:
    """Return an application that bridges each call in the format of the dialled number."""

    async def voice(request: Request) -> Response:
        host = urlsplit(str(request.url)).netloc
        async with request.form() as form:
            audio = _FORMATS[str(form["To"])]
        return Response(_TWIML.format(host=host, audio=audio), media_type="text/xml")

    async def healthz(_request: Request) -> Response:
        return Response("alive")

    async def media(websocket: WebSocket) -> None:
        await websocket.accept()
        audio = websocket.path_params["audio"]
        async with connect(f"{model_url}?model=naive", max_size=None) as model:
            await model.send(json.dumps({"type": "session.update", "session": _session(audio)}))
            await _carry(websocket, model, Transcoder(audio))

    return Starlette(
        routes=[
            Route("/twilio/voice", voice, methods=["POST"]),
            Route("/healthz", healthz),
            WebSocketRoute("/twilio/media/{audio}", media),
        ]
    )


def _session(audio: str) -> dict[str, Any]:
    form = {"type": "audio/pcmu"} if audio == "pcmu" else {"type": "audio/pcm", "rate": MODEL_HZ}
    return {"type": "realtime", "audio": {"input": {"format": form}, "output": {"format": form}}}


async def _carry(websocket: WebSocket, model: ClientConnection, transcoder: Transcoder) -> None:
    stream: dict[str, str] = {}
    down = asyncio.create_task(_down(websocket, model, transcoder, stream))
    try:
        await _up(websocket, model, transcoder, stream)
    except WebSocketDisconnect:
        pass
    finally:
        down.cancel()


async def _up(
    websocket: WebSocket, model: ClientConnection, transcoder: Transcoder, stream: dict[str, str]
) -> None:
    while True:
        event = json.loads(await websocket.receive_text())
        if event["event"] == "media":
            audio = transcoder.up(base64.b64decode(event["media"]["payload"]))
            text = base64.b64encode(audio).decode()
            await model.send(json.dumps({"type": "input_audio_buffer.append", "audio": text}))
        elif event["event"] == "start":
            stream["sid"] = event["start"]["streamSid"]
        elif event["event"] == "stop":
            return


async def _down(
    websocket: WebSocket, model: ClientConnection, transcoder: Transcoder, stream: dict[str, str]
) -> None:
    async for message in model:
        event = json.loads(message)
        if event["type"] != "response.output_audio.delta":
            continue
        payload = base64.b64encode(transcoder.down(base64.b64decode(event["delta"]))).decode()
        media = {"event": "media", "streamSid": stream["sid"], "media": {"payload": payload}}
        await websocket.send_json(media)
        mark = {"event": "mark", "streamSid": stream["sid"], "mark": {"name": event["item_id"]}}
        await websocket.send_json(mark)


if __name__ == "__main__":
    _, port, url = sys.argv
    uvicorn.run(application(url), host="127.0.0.1", port=int(port), log_level="warning")
