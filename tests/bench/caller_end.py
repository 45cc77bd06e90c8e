"""Twilio's side under load: a signed webhook, 50 frames a second, and a playback clock."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from heapq import heappush, heapreplace
from itertools import count
from time import monotonic

from bench.measures import PlaybackClock, TransitTimes
from bench.sockets import TextSocket, open_socket
from bench.sound import Sound
from gateway.audio.g711 import FRAME_MS, MULAW_BYTES_PER_MS
from gateway.errors import ServiceUnreachable
from gateway.protocols import media_stream as wire
from gateway.simulator.twilio.signing import SIGNATURE, signature
from gateway.simulator.twilio.twiml import TwimlVerb, parse, stream_parameters
from gateway.simulator.twilio.webhooks import WebhookFailed, Webhooks

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class StreamTicket:
    """Address of the media stream from the TwiML, and its parameters."""

    call_sid: str
    url: str
    parameters: dict[str, str]


async def start_call(webhooks: Webhooks, dialled: str) -> StreamTicket:
    """Post the webhook of a new call. Raises ServiceUnreachable where it has no stream."""
    number = next(_numbers)
    call_sid = f"CA{number:032x}"
    fields = {
        "CallSid": call_sid,
        "AccountSid": webhooks.account.sid,
        "From": f"+1555{number:07}",
        "To": dialled,
        "CallStatus": "ringing",
        "Direction": "inbound",
        "ApiVersion": "2010-04-01",
    }
    try:
        answer = await webhooks.request(webhooks.reach.webhook("/twilio/voice"), fields)
    except WebhookFailed as error:
        raise ServiceUnreachable(f"The gateway took no more calls: {error}") from error
    stream = _stream_in(parse(answer.text, "").verbs)
    if stream is None:
        raise ServiceUnreachable(f"The gateway answered call {number} without a stream.")
    return StreamTicket(call_sid, stream.get("url"), stream_parameters(stream))


def _stream_in(verbs: tuple[TwimlVerb, ...]) -> TwimlVerb | None:
    return next((v.first("Stream") for v in verbs if v.name == "Connect"), None)


class CallerEnd:
    """The carrier's end of one media stream."""

    def __init__(self, sound: Sound) -> None:
        self._sound = sound
        self._up = TransitTimes()
        self.playback = PlaybackClock()
        self.up_s: list[float] = []
        """Seconds that each frame took to the model."""
        self.down_s: list[float] = []
        """Seconds that the first sound of each answer took to get here."""
        self._answer_at: float | None = None
        self._loop = asyncio.get_running_loop()
        self._frames = 0
        self._sequence = 1
        self._line: TextSocket | None = None
        self._stream_sid = f"MZ{next(_numbers):032x}"
        self._head = b""

    @property
    def frames_sent(self) -> int:
        return self._frames

    @property
    def lost(self) -> bool:
        return self._line is None or self._line.lost

    async def connect(self, entry: StreamTicket, account_sid: str, auth_token: str) -> None:
        """The handshake, `connected` and `start`."""
        headers = {SIGNATURE: signature(auth_token, entry.url)}
        self._line = await open_socket(entry.url, headers, self._hear)
        if self._line.lost:
            raise ServiceUnreachable("The gateway refused a media stream: see its log.")
        self._line.post(wire.encode(wire.Connected()))
        form = wire.MediaFormat(wire.MULAW_ENCODING, 8000, 1)
        body = wire.StartBody(
            account_sid, self._stream_sid, entry.call_sid, form, ["inbound"], entry.parameters
        )
        self._line.post(wire.encode(wire.Start(self._stream_sid, body)))

    def expect_answer(self, now: float) -> None:
        """The model has begun to speak: the next sound is the first of its answer."""
        self._answer_at = now

    def passed(self, ms: float, now: float) -> None:
        """Count sound that has reached the model."""
        self.up_s += self._up.leave(ms, now)

    def hang_up(self) -> None:
        if self._line is not None:
            self._line.post(wire.encode(wire.Stop(self._stream_sid, wire.StopBody())))
            self._line.close()

    def speak(self) -> None:
        """Send the next 20 ms."""
        number, payloads = self._frames, self._sound.frames
        self._frames += 1
        self._sequence += 1
        message = (
            b'{"event":"media","sequenceNumber":"%d","streamSid":"%b","media":{"track":"inbound",'
            b'"chunk":"%d","timestamp":"%d","payload":"%b"}}'
        ) % (
            self._sequence,
            self._stream_sid.encode(),
            self._frames,
            number * FRAME_MS,
            payloads[number % len(payloads)],
        )
        self._up.enter(FRAME_MS, monotonic())
        if self._line is not None:
            self._line.post(message)

    def _hear(self, data: bytes | bytearray, now: float) -> None:
        event = wire.parse_outbound(bytes(data), self._stream_sid)
        if isinstance(event, wire.OutMedia):
            begun, self._answer_at = self._answer_at, None
            if begun is not None:
                self.down_s.append(now - begun)
            ms = len(event.media.payload) / MULAW_BYTES_PER_MS
            self.playback.media(ms, now, begins=begun is not None)
        elif isinstance(event, wire.OutMark):
            wait_s = max(0.0, self.playback.played_at() - now)
            self._loop.call_later(wait_s, self._echo, event.mark.name)

    def _echo(self, name: str) -> None:
        self._sequence += 1
        mark = wire.Mark(self._stream_sid, wire.MarkBody(name), str(self._sequence))
        if self._line is not None:
            self._line.post(wire.encode(mark))


class FrameTimer:
    """Has each caller send frames at a phase of their own; one timer for all of them."""

    def __init__(self) -> None:
        self.late_s: list[float] = []
        """By how much each beat missed its time: what comes in a burst will wait."""
        self._loop = asyncio.get_running_loop()
        self._due: list[tuple[float, int, float, CallerEnd]] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, caller: CallerEnd, phase: float, every_ms: float = FRAME_MS) -> None:
        """`phase` is the part of the period, 0 to 1, by which they are behind the others."""
        period_s = every_ms / 1000
        heappush(
            self._due, (self._loop.time() + (1 + phase) * period_s, id(caller), period_s, caller)
        )
        self._again()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _again(self) -> None:
        self.stop()
        self._timer = self._loop.call_at(self._due[0][0], self._beat)

    def _beat(self) -> None:
        due = self._due
        self.late_s.append(self._loop.time() - due[0][0])
        while due[0][0] <= self._loop.time():
            at, number, period_s, caller = due[0]
            heapreplace(due, (at + period_s, number, period_s, caller))
            caller.speak()
        self._again()
