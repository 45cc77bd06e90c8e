"""Turn detection of a session: speech, commits, transcripts, idle timeouts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gateway.simulator.audio.formats import wire_of
from gateway.simulator.openai.realtime.conversation import SimItem
from gateway.simulator.openai.realtime.input_buffer import InputBuffer
from gateway.simulator.openai.realtime.outbox import Outbox, SimTimer
from gateway.simulator.openai.realtime.responder import Responder
from gateway.simulator.openai.realtime.vad import (
    SEMANTIC_WAIT_MS,
    VadSpeechStarted,
    VadSpeechStopped,
)
from gateway.simulator.openai.realtime.validation import InvalidValue

TRANSCRIPTION_S: Final = 0.15
BILLED_BY_TOKENS: Final = "gpt-4o"


class TurnDetector:
    """Commits appended audio as turns of the caller."""

    def __init__(
        self,
        outbox: Outbox,
        responder: Responder,
        settings: Callable[[], dict[str, Any]],
        hears: tuple[str, ...] = (),
    ) -> None:
        self._hears = hears
        self._outbox, self._responder, self._settings = outbox, responder, settings
        self._wire = wire_of(self._input["format"])
        self._buffer = InputBuffer(self._wire, self._input["turn_detection"])
        self._item_id: str | None = None
        self._from_ms = 0
        self._idle: SimTimer | None = None
        self.heard_bytes = 0

    @property
    def _input(self) -> dict[str, Any]:
        audio: dict[str, Any] = self._settings()["audio"]["input"]
        return audio

    def configure(self) -> None:
        """Apply an update of the session."""
        self._wire = wire_of(self._input["format"])
        self._buffer.configure(self._wire, self._input["turn_detection"])
        if not self._buffer.speaking:
            self._item_id = None

    def write(self, audio: bytes) -> None:
        self.heard_bytes += len(audio)
        for event in self._buffer.write(audio):
            if isinstance(event, VadSpeechStarted):
                self._started(event)
            else:
                self._stopped(event)

    def _started(self, event: VadSpeechStarted) -> None:
        self.cancel_idle_timeout()
        self._item_id, self._from_ms = self._outbox.new_id("item"), event.audio_start_ms
        self._outbox.emit(
            "input_audio_buffer.speech_started",
            audio_start_ms=event.audio_start_ms,
            item_id=self._item_id,
        )
        self._outbox.log("speech_started", audio_start_ms=event.audio_start_ms)
        if self._input["turn_detection"]["interrupt_response"]:
            self._responder.cancel("turn_detected")
            self._responder.clear_playback()

    def _stopped(self, event: VadSpeechStopped) -> None:
        item_id = self._item_id or self._outbox.new_id("item")
        self._item_id = None
        self._outbox.emit(
            "input_audio_buffer.speech_stopped", audio_end_ms=event.audio_end_ms, item_id=item_id
        )
        audio = self._buffer.take_audio(self._from_ms, event.audio_end_ms)
        self._add_turn(item_id, audio, event.speech_ms, _waited_ms(self._input["turn_detection"]))
        if self._input["turn_detection"]["create_response"]:
            self._respond()

    def _respond(self, *, idle: bool = False) -> None:
        try:
            self._responder.create(self._settings(), {}, idle=idle)
        except InvalidValue as error:  # nobody's event: the server's own attempt failed
            self._outbox.error(error.kind, error.code, error.message)
            self._outbox.log("error_sent", code=error.code)

    def commit(self) -> None:
        """Commit the buffer for the client: a user item, no response."""
        audio = self._buffer.commit()
        item_id, self._item_id = self._item_id or self._outbox.new_id("item"), None
        self._add_turn(item_id, audio, self._wire.ms(len(audio)), 0)

    def clear(self) -> None:
        self._buffer.clear()
        self._item_id = None
        self._outbox.emit("input_audio_buffer.cleared")

    def _add_turn(self, item_id: str, audio: bytes, speech_ms: int, silence_ms: int) -> None:
        """Add a committed turn as an item; its sound is retained for an echo."""
        item = self._user_item(item_id, audio)
        self._responder.new_input.add_speech(speech_ms)
        tail = silence_ms * self._wire.bytes_per_ms
        self._responder.last_words = (audio[: len(audio) - tail], self._wire)
        self._outbox.log("heard", item_id=item_id, ms=speech_ms)
        if self._input["transcription"]:
            self._outbox.at(TRANSCRIPTION_S, lambda: self._transcribe(item, speech_ms))

    def _user_item(self, item_id: str, audio: bytes) -> SimItem:
        body = {
            "id": item_id,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        self._forget_older()
        item = SimItem(body, self._wire.ms(len(audio)), audio)
        previous = self._responder.conversation.insert(item)
        emit = self._outbox.emit
        emit("input_audio_buffer.committed", item_id=item_id, previous_item_id=previous)
        emit("conversation.item.added", item=body, previous_item_id=previous)
        emit("conversation.item.done", item=body, previous_item_id=previous)
        return item

    def _forget_older(self) -> None:
        for item in self._responder.conversation.items:
            item.audio = b""

    def _transcribe(self, item: SimItem, speech_ms: int) -> None:
        transcript = self._written(item) or f"({speech_ms / 1000:.1f} s of speech)"
        model = (self._input["transcription"] or {}).get("model") or ""
        place = {"item_id": item.id, "content_index": 0}
        head = "conversation.item.input_audio_transcription"
        item.body["content"][0]["transcript"] = transcript
        self._outbox.emit(f"{head}.delta", **place, delta=transcript)
        self._outbox.emit(
            f"{head}.completed", **place, transcript=transcript, usage=_usage(model, item)
        )

    def _written(self, item: SimItem) -> str:
        """Return the script's transcript of this turn."""
        turns = [one for one in self._responder.conversation.items if one.kind == "user"]
        at = min(turns.index(item), len(self._hears) - 1) if item in turns else -1
        return self._hears[at] if self._hears and at >= 0 else ""

    # --- nobody speaks ---

    def cancel_idle_timeout(self) -> None:
        """Cancel the idle timeout."""
        if self._idle:
            self._idle.cancel()
            self._idle = None

    def response_over(self, done_playing_s: float) -> None:
        """Start the idle timeout, from the end of the playback of the answer."""
        self.cancel_idle_timeout()
        idle_ms = (self._input["turn_detection"] or {}).get("idle_timeout_ms")
        if idle_ms is not None and not self._buffer.speaking:
            when_s = done_playing_s + idle_ms / 1000
            self._idle = self._outbox.timers.at(when_s, lambda: self._idle_timed_out(idle_ms))

    def _idle_timed_out(self, idle_ms: int) -> None:
        if self._responder.active or self._buffer.speaking:
            return
        item_id, end_ms = self._outbox.new_id("item"), self._buffer.written_ms
        self._outbox.emit(
            "input_audio_buffer.timeout_triggered",
            audio_start_ms=max(0, end_ms - idle_ms),
            audio_end_ms=end_ms,
            item_id=item_id,
        )
        self._user_item(item_id, b"")
        self._outbox.log("idle", ms=idle_ms)
        self._respond(idle=True)


def _waited_ms(turn_detection: dict[str, Any]) -> int:
    if turn_detection["type"] == "semantic_vad":
        return SEMANTIC_WAIT_MS[turn_detection["eagerness"]]
    return int(turn_detection["silence_duration_ms"])


def _usage(model: str, item: SimItem) -> dict[str, Any]:
    """Return the usage of a transcription: by the minute, for the 4o family by tokens."""
    if not model.startswith(BILLED_BY_TOKENS):
        return {"type": "duration", "seconds": round(item.audio_ms / 1000, 3)}
    heard, written = item.tokens().audio, 8
    return {
        "type": "tokens",
        "total_tokens": heard + written,
        "input_tokens": heard,
        "input_token_details": {"text_tokens": 0, "audio_tokens": heard},
        "output_tokens": written,
    }
