"""The result of a call, asked over real sockets of a model that is the test; then step by step."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from call_doubles import MEDIA_CALL, CallDouble, SocketDouble
from far_end import FarEnd, text_of
from gateway_calls import RECEPTION
from model_bytes import configured, event, events, gateway_with_model

from gateway import limits
from gateway.agents.config.result import ResultSchema
from gateway.bridge.calls.model_connection import ModelConnection
from gateway.bridge.calls.result_collection import ResultCollection, collects_result
from gateway.call import events as notes
from gateway.call.endings import Ending
from gateway.call.state_machines import LinkState
from gateway.errors import LinkError
from gateway.protocols import realtime_server

AGENTS = """
agents:
  reception:
    instructions: Answer the telephone.
    result:
      type: object
      properties: {reason: {type: string}, amount: {type: number}}
routes: [{to: "*", agent: reception}]
"""
ANSWER = {
    "reason": {"value": "invoice", "evidence": [{"item_id": "turn_1", "quote": "my invoice"}]},
    "amount": {"value": 12, "evidence": []},
}
USAGE = {"total_tokens": 30, "input_tokens": 20, "output_tokens": 10}


@pytest.fixture
def agents(tmp_path: Path) -> Path:
    file = tmp_path / "agents.yaml"
    file.write_text(AGENTS)
    return file


def say_words(end: FarEnd, item_id: str, words: str) -> None:
    """A turn of the caller's, as the server hears it, and then its words."""
    end.say(event("input_audio_buffer.speech_started", item_id=item_id, audio_start_ms=0))
    end.say(event("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=400))
    end.say(event("input_audio_buffer.committed", item_id=item_id, previous_item_id=None))
    kind = "conversation.item.input_audio_transcription.completed"
    end.say(event(kind, item_id=item_id, content_index=0, transcript=words))


def answer(end: FarEnd, asked: dict[str, Any], text: str) -> None:
    item = {
        "id": "item_9",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text}],
    }
    response = {"id": "resp_9", "conversation_id": None, "metadata": asked["metadata"]}
    end.say(event("response.created", response=response | {"status": "in_progress"}))
    whole = response | {"status": "completed", "output": [item], "usage": USAGE}
    end.say(event("response.done", response=whole))


async def asked_for_result(end: FarEnd) -> dict[str, Any]:
    async for one in events(end):
        if one["type"] == "response.create" and one["response"].get("conversation") == "none":
            asked: dict[str, Any] = one["response"]
            return asked
    raise AssertionError("the session was closed without a request")


async def test_the_session_that_led_the_call_fills_it_in(agents: Path) -> None:
    words_are_in, closed = asyncio.Event(), asyncio.Event()

    async def behave(end: FarEnd) -> None:
        await configured(end)
        say_words(end, "turn_1", "It is about my invoice.")
        words_are_in.set()
        asked = await asked_for_result(end)
        answer(end, asked, json.dumps(ANSWER))
        async for _ in events(end):
            pass
        closed.set()

    async with gateway_with_model(agents, behave) as rig:
        async with rig.carrier.call(RECEPTION) as stream:
            await words_are_in.wait()
            await rig.note(notes.TranscriptLine)
            await stream.stop()
        filed = await rig.note(notes.ResultFiled)
        await asyncio.wait_for(closed.wait(), 10)
        assert filed.status == "filed"
        assert filed.fields == {"reason": "invoice", "amount": None}
        assert filed.evidence == {"reason": [{"item_id": "turn_1", "quote": "my invoice"}]}
        assert filed.unproven == ("amount",)
        kinds = [type(note) for _, note in rig.notes]
        assert kinds.index(notes.CallEnded) < kinds.index(notes.ResultFiled)
        assert rig.said(notes.UsageCounted)[-1].usage.total_tokens == 30


