"""One GA Realtime session without sockets or clocks: messages in, messages out, timers asked for.

How the caller's sound arrives and where the answer's sound goes is not decided here: `hear` takes
it from anywhere, and a `Sink` takes the answer where it does not leave as events (SIP).
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
from gateway.simulator.openai.realtime.outbox import Close, JournalNote, Outbox, SimTimer
from gateway.simulator.openai.realtime.responder import Responder, Sink
from gateway.simulator.openai.realtime.script import FaultBudget, Script
from gateway.simulator.openai.realtime.turn_detector import TurnDetector
from gateway.simulator.openai.realtime.validation import InvalidValue

METADATA_MAX: Final = 16
METADATA_KEY_CHARS: Final = 64
METADATA_VALUE_CHARS: Final = 512
ITEM_ID_MAX_CHARS: Final = 64


class SimModelSession:
    """`open`, then `receive` and `tick`; after each, `take` what is to be sent."""

    def __init__(
        self,
        *,
        model: str,
        script: Script,
        faults: FaultBudget,
        voice: Voice,
        note: JournalNote,
        unix_s: float,
        seed: int,
        sink: Sink | None = None,
    ) -> None:
        self._outlet = Outbox(note, seed)
        self._script, self._faults, self._sink = script, faults, sink
        self._responder = Responder(self._outlet, script, faults, voice, sink)
        expires_at = int(unix_s + script.session_seconds)
        format_ = "audio/pcmu" if sink else "audio/pcm"
        session_id = self._outlet.new_id("sess")
        self.settings = session_config.initial(session_id, model, expires_at, format_)
        self._listener = TurnDetector(
            self._outlet, self._responder, lambda: self.settings, script.hears
        )
        self._was_active = False
        self.hosted = self._responder.hosted
        self.wake: Callable[[Callable[[], None]], None] = lambda step: step()
        """Carries out a step now, and sends what comes of it; the owner of the clock sets it."""
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
    def note(self) -> JournalNote:
        """The journal's pen for this session."""
        return self._outlet.note

    @property
    def heard_bytes(self) -> int:
        """Of audio appended so far."""
        return self._listener.heard_bytes

    # --- the shell's side ---

    def open(self, now_s: float) -> None:
        self._outlet.advance(now_s)
        self.introduce()
        self._outlet.at(self._script.session_seconds, self._expire)

    def introduce(self) -> None:
        """What every client is told first, one that joins a running call as well."""
        self._outlet.emit("session.created", session=self.settings)
        conversation = {"id": self._responder.conversation_id, "object": "realtime.conversation"}
        self._outlet.emit("conversation.created", conversation=conversation)

    def receive(self, message: bytes, now_s: float) -> None:
        """One text message of the client's."""
        self._outlet.advance(now_s)
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
            self._outlet.refuse(refusal, event)
        self._watch_responses()

    def refuse_binary(self, now_s: float) -> None:
        """The protocol has no binary messages."""
        self._outlet.advance(now_s)
        self._outlet.refuse(InvalidValue("invalid_event", "Binary messages are not supported."), {})

    def hear(self, audio: bytes, now_s: float) -> None:
        """The caller's sound, however it came, in the session's input format."""
        self._outlet.advance(now_s)
        self._listener.write(audio)
        self._watch_responses()

    def tick(self, now_s: float) -> None:
        """Does what is due."""
        self._outlet.advance(now_s)
        self._watch_responses()

    def woken(self, step: Callable[[], None]) -> None:
        """By whoever owns the clock at that moment."""
        self.wake(step)

    def told(self, step: Callable[[], None], now_s: float) -> None:
        """Something that was begun outside has come to its end."""
        self._outlet.advance(now_s)
        step()
        self._watch_responses()

    def due(self) -> float | None:
        """When `tick` wants to be called."""
        return self._outlet.due()

    def take(self) -> list[bytes | Close]:
        return self._outlet.take()

    def emit(self, kind: str, **fields: Any) -> None:
        """For a connector's own events (playback)."""
        self._outlet.emit(kind, **fields)

    @property
    def now_s(self) -> float:
        """The time that the session has got to."""
        return self._outlet.now_s

    def at(self, delay_s: float, action: Callable[[], None]) -> SimTimer:
        """On the session's clock."""
        return self._outlet.at(delay_s, action)

    def go_on(self) -> None:
        """The socket that a script closed was not the call: others may come (SIP)."""
        self._outlet.closing = False

    def _watch_responses(self) -> None:
        active = self._responder.active is not None
        if active != self._was_active:
            self._was_active = active
            if active:
                self._listener.rest()
            else:
                self._listener.response_over(self._responder.done_playing_s)

    def _expire(self) -> None:
        minutes = max(1, round(self._script.session_seconds / 60))
        message = f"Your session hit the maximum duration of {minutes} minutes."
        self._outlet.error("invalid_request_error", "session_expired", message)
        self._outlet.note("error_sent", code="session_expired")
        self._outlet.close(1001, "session_expired")

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
        strikes = fault is not None and self._faults.take(fault)
        if fault and strikes and fault.ignore:
            return
        echo = _laid_over(self.settings, fault.echo) if fault and strikes else self.settings
        self._outlet.emit("session.updated", session=echo)

    def configure(self, update: dict[str, Any]) -> None:
        """Merges what was checked against the types. Raises `Refused` for values out of range."""
        if self._sink is not None:
            update = session_config.without_formats(update, self._outlet.note)
        spoken = self._responder.spoken
        self.settings = session_config.merged(self.settings, update, spoken=spoken)
        self._listener.configure()
        self.hosted.configure(self.settings["tools"])

    def _create_item(self, event: dict[str, Any]) -> None:
        body, known = event["item"], self._responder.conversation.call_ids
        item_id = body.get("id") or self._outlet.new_id("item")
        if len(item_id) > ITEM_ID_MAX_CHARS:
            raise InvalidValue("string_above_max_length", "'item.id' is too long.", "item.id")
        wire = wire_of(self.settings["audio"]["input"]["format"])
        item = from_client(body, item_id, wire, known)
        approval = body if body["type"] == "mcp_approval_response" else None
        awaited = self.hosted.awaited(approval["approval_request_id"]) if approval else None
        previous = self._responder.conversation.insert(item, event.get("previous_item_id"))
        self._responder.recall(item.body)
        for picture in pictures_of(body):
            self._outlet.note("picture", item_id=item_id, **picture)
        if body["type"] == "function_call_output":
            facts = {"call_id": body["call_id"], "output": body["output"]}
            self._outlet.note("tool_output", **facts)
        for kind in ("conversation.item.added", "conversation.item.done"):
            self._outlet.emit(kind, item=item.body, previous_item_id=previous)
        if approval and awaited:
            self.hosted.answered(awaited, approve=bool(approval["approve"]))

    def _delete_item(self, event: dict[str, Any]) -> None:
        self._responder.conversation.delete(event["item_id"])
        self._outlet.note("deleted", item_id=event["item_id"])
        self._outlet.emit("conversation.item.deleted", item_id=event["item_id"])

    def _retrieve_item(self, event: dict[str, Any]) -> None:
        item = self._responder.conversation.find(event["item_id"])
        if item is None:
            message = f"Item with item_id not found: '{event['item_id']}'."
            raise InvalidValue("item_retrieve_invalid_item_id", message, "item_id")
        self._outlet.emit("conversation.item.retrieved", item=_with_audio(item))

    def _truncate_item(self, event: dict[str, Any]) -> None:
        at = {key: event[key] for key in ("item_id", "content_index", "audio_end_ms")}
        self._responder.conversation.truncate(**at)
        self._outlet.note("truncated", item_id=at["item_id"], audio_end_ms=at["audio_end_ms"])
        self._outlet.emit("conversation.item.truncated", **at)

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
            raise InvalidValue("response_cancel_not_active", message)

    def _clear_output(self, _event: dict[str, Any]) -> None:
        if self._sink is None:
            message = "'output_audio_buffer.clear' is for WebRTC and SIP sessions."
            raise InvalidValue("invalid_event", message, "type")
        self._responder.cancel("client_cancelled")
        self._responder.silence()


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
    """A copy of `base` with the patch's leaves in it."""
    result = deepcopy(base)
    for key, value in patch.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _laid_over(result[key], value) if both else value
    return result
