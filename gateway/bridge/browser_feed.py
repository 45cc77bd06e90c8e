"""Feed of a browser about its own call: the transcript as it grows, and each turn's wait."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from gateway import limits
from gateway.bridge.calls.running_call import RunningCall
from gateway.bridge.calls.tasks import Tasks
from gateway.bridge.privacy_filter import PrivacyFilter
from gateway.call import events
from gateway.call.call_info import BROWSER
from gateway.call.dialogue import prompts
from gateway.call.history import CALLER, MODEL

_WHO: Final = {CALLER: "caller", MODEL: "agent"}
_OF_PICTURES: Final = frozenset({prompts.PICTURE_WAS_SENT, prompts.CAMERA_WAS_SHOWN})
"""Notes for the model of a later session; the page has the picture itself."""


class BrowserFeed:
    """Sends to each browser what is said in its call, as its agent's `redact` leaves it.

    The history is looked at a few times a second, so that no word of any call takes a longer way.
    """

    def __init__(self, tasks: Tasks, privacy: PrivacyFilter) -> None:
        self._tasks, self._privacy = tasks, privacy

    def on_event(self, call: RunningCall, event: events.CallEvent) -> None:
        if call.facts.path != BROWSER:
            return
        if isinstance(event, events.CallerConnected):
            self._tasks.start(self._follow(call), f"browser-feed {call.facts.key}")
        elif isinstance(event, events.TurnMeasured):
            answers = (item.number for item in call.machine.history.items if item.kind == MODEL)
            body = {"number": max(answers, default=0), "wait_s": round(event.wait_s, 3)}
            _send(call, "turn", body)

    async def _follow(self, call: RunningCall) -> None:
        shown: dict[int, tuple[str, bool]] = {}
        revision: int | None = None
        while not call.over:
            if call.machine.history.revision != revision:
                revision = call.machine.history.revision
                self._show(call, shown)
            await asyncio.sleep(limits.phone.FEED_EVERY_S)

    def _show(self, call: RunningCall, shown: dict[int, tuple[str, bool]]) -> None:
        """Send the lines that changed; a later text of a line replaces the one before."""
        items = self._privacy.history(call, call.machine.history.items)
        for item in items:
            if item.text in _OF_PICTURES:
                continue
            who, now = _WHO.get(item.kind), (item.text, item.done)
            if who is not None and item.text and shown.get(item.number) != now:
                shown[item.number] = now
                line = {"number": item.number, "who": who, "text": item.text, "done": item.done}
                _send(call, "transcript", line)


def _send(call: RunningCall, event: str, body: dict[str, Any]) -> None:
    if call.media is not None:
        call.media.post(msgspec.json.encode({"event": event, event: body}))
        call.media.flush()