async def test_words_that_come_after_the_hang_up_still_count(agents: Path) -> None:
    hung_up, stored = asyncio.Event(), asyncio.Event()

    async def behave(end: FarEnd) -> None:
        await configured(end)
        end.say(event("input_audio_buffer.speech_started", item_id="turn_1", audio_start_ms=0))
        end.say(event("input_audio_buffer.speech_stopped", item_id="turn_1", audio_end_ms=400))
        end.say(event("input_audio_buffer.committed", item_id="turn_1", previous_item_id=None))
        stored.set()
        await hung_up.wait()
        kind = "conversation.item.input_audio_transcription.completed"
        end.say(event(kind, item_id="turn_1", content_index=0, transcript="It is my invoice."))
        asked = await asked_for_result(end)
        assert "It is my invoice." in asked["input"][0]["content"][0]["text"]
        answer(end, asked, json.dumps(ANSWER))
        async for _ in events(end):
            pass

    async with gateway_with_model(agents, behave) as rig:
        async with rig.carrier.call(RECEPTION) as stream:
            await stored.wait()
            await rig.note(notes.CallerSpeechEnded)
            await stream.stop()
            await rig.note(notes.CallEnded)
        hung_up.set()
        filed = await rig.note(notes.ResultFiled)
        assert filed.fields["reason"] == "invoice"
        assert [line.text for line in rig.said(notes.TranscriptLine)] == ["It is my invoice."]


async def test_a_new_session_is_asked_when_the_calls_own_is_lost(agents: Path) -> None:
    sessions = 0

    async def behave(end: FarEnd) -> None:
        nonlocal sessions
        sessions += 1
        if sessions == 1:
            await configured(end)
            say_words(end, "turn_1", "It is about my invoice.")
            await asked_for_result(end)
            return  # the socket closes without an answer
        await end.accept(text_of(event("session.created", session={"id": "sess_2"})))
        asked = await asked_for_result(end)
        assert "[turn_1] caller: It is about my invoice." in asked["input"][0]["content"][0]["text"]
        answer(end, asked, json.dumps(ANSWER))
        async for _ in events(end):
            pass

    async with gateway_with_model(agents, behave) as rig:
        async with rig.carrier.call(RECEPTION) as stream:
            await rig.note(notes.TranscriptLine)
            await stream.stop()
        filed = await rig.note(notes.ResultFiled)
        assert (filed.status, filed.tries) == ("filed", 2)
        assert sessions == 2


async def test_a_call_without_words_asks_nothing(agents: Path) -> None:
    asked: list[str] = []

    async def behave(end: FarEnd) -> None:
        await configured(end)
        asked.extend([one["type"] async for one in events(end)])

    async with gateway_with_model(agents, behave) as rig:
        async with rig.carrier.call(RECEPTION) as stream:
            await rig.note(notes.ModelReady)
            await stream.stop()
        filed = await rig.note(notes.ResultFiled)
        assert (filed.status, filed.reason) == ("skipped", "no_words")
    assert "response.create" not in asked


# --- Step by step, without sockets ---


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)


FILED = notes.ResultFiled("filed", "", 1, {"reason": "invoice"}, {}, ())


class Dialogue:
    """A dialogue that writes down what it hears, and files when the test says so."""

    def __init__(self) -> None:
        self.filed: notes.ResultFiled | None = None
        self.deadline = float("inf")
        self.heard: list[object] = []
        self.changed = asyncio.Event()

    def _hear(self, what: object) -> list[bytes]:
        self.heard.append(what)
        self.changed.set()
        return [str(what).encode()]

    async def until(self, *heard: object) -> None:
        async with asyncio.timeout(10):
            while self.heard != list(heard):
                self.changed.clear()
                await self.changed.wait()

    def connected(self, _now: float) -> list[bytes]:
        return self._hear("connected")

    def disconnected(self) -> None:
        self._hear("disconnected")

    def on_event(self, event: object, _now: float) -> list[bytes]:
        return self._hear(type(event).__name__)

    def tick(self, _now: float) -> list[bytes]:
        self.deadline = float("inf")
        return self._hear("tick")

    def give_up(self, reason: str) -> None:
        self._hear(reason)
        self.filed = notes.ResultFiled("failed", reason, 0, {}, {}, ())


