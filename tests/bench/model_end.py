"""OpenAI's side under load: accepts every session, counts, and answers with prepared speech."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from time import monotonic
from typing import Any, Final

import msgspec
from websockets.server import ServerProtocol

from bench.sockets import TextSocket
from bench.sound import BYTES_PER_MS, Sound
from gateway import limits
from gateway.protocols import realtime_codec
from gateway.protocols import realtime_server as say

_APPEND: Final = b"input_audio_buffer.append"
_HEAD_BYTES: Final = 64
_WORDS: Final = ("Good morning, ", "and thank you ", "for calling. ", "Our office ", "is open.")
_numbers = count(1)


def _unheard(*_: float) -> None:
    pass


class ModelEnd:
    """One session of the model's server; its callbacks report what passes."""

    def __init__(self, sound: Sound, *, sideband: bool = False) -> None:
        self.sideband = sideband
        """True for a SIP call: the server plays the sound itself and only reports it."""
        self.on_sound: Callable[[float, float], object] = _unheard
        """Gets the milliseconds of each append, and when it was read."""
        self.on_answer: Callable[[float], object] = _unheard
        """Gets the moment at which the first sound of an answer leaves."""
        self._sound = sound
        self._bytes_per_ms = BYTES_PER_MS[sound.audio]
        self.line = TextSocket(
            ServerProtocol(max_size=limits.sockets.MODEL_MESSAGE_MAX_BYTES), self._hear
        )
        self.ready = asyncio.Event()
        self._id = next(_numbers)
        self._spoken_ms = 0.0
        self.answered_ms = 0.0
        """Milliseconds of speech that were sent."""

    async def begin(self) -> None:
        await self.line.opened.wait()
        self.greet()
        await self.ready.wait()

    def greet(self) -> None:
        """The first event of a session."""
        self._say(say.SessionCreated(session=say.SessionBody(id=f"sess_{self._id}")))

    def _say(self, event: say.Known) -> None:
        event.event_id = f"event_{next(_numbers)}"
        self.line.post(realtime_codec.encode(event))

    # --- What comes up ---

    def _hear(self, data: bytes | bytearray, now: float) -> None:
        if data.find(_APPEND, 0, _HEAD_BYTES) >= 0:
            ms = sound_bytes(data) / self._bytes_per_ms
            self._spoken_ms += ms
            self.on_sound(ms, now)
            return
        event: dict[str, Any] = msgspec.json.decode(data)
        if event["type"] == "session.update":
            self._agree(event["session"])

    def _agree(self, session: dict[str, Any]) -> None:
        audio = session.get("audio")
        self._say(say.SessionUpdated(session=say.SessionBody(id=f"sess_{self._id}", audio=audio)))
        self.ready.set()

    # --- What goes down ---

    async def converse(self, first_after_s: float) -> None:
        """Answer once a cycle until the connection is lost."""
        loop, pattern = asyncio.get_running_loop(), self._sound.pattern
        at = loop.time() + first_after_s
        while not self.line.lost:
            await asyncio.sleep(at - loop.time())
            item = f"item_{next(_numbers)}"
            self._say(say.SpeechStarted(audio_start_ms=int(self._spoken_ms), item_id=item))
            await asyncio.sleep(pattern.caller_speaks_s)
            self._say(say.SpeechStopped(audio_end_ms=int(self._spoken_ms), item_id=item))
            self._say(say.Committed(item_id=item))
            await asyncio.sleep(pattern.thinks_s)
            await self._answer(f"resp_{next(_numbers)}", f"item_{next(_numbers)}")
            at += pattern.cycle_s

    async def _answer(self, response_id: str, item_id: str) -> None:
        item = say.Item(type="message", id=item_id, role="assistant", status="in_progress")
        self._say(say.ResponseCreated(response=say.Response(response_id, "in_progress")))
        self._say(say.OutputItemAdded(response_id=response_id, item=item))
        self._say(say.ItemAdded(item=item))
        faster = self._sound.pattern.faster
        for number, delta in enumerate(self._sound.deltas):
            if number == 0:
                self.on_answer(monotonic())
            if not self.sideband:
                self._say(say.AudioDelta(response_id=response_id, item_id=item_id, delta=delta))
                self.answered_ms += len(delta) / self._bytes_per_ms
            elif number == 0:
                self._say(say.PlaybackStarted(response_id=response_id))
            word = _WORDS[number % len(_WORDS)]
            self._say(say.TranscriptDelta(response_id=response_id, item_id=item_id, delta=word))
            await asyncio.sleep(len(delta) / self._bytes_per_ms / 1000 / faster)
        self._finish(response_id, item_id)

    def _finish(self, response_id: str, item_id: str) -> None:
        item = say.Item(type="message", id=item_id, role="assistant", status="completed")
        self._say(say.AudioDone(response_id=response_id, item_id=item_id))
        text = "".join(_WORDS)
        self._say(say.TranscriptDone(response_id=response_id, item_id=item_id, transcript=text))
        self._say(say.ItemDone(item=item))
        self._say(say.OutputItemDone(response_id=response_id, item=item))
        usage = say.Usage(total_tokens=300, input_tokens=220, output_tokens=80)
        response = say.Response(response_id, "completed", output=[item], usage=usage)
        self._say(say.ResponseDone(response=response))
        limit = say.RateLimit("tokens", 40_000, 39_000, 60)
        self._say(say.RateLimitsUpdated(rate_limits=[limit]))
        if self.sideband:
            self._say(say.PlaybackStopped(response_id=response_id))


def sound_bytes(append: bytes | bytearray) -> int:
    """Return how many bytes of sound an append holds; its base64 ends the text."""
    end = append.rindex(b'"')
    begin = append.rindex(b'"', 0, end) + 1
    return (end - begin) * 3 // 4 - append.count(b"=", end - 2, end)
