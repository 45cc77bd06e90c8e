"""One running response: its events, and the pauses between them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import cycle
from typing import Any, Final, Protocol

from gateway.simulator.audio.formats import AudioFormatInfo
from gateway.simulator.openai.realtime.conversation import MODEL_TOKEN_MS, SimItem, text_tokens
from gateway.simulator.openai.realtime.mcp_tools import HostedServers
from gateway.simulator.openai.realtime.outbox import JournalWriter
from gateway.simulator.openai.realtime.script import CallSpec, ErrorSpec, ScriptStep

# Uneven on purpose, in samples of 1/8 ms: no client may hope for whole frames.
DELTA_EIGHTHS_MS: Final = (640, 1603, 1200, 2401, 1985, 2800)
WORDS_PER_TEXT_DELTA: Final = 3
TEXT_DELTA_S: Final = 0.02
ARGUMENT_DELTA_CHARS: Final = 24
ARGUMENT_DELTA_S: Final = 0.01
PREAMBLE_LATE_DELTAS: Final = 2
"""A preamble is done after so many deltas of the item behind it."""


OpenMessage = tuple[SimItem | None, list[str], int, str | None]
"""A message that is not done: item, words, bytes of sound, and the item before it."""


class ResponseHost(Protocol):
    """Services that a response uses of its session."""

    def emit(self, kind: str, **fields: Any) -> None: ...
    def new_id(self, prefix: str) -> str: ...
    @property
    def log(self) -> JournalWriter: ...
    def add_item(self, item: SimItem) -> str | None: ...
    def spoken_audio(self, step: ScriptStep, wire: AudioFormatInfo) -> tuple[bytes, str]: ...
    def should_run(self, step: ScriptStep) -> bool: ...
    def stall(self, ms: int) -> None: ...
    def send_error(self, error: ErrorSpec) -> None: ...
    def close(self, code: int) -> None: ...
    @property
    def hosted(self) -> HostedServers: ...
    def deliver_audio(
        self, response_id: str, item_id: str, audio: bytes, wire: AudioFormatInfo
    ) -> bool: ...


class SimResponse:
    """Response that runs as a generator of pauses in seconds and can be cancelled anywhere."""

    def __init__(
        self,
        host: ResponseHost,
        *,
        response: dict[str, Any],
        plan: list[ScriptStep],
        wire: AudioFormatInfo,
        usage_in: dict[str, Any],
        tools: frozenset[str],
        speed: float,
        think_ms: int,
        in_conversation: bool,
    ) -> None:
        self.response = response
        self.in_conversation = in_conversation
        self.audio_ms = 0
        self._host, self._plan, self._wire = host, plan, wire
        self._usage_in, self._tools = usage_in, tools
        self._speed, self._think_ms = speed, think_ms
        self._text_only = response["output_modalities"] == ["text"]
        self._sizes = cycle(DELTA_EIGHTHS_MS)
        self._item: SimItem | None = None
        self._words: list[str] = []
        self._item_audio_bytes = 0
        self._item_deltas = 0
        self._preamble: OpenMessage | None = None
        self._text_tokens = 0
        self._full = False
        self._previous: str | None = None
        self._calling: tuple[SimItem, dict[str, Any]] | None = None
        self.over = False

    @property
    def id(self) -> str:
        return str(self.response["id"])

    @property
    def tokens_in(self) -> int:
        return sum(int(self._usage_in[f"{kind}_tokens"]) for kind in ("text", "audio", "image"))

    def run(self) -> Iterator[float]:
        yield self._think_ms / 1000
        for step in self._plan:
            if self._host.should_run(step):
                yield from self._step(step)
            if self.over or self._full:
                break
        if not self.over:
            self._close_message("incomplete" if self._full else "completed")
            self._finish_whole()

    def _finish_whole(self) -> None:
        if self._full:
            self._finish("incomplete", {"type": "incomplete", "reason": "max_output_tokens"})
        else:
            self._finish("completed", {"type": "completed"})

    def cut(self, reason: str) -> None:
        """Cancel the response and send every `.done` that is due."""
        self._close_message("incomplete")
        self._close_call("incomplete")
        self._host.log("cancelled", response_id=self.id, reason=reason)
        self._finish("cancelled", {"type": "cancelled", "reason": reason})

    def _step(self, step: ScriptStep) -> Iterator[float]:
        if step.say is not None or step.echo:
            yield from self._speak(step)
        elif step.preamble is not None:
            yield from self._speak(step.model_copy(update={"say": step.preamble}))
            self._leave_open()
        elif step.call is not None and step.call.mcp is not None:
            yield from self._call_hosted(step.call.mcp, step.call)
        elif step.call is not None:
            yield from self._call(step.call.name, json.dumps(step.call.arguments))
        elif step.think_ms is not None:
            yield step.think_ms / 1000
        elif step.next_item:
            self._close_message("completed")
        else:
            self._fault_step(step)
            yield 0

    def _fault_step(self, step: ScriptStep) -> None:
        if step.stall_ms is not None:
            self._host.stall(step.stall_ms)
        elif step.error is not None:
            self._host.send_error(step.error)
        elif step.close is not None:
            self.over = True
            self._host.close(step.close)
        elif step.fail is not None:
            self._close_message("incomplete")
            self._finish("failed", {"type": "failed", "error": step.fail.model_dump()})

    # --- a message ---

    def _speak(self, step: ScriptStep) -> Iterator[float]:
        self._open_message()
        if self._text_only:
            yield from self._write(step.say or "")
            return
        audio, transcript = self._host.spoken_audio(step, self._wire)
        words = transcript.split()
        sent = on_done = 0
        while sent < len(audio) and not self._full:
            piece = audio[sent : sent + self._delta_bytes()]
            sent += len(piece)
            until = -(-len(words) * sent // len(audio))
            self._tell("response.output_audio_transcript.delta", words[on_done:until])
            on_done = until
            self._sound(piece)
            yield len(piece) / self._wire.bytes_per_ms / 1000 / self._speed

    def _write(self, text: str) -> Iterator[float]:
        words = text.split()
        for at in range(0, len(words), WORDS_PER_TEXT_DELTA):
            self._tell("response.output_text.delta", words[at : at + WORDS_PER_TEXT_DELTA])
            if self._full:
                return
            yield TEXT_DELTA_S

    def _delta_bytes(self) -> int:
        return next(self._sizes) * self._wire.hz // 8000 * self._wire.sample_bytes

    def _tell(self, kind: str, words: list[str]) -> None:
        if not words:
            return
        text = " ".join(words)
        delta = f" {text}" if self._words else text
        self._words.extend(words)
        self._text_tokens += text_tokens(delta)
        self._host.emit(kind, **self._place(), delta=delta)
        self._count()

    def _sound(self, piece: bytes) -> None:
        item = self._open_message()
        self._item_audio_bytes += len(piece)
        before_ms = item.audio_ms
        item.audio_ms = self._wire.ms(self._item_audio_bytes)
        self.audio_ms += item.audio_ms - before_ms
        if self._host.deliver_audio(self.id, item.id, piece, self._wire):
            self._host.emit("response.output_audio.delta", **self._place(), delta=piece)
        self._item_deltas += 1
        if self._item_deltas == PREAMBLE_LATE_DELTAS:
            self._close_preamble()
        self._count()

    def _count(self) -> None:
        limit = self.response["max_output_tokens"]
        self._full = isinstance(limit, int) and self._tokens_out() >= limit

    def _tokens_out(self) -> int:
        return self._text_tokens + -(-self.audio_ms // MODEL_TOKEN_MS)

    def _place(self) -> dict[str, Any]:
        return {
            "response_id": self.id,
            "item_id": self._open_message().id,
            "output_index": self._index(),
            "content_index": 0,
        }

    def _open_message(self) -> SimItem:
        if self._item is None:
            body = {"type": "message", "role": "assistant", "content": []}
            self._item, self._words = self._add(body), []
            self._item_audio_bytes = self._item_deltas = 0
            self._host.emit("response.content_part.added", **self._place(), part=self._part(""))
        return self._item

    def _part(self, text: str) -> dict[str, Any]:
        if self._text_only:
            return {"type": "text", "text": text}
        return {"type": "audio", "transcript": text}

    def _index(self) -> int:
        """Return the output index of the newest item."""
        return len(self.response["output"]) + (self._preamble is not None)

    def _leave_open(self) -> None:
        """Send nothing of the end of this message before the next one has begun."""
        if self._item is not None and not self._text_only:
            self._close_preamble()
            self._preamble = self._message()
            self._item = None

    def _message(self) -> OpenMessage:
        return self._item, self._words, self._item_audio_bytes, self._previous

    def _resume(self, message: OpenMessage) -> None:
        self._item, self._words, self._item_audio_bytes, self._previous = message

    def _close_preamble(self) -> None:
        if self._preamble is None:
            return
        preamble, self._preamble = self._preamble, None
        behind = self._message()
        self._resume(preamble)
        self._close_message("completed")
        self._resume(behind)

    def _close_message(self, status: str) -> None:
        self._close_preamble()
        if self._item is None:
            return
        text, place = " ".join(self._words), self._place()
        if self._text_only:
            self._host.emit("response.output_text.done", **place, text=text)
            content = {"type": "output_text", "text": text}
        else:
            self._host.emit("response.output_audio.done", **place)
            self._host.emit("response.output_audio_transcript.done", **place, transcript=text)
            cut = self._item.audio_ms < self._wire.ms(self._item_audio_bytes)
            content = {"type": "output_audio"} | ({} if cut else {"transcript": text})
        self._host.emit("response.content_part.done", **place, part=self._part(text))
        self._item.body["content"] = [content]
        self._host.log(
            "said", text=text, item_id=self._item.id, ms=self._item.audio_ms, status=status
        )
        self._complete(self._item, status)
        self._item = None

    # --- a function call ---

    def _call(self, name: str, arguments: str) -> Iterator[float]:
        if name not in self._tools:
            self._host.log("skipped", what=f"the session has no tool {name!r}")
            return
        self._close_message("completed")
        call_id = self._host.new_id("call")
        body = {"type": "function_call", "call_id": call_id, "name": name, "arguments": ""}
        item = self._add(body)
        place = {
            "response_id": self.id,
            "item_id": item.id,
            "output_index": len(self.response["output"]),
            "call_id": call_id,
        }
        self._calling = item, place
        for at in range(0, len(arguments), ARGUMENT_DELTA_CHARS):
            delta = arguments[at : at + ARGUMENT_DELTA_CHARS]
            item.body["arguments"] += delta
            self._host.emit("response.function_call_arguments.delta", **place, delta=delta)
            yield ARGUMENT_DELTA_S
        self._close_call("completed")

    def _close_call(self, status: str) -> None:
        if self._calling is None:
            return
        (item, place), self._calling = self._calling, None
        name, arguments = item.body["name"], item.body["arguments"]
        self._host.emit(
            "response.function_call_arguments.done", **place, name=name, arguments=arguments
        )
        self._text_tokens += text_tokens(name + arguments)
        self._host.log(
            "tool_called", name=name, arguments=arguments, call_id=place["call_id"], status=status
        )
        self._complete(item, status)

    def _call_hosted(self, label: str, call: CallSpec) -> Iterator[float]:
        if not self._host.hosted.offers(label, call.name):
            self._host.log("skipped", what=f"{label!r} has no tool {call.name!r}, or not yet")
            return
        self._close_message("completed")
        arguments = json.dumps(call.arguments)
        said = {"server_label": label, "name": call.name, "arguments": arguments}
        item = self._add({"id": self._host.new_id("mcp"), "type": "mcp_call", **said})
        index, previous = len(self.response["output"]), self._previous
        place = {"response_id": self.id, "item_id": item.id, "output_index": index}
        for at in range(0, len(arguments), ARGUMENT_DELTA_CHARS):
            delta = arguments[at : at + ARGUMENT_DELTA_CHARS]
            self._host.emit("response.mcp_call_arguments.delta", **place, delta=delta)
            yield ARGUMENT_DELTA_S
        self._host.emit("response.mcp_call_arguments.done", **place, arguments=arguments)
        self._text_tokens += text_tokens(call.name + arguments)
        self.response["output"].append(dict(item.body))
        self._host.hosted.call(item, index, previous)

    # --- items and the end ---

    def _add(self, body: dict[str, Any]) -> SimItem:
        made = {"object": "realtime.item", "status": "in_progress"} if "id" not in body else {}
        item = SimItem({"id": self._host.new_id("item"), **made, **body})
        index = self._index()
        self._host.emit(
            "response.output_item.added", response_id=self.id, output_index=index, item=item.body
        )
        if self.in_conversation:
            previous = self._host.add_item(item)
            self._host.emit("conversation.item.added", previous_item_id=previous, item=item.body)
            self._previous = previous
        return item

    def _complete(self, item: SimItem, status: str) -> None:
        item.body["status"] = status
        if self.in_conversation:
            self._host.emit(
                "conversation.item.done", previous_item_id=self._previous, item=item.body
            )
        index = len(self.response["output"])
        self._host.emit(
            "response.output_item.done", response_id=self.id, output_index=index, item=item.body
        )
        self.response["output"].append(dict(item.body))

    def _finish(self, status: str, details: dict[str, Any]) -> None:
        self.over = True
        total_in = self.tokens_in
        audio_out = -(-self.audio_ms // MODEL_TOKEN_MS)
        self.response["usage"] = {
            "total_tokens": total_in + self._text_tokens + audio_out,
            "input_tokens": total_in,
            "output_tokens": self._text_tokens + audio_out,
            "input_token_details": self._usage_in,
            "output_token_details": {"text_tokens": self._text_tokens, "audio_tokens": audio_out},
        }
        self.response["status"], self.response["status_details"] = status, details
        self._host.emit("response.done", response=self.response)