class Connector:
    """Opens a session on a socket that writes down, or fails as it is told to."""

    def __init__(self, *failures: Exception) -> None:
        self.pauses_s: list[float] = []
        self.sockets: list[SocketDouble] = []
        self.connections: list[ModelConnection] = []
        self._failures = list(failures)

    async def open_session(
        self, connection: ModelConnection, facts: object, model: str, after_s: float
    ) -> None:
        assert (facts, model) == (MEDIA_CALL, "gpt-realtime")
        self.pauses_s.append(after_s)
        if self._failures:
            raise self._failures.pop(0)
        self.connections.append(connection)
        self.sockets.append(SocketDouble())
        connection.on_model_open(self.sockets[-1])  # type: ignore[arg-type]

    async def opened(self, count: int) -> None:
        await until(lambda: len(self.connections) >= count)


class OfCall(CallDouble):
    """A call that is over; `responding` while its model was about to say something."""

    responding = False
    transcriber: Any = SimpleNamespace(model="whisper-1")

    @property
    def machine(self) -> Any:
        agent = SimpleNamespace(model="gpt-realtime", transcription=self.transcriber)
        return SimpleNamespace(agent=agent, responding=self.responding)


class Steps:
    """A collection, what it published, and the task in which it runs."""

    def __init__(self, *failures: Exception) -> None:
        self.call, self.dialogue, self.connector = OfCall(), Dialogue(), Connector(*failures)
        self.published: list[object] = []
        self.collection = ResultCollection(
            self.call,  # type: ignore[arg-type]
            self.dialogue,  # type: ignore[arg-type]
            self.connector,  # type: ignore[arg-type]
            lambda _call, published: self.published.append(published),
        )

    def start(self) -> asyncio.Task[None]:
        return asyncio.create_task(self.collection.run())

    def taken_over(self) -> tuple[ModelConnection, SocketDouble]:
        """Give it the connection that led the call."""
        connection, socket = ModelConnection(CallDouble()), SocketDouble()
        connection.on_model_open(socket)  # type: ignore[arg-type]
        self.collection.take_over(connection, lambda: "ev_1")
        return connection, socket

    def says(self, connection: ModelConnection, text: str) -> None:
        connection.on_model_text(text.encode(), 0.0)


@pytest.mark.parametrize("responding", [False, True])
async def test_what_the_calls_session_was_about_to_say_is_cancelled(responding: bool) -> None:
    steps = Steps()
    steps.call.responding = responding
    _, socket = steps.taken_over()
    cancels = [json.loads(text) for text in socket.posted]
    assert cancels == [{"type": "response.cancel", "event_id": "ev_1"}] * responding


async def test_the_session_of_the_call_is_asked_at_once_and_closed_at_the_end() -> None:
    steps = Steps()
    connection, socket = steps.taken_over()
    running = steps.start()
    await steps.dialogue.until("connected")
    assert socket.posted == [b"connected"]
    steps.dialogue.filed = FILED
    steps.says(connection, event("response.created", response={"id": "r"}))
    await asyncio.wait_for(running, 10)
    assert socket.posted == [b"connected", b"ResponseCreated"]
    assert (socket.closed, steps.published) == ([""], [FILED])
    assert steps.connector.pauses_s == []


