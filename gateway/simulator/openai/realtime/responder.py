"""Who makes responses: one at a time on the conversation, and others beside it."""

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
from gateway.simulator.openai.realtime.outbox import JournalNote, Outbox
from gateway.simulator.openai.realtime.response import SimResponse
from gateway.simulator.openai.realtime.script import ErrorSpec, FaultBudget, Script, ScriptStep
from gateway.simulator.openai.realtime.validation import InvalidValue

OUT_OF_BAND_MAX: Final = 16
TOKENS_PER_MINUTE: Final = 40_000


class Sink(Protocol):
    """Where the answer's sound goes when it does not leave as events (SIP)."""

    def play(self, response_id: str, item_id: str, audio: bytes, wire: AudioFormatInfo) -> None: ...

    def end(self, response_id: str) -> None: ...

    def clear(self) -> list[tuple[str, int]]:
        """What was cut: item ids, and how much of each was heard (ms)."""


@dataclass
class News:
    """What has come into the conversation since the last response was begun."""

    spoken_ms: int | None = None
    texts: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    images: int = 0

    def spoke(self, ms: int) -> None:
        self.spoken_ms = (self.spoken_ms or 0) + ms

    def take_in(self, body: dict[str, Any]) -> None:
        """A client's item."""
        if body["type"] == "function_call_output":
            self.outputs.append(body["output"])
        elif body.get("role") == "user":
            for part in body["content"]:
                if part.get("type") == "input_text":
                    self.texts.append(part.get("text") or "")
                elif part.get("type") == "input_image":
                    self.images += 1


