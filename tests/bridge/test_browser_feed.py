"""What a browser is told of its own call."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from gateway.bridge.browser_feed import BrowserFeed
from gateway.bridge.calls.tasks import Tasks
from gateway.bridge.privacy_filter import PrivacyFilter
from gateway.call import events
from gateway.call.call_info import CallInfo, CallPath
from gateway.call.dialogue import prompts
from gateway.call.history import CALL, CALLER, MODEL, HistoryItem


@dataclass
class Socket:
    sent: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)

    def post(self, payload: bytes) -> None:
        self.sent.put_nowait(json.loads(payload))

    def flush(self) -> None:
        """Sent at once."""


class Call:
    def __init__(self, path: CallPath = "browser", *redact: str) -> None:
        self.facts = CallInfo("WB1", "", "", "desk", path)
        self.media, self.over = Socket(), False
        self.history = SimpleNamespace(revision=0, items=[])
        privacy = SimpleNamespace(redact=redact)
        self.machine = SimpleNamespace(history=self.history, privacy=privacy)

    def says(self, *items: HistoryItem) -> None:
        self.history.items = list(items)
        self.history.revision += 1


CONNECTED = events.CallerConnected(0.1)


def started(call: Call) -> BrowserFeed:
    feed = BrowserFeed(Tasks(), PrivacyFilter())
    feed.on_event(call, CONNECTED)  # type: ignore[arg-type]
    return feed


async def test_the_transcript_grows_line_by_line() -> None:
    call = Call()
    call.says(HistoryItem(MODEL, 1, "Hello"), HistoryItem(CALL, 2, "{}"))
    started(call)
    first = await call.media.sent.get()
    assert first == {
        "event": "transcript",
        "transcript": {"number": 1, "who": "agent", "text": "Hello", "done": False},
    }
    call.says(HistoryItem(MODEL, 1, "Hello there", done=True), HistoryItem(CALLER, 3, "Hi"))
    assert (await call.media.sent.get())["transcript"]["text"] == "Hello there"
    assert (await call.media.sent.get())["transcript"]["who"] == "caller"
    assert call.media.sent.empty()
    call.over = True


async def test_what_stands_in_place_of_a_picture_is_for_the_model_alone() -> None:
    """The page shows the picture itself."""
    call = Call()
    notes = (prompts.PICTURE_WAS_SENT, prompts.CAMERA_WAS_SHOWN)
    call.says(
        *(HistoryItem(CALLER, number, note, done=True) for number, note in enumerate(notes, 1)),
        HistoryItem(MODEL, 3, "I see a boiler.", done=True),
    )
    started(call)
    assert (await call.media.sent.get())["transcript"]["number"] == 3
    assert call.media.sent.empty()
    call.over = True


async def test_the_wait_of_a_turn_belongs_to_its_answer() -> None:
    call = Call()
    call.says(HistoryItem(MODEL, 1, "Hello"), HistoryItem(CALLER, 2, "Hi"), HistoryItem(MODEL, 3))
    feed = BrowserFeed(Tasks(), PrivacyFilter())
    feed.on_event(call, events.TurnMeasured(1, 0.8123, 0.3, 0.4, 0.0, 0.1))  # type: ignore[arg-type]
    assert call.media.sent.get_nowait() == {
        "event": "turn",
        "turn": {"number": 3, "wait_s": 0.812},
    }


async def test_a_telephone_is_told_nothing() -> None:
    call = Call("media-streams")
    tasks = Tasks()
    feed = BrowserFeed(tasks, PrivacyFilter())
    feed.on_event(call, CONNECTED)  # type: ignore[arg-type]
    feed.on_event(call, events.TurnMeasured(1, 0.8, 0.3, 0.4, 0.0, 0.1))  # type: ignore[arg-type]
    assert len(tasks) == 0
    assert call.media.sent.empty()


async def test_words_are_shown_as_the_agent_has_them_redacted() -> None:
    call = Call("browser", "digits")
    call.says(HistoryItem(CALLER, 1, "It is 4242 4242 4242 4242.", done=True))
    started(call)
    assert "4242" not in (await call.media.sent.get())["transcript"]["text"]
    call.over = True


async def test_a_wait_belongs_to_the_last_answer() -> None:
    call = Call()
    call.over = True
    feed = started(call)
    measured = events.TurnMeasured(1, 1.23456, 0.0, 0.0, 0.0, 0.0)
    for items, number in (
        ([], 0),
        ([HistoryItem(CALLER, 9, "Hi")], 0),
        ([HistoryItem(MODEL, 3, "Hello"), HistoryItem(MODEL, 1, ""), HistoryItem(CALL, 7, "")], 3),
    ):
        call.says(*items)
        feed.on_event(call, measured)  # type: ignore[arg-type]
        turn = {"event": "turn", "turn": {"number": number, "wait_s": 1.235}}
        assert await call.media.sent.get() == turn


async def test_a_call_that_is_no_browsers_is_told_nothing() -> None:
    call = Call("media-streams")
    call.says(HistoryItem(MODEL, 1, "Hello"))
    started(call).on_event(call, events.TurnMeasured(1, 1.0, 0.0, 0.0, 0.0, 0.0))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    assert call.media.sent.empty()


async def test_a_browser_that_has_gone_is_told_nothing() -> None:
    call = Call()
    call.media, gone = None, call.media  # type: ignore[assignment]
    call.over = True
    started(call).on_event(call, events.TurnMeasured(1, 1.0, 0.0, 0.0, 0.0, 0.0))  # type: ignore[arg-type]
    assert gone.sent.empty()
