"""Responder of a session: one response at a time in the conversation, others out of band."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from gateway.simulator.audio.formats import AudioFormatInfo, wire_of
from gateway.simulator.audio.tts import Voice, language_of
from gateway.simulator.openai.realtime.conversation import SimConversation, SimItem, head_of
from gateway.simulator.openai.realtime.dialogue import Ask, SimDialogue, language_for
from gateway.simulator.openai.realtime.mcp_tools import HostedServers
from gateway.simulator.openai.realtime.outbox import JournalWriter, Outbox
from gateway.simulator.openai.realtime.response import SimResponse
from gateway.simulator.openai.realtime.script import ErrorSpec, FaultBudget, Script, ScriptStep
from gateway.simulator.openai.realtime.validation import InvalidValue

OUT_OF_BAND_MAX: Final = 16
TOKENS_PER_MINUTE: Final = 40_000


class AudioSink(Protocol):
    """Destination of the sound of responses where it is not sent as events (SIP)."""

    def play(self, response_id: str, item_id: str, audio: bytes, wire: AudioFormatInfo) -> None: ...

    def end(self, response_id: str) -> None: ...

    def clear(self) -> list[tuple[str, int]]:
        """Stop the sound. Return the items that were cut, and how much of each was heard (ms)."""


@dataclass
class NewInput:
    """New content of the conversation since the last response."""

    spoken_ms: int | None = None
    texts: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    images: int = 0

    def add_speech(self, ms: int) -> None:
        self.spoken_ms = (self.spoken_ms or 0) + ms

    def add_item(self, body: dict[str, Any]) -> None:
        """Add an item of a client."""
        if body["type"] == "function_call_output":
            self.outputs.append(body["output"])
        elif body.get("role") == "user":
            for part in body["content"]:
                if part.get("type") == "input_text":
                    self.texts.append(part.get("text") or "")
                elif part.get("type") == "input_image":
                    self.images += 1


class Responder:
    """Responses of one session."""

    def __init__(
        self,
        outbox: Outbox,
        script: Script,
        faults: FaultBudget,
        voice: Voice,
        sink: AudioSink | None,
    ) -> None:
        self.conversation = SimConversation()
        self.conversation_id = outbox.new_id("conv")
        self.new_input = NewInput()
        self.last_words: tuple[bytes, AudioFormatInfo] | None = None
        self.spoken = False
        self.active: SimResponse | None = None
        self.done_playing_s = 0.0
        self.ended_s = float("-inf")
        """When the last response ended."""
        self._outbox, self._script, self._faults = outbox, script, faults
        self._voice, self._sink = voice, sink
        self._dialogue = SimDialogue(script)
        self._others: dict[str, SimResponse] = {}
        self.hosted = HostedServers(outbox, self.conversation, self._on_output)
        self._session: dict[str, Any] = {}

    def _on_output(self, output: str) -> None:
        """Take the output of a hosted MCP call, which is in the conversation by now."""
        self.new_input.outputs.append(output)
        if self._script.mcp_goes_on and self.active is None:
            self.create(self._session, {})

    # --- creating and cancelling ---

    def create(
        self, session: dict[str, Any], params: dict[str, Any], *, idle: bool = False
    ) -> None:
        """Begin a response. Raises InvalidValue while another one runs."""
        beside = params.get("conversation") == "none"
        if self.active and not beside:
            raise InvalidValue(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self.active.id}. "
                "Wait until the response is finished before creating a new one.",
            )
        if beside and len(self._others) >= OUT_OF_BAND_MAX:
            raise InvalidValue("rate_limit_exceeded", "Too many responses at once.")
        self._session = session
        items = self._context(params.get("input"))
        new_input = (
            self._input_of(params.get("input")) if "input" in params or beside else self.new_input
        )
        if new_input is self.new_input:
            self.new_input = NewInput()
        self._begin(session, params, new_input, items, beside=beside, idle=idle)

    def _context(self, given: list[dict[str, Any]] | None) -> list[SimItem] | None:
        if given is None:
            return None
        items: list[SimItem] = []
        for body in given:
            found = self.conversation.find(body["id"]) if "id" in body else None
            if body["type"] == "item_reference" and found is None:
                raise InvalidValue(
                    "invalid_value", f"Item '{body['id']}' not found.", "response.input"
                )
            items.append(found or SimItem(body))
        return items

    def _input_of(self, given: list[dict[str, Any]] | None) -> NewInput:
        new_input = NewInput()
        for body in given or ():
            if body["type"] != "item_reference":
                new_input.add_item(body)
        return new_input

    def _begin(
        self,
        session: dict[str, Any],
        params: dict[str, Any],
        new_input: NewInput,
        items: list[SimItem] | None,
        *,
        beside: bool,
        idle: bool,
    ) -> None:
        chosen = {**session, **{k: v for k, v in params.items() if v is not None}}
        output = self._output(session, params)
        tools = _names(chosen) if chosen["tool_choice"] != "none" else frozenset()
        response = self._response(chosen, output, params.get("metadata"), beside=beside)
        ask = _ask(params, new_input, tools, self._language(), idle=idle)
        aside = beside and chosen["output_modalities"] == ["text"]
        plan = self._script.out_of_band if aside else self._dialogue.answer(ask)
        plan = [self._recalling(step) for step in plan]
        instructions = chosen.get("instructions")
        running = SimResponse(
            self,
            response=response,
            plan=plan,
            wire=wire_of(output["format"]),
            usage_in=self.conversation.bill(head_of(instructions, chosen["tools"]), items),
            tools=tools,
            speed=self._script.speed,
            think_ms=self._script.think_ms,
            in_conversation=not beside,
        )
        if beside:
            self._others[running.id] = running
        else:
            self.active = running
        self.log("create", response_id=running.id, instructions=params.get("instructions"))
        self.emit("response.created", response=response)
        self.emit("rate_limits.updated", rate_limits=[self._rate_limit(running)])
        self._go_on(running, running.run())

    def recall(self, body: dict[str, Any]) -> None:
        """Take a client's item; words of the assistant are those of an earlier session."""
        self.new_input.add_item(body)
        if body.get("role") == "assistant":
            turns = sum(item.kind == "user" for item in self.conversation.items)
            self._dialogue.remember(turns)
            self.new_input = NewInput()

    def _recalling(self, step: ScriptStep) -> ScriptStep:
        """Return a `recall` step as the words to say, from any item of the conversation."""
        if step.recall is None:
            return step
        said = (words for item in self.conversation.items for words in item.words())
        found = next((match for words in said if (match := re.search(step.recall, words))), None)
        on_done = f"It is {found[1]}." if found else "I do not know it."
        return step.model_copy(update={"say": on_done, "recall": None})

    def _output(self, session: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
        """Return the output settings: a response's own take precedence over the session's."""
        own = (params.get("audio") or {}).get("output") or {}
        given = {key: value for key, value in own.items() if value}
        return {**session["audio"]["output"], **given}

    def _response(
        self, chosen: dict[str, Any], output: dict[str, Any], metadata: Any, *, beside: bool
    ) -> dict[str, Any]:
        voice = output["voice"]
        return {
            "object": "realtime.response",
            "id": self.new_id("resp"),
            "status": "in_progress",
            "status_details": None,
            "output": [],
            "conversation_id": None if beside else self.conversation_id,
            "output_modalities": chosen["output_modalities"],
            "max_output_tokens": chosen["max_output_tokens"],
            "audio": {
                "output": {
                    "format": output["format"],
                    "voice": voice if isinstance(voice, str) else voice["id"],
                }
            },
            "usage": None,
            "metadata": metadata,
        }

    def _rate_limit(self, running: SimResponse) -> dict[str, Any]:
        left = max(0, TOKENS_PER_MINUTE - running.tokens_in)
        reset_s = round((TOKENS_PER_MINUTE - left) * 60 / TOKENS_PER_MINUTE, 3)
        limit = TOKENS_PER_MINUTE
        return {"name": "tokens", "limit": limit, "remaining": left, "reset_seconds": reset_s}

    def _go_on(self, running: SimResponse, pauses: Iterator[float]) -> None:
        pause_s = None if running.over else next(pauses, None)
        if pause_s is not None and not running.over:
            self._outbox.at(pause_s, lambda: self._go_on(running, pauses))
        else:
            self._ended(running)

    def _ended(self, running: SimResponse) -> None:
        self.ended_s = self._outbox.now_s
        self._others.pop(running.id, None)
        if self._sink:
            self._sink.end(running.id)
        if running is self.active:
            self.active = None
            self.done_playing_s = self._outbox.now_s + running.audio_ms / 1000

    def cancel(self, reason: str, response_id: str | None = None) -> bool:
        """Cancel a response. Return whether there was one."""
        running = self.active if response_id is None else self._running(response_id)
        if running is None:
            return False
        running.cut(reason)
        self._ended(running)
        return True

    def clear_playback(self) -> None:
        """Clear the output buffer; on SIP the server truncates the items by itself."""
        for item_id, audio_end_ms in self._sink.clear() if self._sink else ():
            if self.conversation.find(item_id) is None:
                continue
            self.conversation.truncate(item_id, 0, audio_end_ms)
            facts = {"item_id": item_id, "audio_end_ms": audio_end_ms}
            self.log("truncated", **facts)
            self.emit("conversation.item.truncated", content_index=0, **facts)

    def _running(self, response_id: str) -> SimResponse | None:
        if self.active and self.active.id == response_id:
            return self.active
        return self._others.get(response_id)

    # --- the stage ---

    def emit(self, kind: str, **fields: Any) -> None:
        self._outbox.emit(kind, **fields)

    @property
    def log(self) -> JournalWriter:
        return self._outbox.log

    def new_id(self, prefix: str) -> str:
        return self._outbox.new_id(prefix)

    def add_item(self, item: SimItem) -> str | None:
        return self.conversation.insert(item)

    def _language(self) -> str:
        hears = self._session["audio"]["input"]["transcription"] or {}
        return language_for(self._session.get("instructions") or "", hears.get("language"))

    def spoken_audio(self, step: ScriptStep, wire: AudioFormatInfo) -> tuple[bytes, str]:
        """Return the sound of a step in this format, and its words."""
        if step.say is not None:
            hint = self._script.language or self._language()
            language = language_of(step.say, "en" if hint == "ar" else hint)
            speed = self._session["audio"]["output"]["speed"] or 1.0
            return self._voice.say(step.say, language, wire.name, speed), step.say
        if self.last_words is None:
            return b"", ""
        audio, heard_on = self.last_words
        if heard_on is not wire:
            audio = wire.pack(heard_on.unpack(audio))
        return audio, f"({wire.ms(len(audio)) / 1000:.1f} s of the caller's own voice)"

    def deliver_audio(
        self, response_id: str, item_id: str, audio: bytes, wire: AudioFormatInfo
    ) -> bool:
        """Deliver sound. Return whether it has to be sent as an event."""
        self.spoken = True
        if self._sink:
            self._sink.play(response_id, item_id, audio, wire)
        return self._sink is None

    def should_run(self, step: ScriptStep) -> bool:
        return self._faults.consume(step)

    def stall(self, ms: int) -> None:
        self.log("stalled", ms=ms)
        self._outbox.stall(ms)

    def send_error(self, error: ErrorSpec) -> None:
        self._outbox.error(error.type, error.code, error.message)
        self.log("error_sent", code=error.code)

    def close(self, code: int) -> None:
        self._outbox.close(code, "scripted")


def _ask(
    params: dict[str, Any], new_input: NewInput, tools: frozenset[str], language: str, *, idle: bool
) -> Ask:
    return Ask(
        instructions=params.get("instructions"),
        spoken_ms=new_input.spoken_ms,
        idle=idle,
        texts=tuple(new_input.texts),
        images=new_input.images,
        outputs=tuple(new_input.outputs),
        tools=tools,
        language=language,
    )


def _names(chosen: dict[str, Any]) -> frozenset[str]:
    return frozenset(tool["name"] for tool in chosen["tools"] or () if "name" in tool)