class Responder:
    """The stage of every performance of one session."""

    def __init__(
        self, outlet: Outbox, script: Script, faults: FaultBudget, voice: Voice, sink: Sink | None
    ) -> None:
        self.conversation = SimConversation()
        self.conversation_id = outlet.new_id("conv")
        self.news = News()
        self.last_words: tuple[bytes, AudioFormatInfo] | None = None
        self.spoken = False
        self.active: SimResponse | None = None
        self.done_playing_s = 0.0
        self._outlet, self._script, self._faults = outlet, script, faults
        self._voice, self._sink = voice, sink
        self._brain = SimDialogue(script)
        self._others: dict[str, SimResponse] = {}
        self.hosted = HostedServers(outlet, self.conversation, self._heard)
        self._session: dict[str, Any] = {}

    def _heard(self, output: str) -> None:
        """The output of a hosted MCP call is in the conversation."""
        self.news.outputs.append(output)
        if self._script.mcp_goes_on and self.active is None:
            self.create(self._session, {})

    # --- creating and cancelling ---

    def create(
        self, session: dict[str, Any], params: dict[str, Any], *, idle: bool = False
    ) -> None:
        """Begins a response. Raises `Refused` where one runs already."""
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
        news = self._news_of(params.get("input")) if "input" in params or beside else self.news
        if news is self.news:
            self.news = News()
        self._begin(session, params, news, items, beside=beside, idle=idle)

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

    def _news_of(self, given: list[dict[str, Any]] | None) -> News:
        news = News()
        for body in given or ():
            if body["type"] != "item_reference":
                news.take_in(body)
        return news

    def _begin(
        self,
        session: dict[str, Any],
        params: dict[str, Any],
        news: News,
        items: list[SimItem] | None,
        *,
        beside: bool,
        idle: bool,
    ) -> None:
        chosen = {**session, **{k: v for k, v in params.items() if v is not None}}
        output = self._output(session, params)
        tools = _names(chosen) if chosen["tool_choice"] != "none" else frozenset()
        response = self._response(chosen, output, params.get("metadata"), beside=beside)
        plan = self._brain.answer(_ask(params, news, tools, self._language(), idle=idle))
        plan = [self._recalling(step) for step in plan]
        instructions = chosen.get("instructions")
        performance = SimResponse(
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
            self._others[performance.id] = performance
        else:
            self.active = performance
        self.note("create", response_id=performance.id, instructions=params.get("instructions"))
        self.emit("response.created", response=response)
        self.emit("rate_limits.updated", rate_limits=[self._rate_limit(performance)])
        self._go_on(performance, performance.run())

    def recall(self, body: dict[str, Any]) -> None:
        """A client's item; the assistant's own words in it were said in an earlier session."""
        self.news.take_in(body)
        if body.get("role") == "assistant":
            turns = sum(item.kind == "user" for item in self.conversation.items)
            self._brain.remember(turns)
            self.news = News()

    def _recalling(self, step: ScriptStep) -> ScriptStep:
        """Whatever the conversation holds, in whatever session it was said."""
        if step.recall is None:
            return step
        said = (words for item in self.conversation.items for words in item.words())
        found = next((match for words in said if (match := re.search(step.recall, words))), None)
        told = f"It is {found[1]}." if found else "I do not know it."
        return step.model_copy(update={"say": told, "recall": None})

    def _output(self, session: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
        """How it sounds: a response's voice and format go before the session's."""
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

    def _rate_limit(self, performance: SimResponse) -> dict[str, Any]:
        left = max(0, TOKENS_PER_MINUTE - performance.tokens_in)
        reset_s = round((TOKENS_PER_MINUTE - left) * 60 / TOKENS_PER_MINUTE, 3)
        limit = TOKENS_PER_MINUTE
        return {"name": "tokens", "limit": limit, "remaining": left, "reset_seconds": reset_s}

    def _go_on(self, performance: SimResponse, pauses: Iterator[float]) -> None:
        pause_s = None if performance.over else next(pauses, None)
        if pause_s is not None and not performance.over:
            self._outlet.at(pause_s, lambda: self._go_on(performance, pauses))
        else:
            self._ended(performance)

    def _ended(self, performance: SimResponse) -> None:
        self._others.pop(performance.id, None)
        if self._sink:
            self._sink.end(performance.id)
        if performance is self.active:
            self.active = None
            self.done_playing_s = self._outlet.now_s + performance.audio_ms / 1000

    def cancel(self, reason: str, response_id: str | None = None) -> bool:
        """Cuts the response short; whether there was one."""
        performance = self.active if response_id is None else self._running(response_id)
        if performance is None:
            return False
        performance.cut(reason)
        self._ended(performance)
        return True

    def silence(self) -> None:
        """Cuts what is yet to be played: whoever holds the buffer (SIP) truncates by himself."""
        for item_id, audio_end_ms in self._sink.clear() if self._sink else ():
            if self.conversation.find(item_id) is None:
                continue
            self.conversation.truncate(item_id, 0, audio_end_ms)
            facts = {"item_id": item_id, "audio_end_ms": audio_end_ms}
            self.note("truncated", **facts)
            self.emit("conversation.item.truncated", content_index=0, **facts)

    def _running(self, response_id: str) -> SimResponse | None:
        if self.active and self.active.id == response_id:
            return self.active
        return self._others.get(response_id)

    # --- the stage ---

    def emit(self, kind: str, **fields: Any) -> None:
        self._outlet.emit(kind, **fields)

    @property
    def note(self) -> JournalNote:
        return self._outlet.note

    def new_id(self, prefix: str) -> str:
        return self._outlet.new_id(prefix)

    def add_item(self, item: SimItem) -> str | None:
        return self.conversation.insert(item)

    def _language(self) -> str:
        hears = self._session["audio"]["input"]["transcription"] or {}
        return language_for(self._session.get("instructions") or "", hears.get("language"))

    def spoken_audio(self, step: ScriptStep, wire: AudioFormatInfo) -> tuple[bytes, str]:
        """The sound of a step on this wire, and its words."""
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
        """Whether the sound leaves as an event."""
        self.spoken = True
        if self._sink:
            self._sink.play(response_id, item_id, audio, wire)
        return self._sink is None

    def happens(self, step: ScriptStep) -> bool:
        return self._faults.take(step)

    def stall(self, ms: int) -> None:
        self.note("stalled", ms=ms)
        self._outlet.stall(ms)

    def send_error(self, error: ErrorSpec) -> None:
        self._outlet.error(error.type, error.code, error.message)
        self.note("error_sent", code=error.code)

    def close(self, code: int) -> None:
        self._outlet.close(code, "scripted")


def _ask(
    params: dict[str, Any], news: News, tools: frozenset[str], language: str, *, idle: bool
) -> Ask:
    return Ask(
        instructions=params.get("instructions"),
        spoken_ms=news.spoken_ms,
        idle=idle,
        texts=tuple(news.texts),
        images=news.images,
        outputs=tuple(news.outputs),
        tools=tools,
        language=language,
    )


def _names(chosen: dict[str, Any]) -> frozenset[str]:
    return frozenset(tool["name"] for tool in chosen["tools"] or () if "name" in tool)