async def test_a_session_of_its_own_is_asked_when_it_has_begun() -> None:
    steps = Steps()
    running = steps.start()
    await steps.connector.opened(1)
    [connection], [socket] = steps.connector.connections, steps.connector.sockets
    assert (socket.posted, steps.connector.pauses_s) == ([], [0.0])
    steps.says(connection, "{")
    assert steps.dialogue.heard == []
    steps.says(connection, event("session.created", session={"id": "s"}))
    assert socket.posted == [b"connected", b"SessionCreated"]
    # A field of the wrong kind is left out, and the event is heard.
    steps.says(connection, event("session.created", session={"id": "s", "model": []}))
    assert steps.dialogue.heard[2:] == ["connected", "SessionCreated"]
    steps.dialogue.give_up("timeout")
    steps.says(connection, event("response.created", response={"id": "r"}))
    await asyncio.wait_for(running, 10)
    assert steps.published == [steps.dialogue.filed]


async def test_what_is_due_is_done() -> None:
    steps = Steps()
    _, socket = steps.taken_over()
    steps.dialogue.deadline = 0.0
    running = steps.start()
    await steps.dialogue.until("connected", "tick")
    assert socket.posted == [b"connected", b"tick"]
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    [failed] = steps.published
    assert isinstance(failed, notes.ResultFiled)
    assert (failed.status, failed.reason) == ("failed", "process_stopped")
    assert socket.closed == [""]


UNREACHABLE = LinkError("unreachable", retryable=True)
FAILURES = {
    "once": ([UNREACHABLE], 2, None),
    "always": ([UNREACHABLE] * 3, 2, "model_unreachable"),
    "refused": ([LinkError("http_401", retryable=False)], 1, "model_unreachable"),
    "a bug": ([RuntimeError("a bug")], 1, "bug"),
}


@pytest.mark.parametrize(("failures", "tries", "reason"), FAILURES.values(), ids=FAILURES)
async def test_how_often_a_session_is_tried(
    failures: list[Exception], tries: int, reason: str | None
) -> None:
    steps = Steps(*failures)
    running = steps.start()
    await until(lambda: running.done() or bool(steps.connector.connections))
    assert steps.connector.pauses_s == [0.0, limits.results.PAUSE_S][:tries]
    assert steps.dialogue.heard == ([reason] if reason else [])
    assert running.done() == bool(reason)
    assert len(steps.published) == bool(reason)
    running.cancel()
    await asyncio.wait([running])


async def test_after_the_last_session_is_lost_none_is_opened() -> None:
    steps = Steps()
    running = steps.start()
    for nth in range(limits.results.TRIES):
        await steps.connector.opened(nth + 1)
        steps.connector.connections[-1].on_model_lost("closed_1006", False, 0.0)
    await asyncio.wait_for(running, 10)
    assert steps.dialogue.heard == ["disconnected", "disconnected", "model_lost"]
    assert len(steps.published) == 1


async def test_a_session_that_is_lost_for_a_reason_that_stays_is_the_last() -> None:
    steps = Steps()
    connection, _ = steps.taken_over()
    running = steps.start()
    await steps.dialogue.until("connected")
    connection.on_model_lost("closed_1008", True, 0.0)
    await asyncio.wait_for(running, 10)
    assert steps.dialogue.heard == ["connected", "disconnected", "model_lost"]
    assert steps.connector.pauses_s == []


async def test_another_connection_is_not_heard() -> None:
    steps = Steps()
    steps.taken_over()
    other = ModelConnection(CallDouble())
    steps.collection.on_connection_text(other, event("session.created", session={}).encode(), 0.0)
    steps.collection.on_connection_lost(other, "closed_1006", True, 0.0)
    assert steps.dialogue.heard == []


def words(usage: dict[str, Any] | None, item_id: str = "turn_1") -> str:
    kind = "conversation.item.input_audio_transcription.completed"
    return event(kind, item_id=item_id, content_index=0, transcript="My invoice.", usage=usage)


TRANSCRIBED = {"type": "duration", "seconds": 3.0}
LINE = notes.TranscriptLine("caller", "My invoice.", "turn_1")
COUNTED = notes.TranscriptionCounted(
    "whisper-1", realtime_server.TranscriptionUsage("duration", 3.0)
)


