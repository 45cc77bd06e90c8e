"""The result of a call, asked over real sockets of a model that is the test."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from far_end import FarEnd, text_of
from gateway_calls import RECEPTION
from model_bytes import configured, event, events, gateway_with_model

from gateway.call import events as notes

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
