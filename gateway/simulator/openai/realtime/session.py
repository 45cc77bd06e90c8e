"""GA Realtime session, sans I/O: messages and clock readings in, messages and timers out.

How the caller's sound arrives and where the answer's sound goes is not decided here: `hear` takes
it from anywhere, and a `AudioSink` takes the answer where it does not leave as events (SIP).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final

from gateway.simulator.audio.formats import wire_of
from gateway.simulator.audio.tts import Voice
from gateway.simulator.openai.realtime import session_config
from gateway.simulator.openai.realtime.client_events import (
    APPEND_MAX_BYTES,
    Append,
    check_event,
    read,
)
from gateway.simulator.openai.realtime.conversation import SimItem, from_client, pictures_of
from gateway.simulator.openai.realtime.outbox import Close, JournalWriter, Outbox, SimTimer
from gateway.simulator.openai.realtime.responder import AudioSink, Responder
from gateway.simulator.openai.realtime.script import FaultBudget, Script
from gateway.simulator.openai.realtime.turn_detector import TurnDetector
from gateway.simulator.openai.realtime.validation import InvalidValue

METADATA_MAX: Final = 16
METADATA_KEY_CHARS: Final = 64
METADATA_VALUE_CHARS: Final = 512
ITEM_ID_MAX_CHARS: Final = 64
CROSSING_S: Final = 1.0
"""How long `response.done` may be on its way to a client on a busy machine, and its cancel back."""


class SimModelSession:
    """Session: `open`, then `receive` and `tick`; after each, send `take_messages`."""

    def __init__(
        self,
        *,
        model: str,
        script: Script,
        faults: FaultBudget,
        voice: Voice,
        log: JournalWriter,
        unix_s: float,
        seed: int,
        sink: AudioSink | None = None,
    ) -> None:
        self._outbox = Outbox(log, seed)
        self._script, self._faults, self._sink = script, faults, sink
        self._responder = Responder(self._outbox, script, faults, voice, sink)
        expires_at = int(unix_s + script.session_seconds)
        format_ = "audio/pcmu" if sink else "audio/pcm"
        session_id = self._outbox.new_id("sess")
        self.settings = session_config.initial(session_id, model, expires_at, format_)
        self._listener = TurnDetector(
            self._outbox, self._responder, lambda: self.settings, script.hears
        )
        self._was_active = False
        self.hosted = self._responder.hosted
        self.on_step: Callable[[Callable[[], None]], None] = lambda step: step()
        """Runs a step now and sends its messages; set by the owner of the clock."""
        self._handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "session.update": self._update,
            "input_audio_buffer.commit": lambda _: self._listener.commit(),
            "input_audio_buffer.clear": lambda _: self._listener.clear(),
            "output_audio_buffer.clear": self._clear_output,
            "conversation.item.create": self._create_item,
            "conversation.item.delete": self._delete_item,
            "conversation.item.retrieve": self._retrieve_item,
            "conversation.item.truncate": self._truncate_item,
            "response.create": self._create_response,
            "response.cancel": self._cancel_response,
        }

    @property
    def id(self) -> str:
        return str(self.settings["id"])

    @property
    def log(self) -> JournalWriter:
        """Writes entries of this session to the journal."""
        return self._outbox.log

    @property
    def heard_bytes(self) -> int:
        """Bytes of audio appended so far."""
        return self._listener.heard_bytes

    # --- the shell's side ---

    def open(self, now_s: float) -> None:
        self._outbox.advance(now_s)
        self.introduce()
        self._outbox.at(self._script.session_seconds, self._expire)

    def introduce(self) -> None:
        """Send the first events, also to a client that joins a running call."""
        self._outbox.emit("session.created", session=self.settings)
        conversation = {"id": self._responder.conversation_id, "object": "realtime.conversation"}
        self._outbox.emit("conversation.created", conversation=conversation)

    def receive(self, message: bytes, now_s: float) -> None:
        """Handle one text message of the client."""
        self._outbox.advance(now_s)
        event: dict[str, Any] = {}
        try:
            read_event = read(message)
            if isinstance(read_event, Append):
                event = {"type": "input_audio_buffer.append", "event_id": read_event.event_id}
                self._append(read_event.audio)
            else:
                event = read_event
                check_event(event)
                self._handlers[event["type"]](event)
        except InvalidValue as refusal:
            self._outbox.refuse(refusal, event)
        self._watch_responses()

    def refuse_binary(self, now_s: float) -> None:
        """Refuse a binary message: the protocol has none."""
        self._outbox.advance(now_s)
        self._outbox.refuse(InvalidValue("invalid_event", "Binary messages are not supported."), {})

    def hear(self, audio: bytes, now_s: float) -> None:
        """Handle the caller's sound in the session's input format."""
        self._outbox.advance(now_s)
        self._listener.write(audio)
        self._watch_responses()

    def tick(self, now_s: float) -> None:
        """Run the timers that are due."""
        self._outbox.advance(now_s)
        self._watch_responses()

    def run_step(self, step: Callable[[], None]) -> None:
        """Run a step on the clock of the current owner."""
        self.on_step(step)

    def resume(self, step: Callable[[], None], now_s: float) -> None:
        """Run a step that completes something from outside the session."""
        self._outbox.advance(now_s)
        step()
        self._watch_responses()

    def due(self) -> float | None:
        """Return when `tick` is due."""
        return self._outbox.due()

    def take_messages(self) -> list[bytes | Close]:
        return self._outbox.take_messages()

    def emit(self, kind: str, **fields: Any) -> None:
        """Send an event of the connector's playback."""
        self._outbox.emit(kind, **fields)

    @property
    def now_s(self) -> float:
        """Time up to which the session has run."""
        return self._outbox.now_s

    def at(self, delay_s: float, action: Callable[[], None]) -> SimTimer:
        """Start a timer on the session's clock."""
        return self._outbox.at(delay_s, action)

    def reopen(self) -> None:
        """Continue after a scripted close: on SIP the call outlives its sockets."""
        self._outbox.closing = False

    def _watch_responses(self) -> None:
        active = self._responder.active is not None
        if active != self._was_active:
            self._was_active = active
            if active:
                self._listener.cancel_idle_timeout()
            else:
                self._listener.response_over(self._responder.done_playing_s)

    def _expire(self) -> None:
        minutes = max(1, round(self._script.session_seconds / 60))
        message = f"Your session hit the maximum duration of {minutes} minutes."
        self._outbox.error("invalid_request_error", "session_expired", message)
        self._outbox.log("error_sent", code="session_expired")
        self._outbox.close(1001, "session_expired")

    # --- client events ---

    def _append(self, audio: bytes) -> None:
        if self._sink is not None:
            raise InvalidValue("invalid_event", "The audio of this call comes by SIP.", "type")
        if len(audio) > APPEND_MAX_BYTES:
            raise InvalidValue("invalid_value", "More than 15 MiB of audio in one event.", "audio")
        self._listener.write(audio)

    def _update(self, event: dict[str, Any]) -> None:
        fault = self._script.on_update
        self.configure(event["session"])
        strikes = fault is not None and self._faults.consume(fault)
        if fault and strikes and fault.ignore:
            return
        echo = _laid_over(self.settings, fault.echo) if fault and strikes else self.settings
        self._outbox.emit("session.updated", session=echo)

    def configure(self, update: dict[str, Any]) -> None:
        """Merge an update that fits the types. Raises InvalidValue for values out of range."""
        if self._sink is not None:
            update = session_config.without_formats(update, self._outbox.log)
        spoken = self._responder.spoken
        self.settings = session_config.merged(self.settings, update, spoken=spoken)
        self._listener.configure()
        self.hosted.configure(self.settings["tools"])

    def _create_item(self, event: dict[str, Any]) -> None:
        body, known = event["item"], self._responder.conversation.call_ids
        item_id = body.get("id") or self._outbox.new_id("item")
        if len(item_id) > ITEM_ID_MAX_CHARS:
            raise InvalidValue("string_above_max_length", "'item.id' is too long.", "item.id")
        wire = wire_of(self.settings["audio"]["input"]["format"])
        item = from_client(body, item_id, wire, known)
        approval = body if body["type"] == "mcp_approval_response" else None
        awaited = self.hosted.take_pending(approval["approval_request_id"]) if approval else None
        previous = self._responder.conversation.insert(item, event.get("previous_item_id"))
        self._responder.recall(item.body)
        for picture in pictures_of(body):
            self._outbox.log("picture", item_id=item_id, **picture)
        if body["type"] == "function_call_output":
            facts = {"call_id": body["call_id"], "output": body["output"]}
            self._outbox.log("tool_output", **facts)
        for kind in ("conversation.item.added", "conversation.item.done"):
            self._outbox.emit(kind, item=item.body, previous_item_id=previous)
        if approval and awaited:
            self.hosted.resolve(awaited, approve=bool(approval["approve"]))

    def _delete_item(self, event: dict[str, Any]) -> None:
        self._responder.conversation.delete(event["item_id"])
        self._outbox.log("deleted", item_id=event["item_id"])
        self._outbox.emit("conversation.item.deleted", item_id=event["item_id"])

    def _retrieve_item(self, event: dict[str, Any]) -> None:
        item = self._responder.conversation.find(event["item_id"])
        if item is None:
            message = f"Item with item_id not found: '{event['item_id']}'."
            raise InvalidValue("item_retrieve_invalid_item_id", message, "item_id")
        self._outbox.emit("conversation.item.retrieved", item=_with_audio(item))

    def _truncate_item(self, event: dict[str, Any]) -> None:
        at = {key: event[key] for key in ("item_id", "content_index", "audio_end_ms")}
        self._responder.conversation.truncate(**at)
        self._outbox.log("truncated", item_id=at["item_id"], audio_end_ms=at["audio_end_ms"])
        self._outbox.emit("conversation.item.truncated", **at)

    def _create_response(self, event: dict[str, Any]) -> None:
        params = event.get("response") or {}
        session_config.refuse(params, self.settings["model"], "response")
        _check_metadata(params.get("metadata") or {})
        if params.get("conversation") not in (None, "auto", "none"):
            message = "'conversation' is 'auto' or 'none'."
            raise InvalidValue("invalid_value", message, "response.conversation")
        self._responder.create(self.settings, params)

    def _cancel_response(self, event: dict[str, Any]) -> None:
        if not self._responder.cancel("client_cancelled", event.get("response_id")):
            message = "Cancellation failed: no active response found"
            crossed = self._outbox.now_s - self._responder.ended_s < CROSSING_S
            raise InvalidValue("response_cancel_not_active", message, crossed=crossed)

    def _clear_output(self, _event: dict[str, Any]) -> None:
        if self._sink is None:
            message = "'output_audio_buffer.clear' is for WebRTC and SIP sessions."
            raise InvalidValue("invalid_event", message, "type")
        self._responder.cancel("client_cancelled")
        self._responder.clear_playback()


def _with_audio(item: SimItem) -> dict[str, Any]:
    if not item.audio:
        return item.body
    content = [{**item.body["content"][0], "audio": item.audio}]
    return {**item.body, "content": content}


def _check_metadata(metadata: dict[str, str]) -> None:
    fits = len(metadata) <= METADATA_MAX and all(
        len(key) <= METADATA_KEY_CHARS and len(value) <= METADATA_VALUE_CHARS
        for key, value in metadata.items()
    )
    if not fits:
        message = "At most 16 pairs, keys of 64 and values of 512 characters."
        raise InvalidValue("invalid_value", message, "response.metadata")


def _laid_over(base: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of `base` with the leaves of the patch."""
    result = deepcopy(base)
    for key, value in patch.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _laid_over(result[key], value) if both else value
    return result