@pytest.mark.parametrize(
    ("usage", "transcribes", "published"),
    [
        (TRANSCRIBED, True, [LINE, COUNTED]),
        (None, True, [LINE]),
        (TRANSCRIBED, False, [LINE]),
        (None, False, [LINE]),
    ],
)
async def test_words_that_come_late_are_published_and_billed_once(
    usage: dict[str, Any] | None, transcribes: bool, published: list[object]
) -> None:
    steps = Steps()
    if not transcribes:
        steps.call.transcriber = None
    connection, _ = steps.taken_over()
    steps.says(connection, words(usage))
    steps.says(connection, words(usage))
    assert steps.published == published
    steps.says(connection, words(None, "turn_2"))
    assert len(steps.published) == len(published) + 1
    assert steps.dialogue.heard == ["CallerTranscriptDone"] * 3


async def test_what_an_answer_costs_is_counted() -> None:
    steps = Steps()
    connection, _ = steps.taken_over()
    done = {"id": "r", "status": "completed"}
    steps.says(connection, event("response.done", response=done))
    assert steps.published == []
    steps.says(connection, event("response.done", response=done | {"usage": USAGE}))
    usage = realtime_server.Usage(total_tokens=30, input_tokens=20, output_tokens=10)
    assert steps.published == [notes.UsageCounted("gpt-realtime", usage)]


# --- Whether anything is collected ---


class Over(CallDouble):
    """A call that ended in a way, and what its machine knows of its session."""

    def __init__(self, ending: Ending | None, **machine: Any) -> None:
        super().__init__(MEDIA_CALL, ending)
        link = machine.pop("link", LinkState.READY)
        lives_on = machine.pop("lives_on", False)
        agent = SimpleNamespace(
            model="m", result=machine.pop("result", ResultSchema.model_validate(SCHEMA))
        )
        self._machine = SimpleNamespace(
            agent=agent,
            arrived=machine.pop("arrived", True),
            ending=ending,
            history=self.history,
            new_id=lambda: "ev_1",
            responding=False,
            link=link,
            model_link=SimpleNamespace(session_lives_on=lives_on),
        )

    @property
    def machine(self) -> Any:
        return self._machine


SCHEMA = {"type": "object", "properties": {"reason": {"type": "string"}}}
HUNG_UP = Ending.CALLER_HUNG_UP
COLLECTED: dict[str, tuple[CallDouble, bool, bool]] = {
    # what ended, whether a result is collected, whether by the session that led the call
    "well": (Over(HUNG_UP), True, True),
    "no result wanted": (Over(HUNG_UP, result=None), False, False),
    "nobody came": (Over(HUNG_UP, arrived=False), False, False),
    "it goes on": (Over(None), False, False),
    "broke off": (Over(Ending.MEDIA_BROKEN), False, False),
    "not ready": (Over(HUNG_UP, link=LinkState.LOST), True, False),
    "another has the session": (Over(HUNG_UP, lives_on=True), True, False),
}


@pytest.mark.parametrize(("call", "collects", "takes"), COLLECTED.values(), ids=COLLECTED)
@pytest.mark.parametrize("connected", [True, False])
async def test_when_a_result_is_collected_and_by_which_session(
    call: Any, collects: bool, takes: bool, connected: bool
) -> None:
    started: list[tuple[str, bool]] = []

    class Tasks:
        def start(self, work: Coroutine[Any, Any, None], name: str, *, last: bool) -> None:
            work.close()
            started.append((name, last))

    owner, socket = CallDouble(), SocketDouble()
    connection = ModelConnection(owner)
    connection.on_model_open(socket)  # type: ignore[arg-type]
    services: Any = SimpleNamespace(model=Connector(), publish=lambda *_: None, tasks=Tasks())
    took = collects_result(call, connection if connected else None, services)
    assert took == (takes and connected)
    assert started == [(f"result {MEDIA_CALL.key}", True)] * collects
    connection.on_model_lost("closed_1006", False, 0.0)
    assert owner.lost == ([] if took else [("closed_1006", False)])
