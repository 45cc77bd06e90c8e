"""Output buffer of a SIP call: the model's sound, played in real time in frames of 20 ms.

Sans-I/O: it runs on its session's clock. On this path the server holds the output buffer, tells
its clients when it starts, stops and is cleared, and truncates by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from gateway.audio.g711 import MULAW_SILENCE
from gateway.simulator.audio.formats import WIRES, AudioFormatInfo
from gateway.simulator.openai.realtime.outbox import SimTimer

FRAME_MS: Final = 20
LINE: Final = WIRES["audio/pcmu"]
FRAME_BYTES: Final = FRAME_MS * LINE.bytes_per_ms


class Clockwork(Protocol):
    """Services that the output buffer uses of its session."""

    @property
    def now_s(self) -> float: ...
    def emit(self, kind: str, **fields: Any) -> None: ...
    def at(self, delay_s: float, action: Callable[[], None]) -> SimTimer: ...


@dataclass
class _Piece:
    item_id: str
    audio: bytes


class _Answer:
    """Sound of one response that is not played yet."""

    def __init__(self) -> None:
        self.pieces: deque[_Piece] = deque()
        self.complete = False

    @property
    def size_bytes(self) -> int:
        return sum(len(piece.audio) for piece in self.pieces)


class OutputBuffer:
    """Output buffer of a session: `play` fills it, `send` gets the frames and their times."""

    def __init__(self, send: Callable[[bytes, float], None]) -> None:
        self._send = send
        self._session: Clockwork | None = None
        self._answers: dict[str, _Answer] = {}
        """Sound by response, in order; the first one may be playing."""
        self._played: dict[str, int] = {}
        self._on_air = False
        self._running = False

    def bind(self, session: Clockwork) -> None:
        self._session = session

    @property
    def unplayed_ms(self) -> int:
        waiting = sum(answer.size_bytes for answer in self._answers.values())
        return waiting // LINE.bytes_per_ms

    # --- the session's side ---

    def play(self, response_id: str, item_id: str, audio: bytes, wire: AudioFormatInfo) -> None:
        if wire is not LINE:  # a response may ask for its own format; the line has one
            audio = LINE.pack(wire.unpack(audio))
        self._answers.setdefault(response_id, _Answer()).pieces.append(_Piece(item_id, audio))
        if not self._running:
            self._running = True
            self._tick()

    def end(self, response_id: str) -> None:
        """Mark the sound of a response as complete."""
        if response_id in self._answers:
            self._answers[response_id].complete = True

    def clear(self) -> list[tuple[str, int]]:
        """Stop the sound. Return the items that were cut, and how much of each was heard (ms)."""
        cut = {
            piece.item_id: self._played.get(piece.item_id, 0) // LINE.bytes_per_ms
            for answer in self._answers.values()
            for piece in answer.pieces
        }
        first = next(iter(self._answers), None)
        self._answers.clear()
        self._on_air = False
        if first:
            self._emit("cleared", first)
        return list(cut.items())

    # --- the clock's side ---

    def _tick(self) -> None:
        response_id = next(iter(self._answers), None)
        if response_id and self._is_over(self._answers[response_id]):
            del self._answers[response_id]
            if self._on_air:
                self._emit("stopped", response_id)
            self._on_air = False
            response_id = next(iter(self._answers), None)
        if response_id is None:
            self._running = False
            self._played.clear()
            return
        self._say(response_id)
        assert self._session is not None  # noqa: S101 - bound before anything is said
        self._session.at(FRAME_MS / 1000, self._tick)

    @staticmethod
    def _is_over(answer: _Answer) -> bool:
        return answer.complete and not answer.pieces

    def _say(self, response_id: str) -> None:
        """Send the next 20 ms, once there is a whole frame or the response is complete."""
        answer = self._answers[response_id]
        if answer.size_bytes < FRAME_BYTES and not (answer.complete and answer.pieces):
            return
        if not self._on_air:
            self._on_air = True
            self._emit("started", response_id)
        assert self._session is not None  # noqa: S101 - bound before anything is said
        self._send(self._frame(answer.pieces), self._session.now_s)

    def _frame(self, pieces: deque[_Piece]) -> bytes:
        frame = b""
        while pieces and len(frame) < FRAME_BYTES:
            piece = pieces[0]
            part = piece.audio[: FRAME_BYTES - len(frame)]
            frame += part
            self._played[piece.item_id] = self._played.get(piece.item_id, 0) + len(part)
            piece.audio = piece.audio[len(part) :]
            if not piece.audio:
                pieces.popleft()
        return frame.ljust(FRAME_BYTES, MULAW_SILENCE)

    def _emit(self, what: str, response_id: str) -> None:
        assert self._session is not None  # noqa: S101 - bound before anything is said
        self._session.emit(f"output_audio_buffer.{what}", response_id=response_id)
