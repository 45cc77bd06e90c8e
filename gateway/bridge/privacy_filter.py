"""Redaction of what calls publish and store, by the switches of each call's agent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

import msgspec

from gateway.agents.config.privacy import RedactSwitch
from gateway.bridge.calls.running_call import RunningCall
from gateway.call import events
from gateway.call.history import CALLER, MODEL, HistoryItem
from gateway.call.privacy.redaction import Redactor

Redact = Callable[[Redactor, events.CallEvent], events.CallEvent]


class PrivacyFilter:
    """Redactors of running calls: one each, since a number is read out over several turns."""

    def __init__(self) -> None:
        self._redactors: WeakKeyDictionary[RunningCall, _OfSwitches] = WeakKeyDictionary()
        self._histories: WeakKeyDictionary[RunningCall, _RedactedHistory] = WeakKeyDictionary()

    def event(self, call: RunningCall, event: events.CallEvent) -> events.CallEvent:
        """Return the event as everybody but the model may see it."""
        redact = _OF_WORDS.get(type(event))
        switches = call.machine.privacy.redact
        if redact is None or not switches:
            return event
        known = self._redactors.get(call)
        if known is None or known.switches != switches:
            known = self._redactors[call] = _OfSwitches(switches, _primed(call, switches, event))
        return redact(known.redactor, event)

    def history(self, call: RunningCall, items: list[HistoryItem]) -> list[HistoryItem]:
        """Return the items of a conversation as they may be stored for another process."""
        switches = call.machine.privacy.redact
        if not switches:
            return items
        history = self._histories.get(call)
        if history is None or history.switches != switches:
            history = self._histories[call] = _RedactedHistory(switches)
        return history.redacted(items)


class _OfSwitches(NamedTuple):
    switches: Sequence[RedactSwitch]
    redactor: Redactor


def _primed(
    call: RunningCall, switches: Sequence[RedactSwitch], event: events.CallEvent
) -> Redactor:
    """Return a redactor that knows which number was being read out when its switches came."""
    redactor = Redactor(switches)
    item_id = event.item_id if isinstance(event, events.TranscriptLine) else ""
    for item in call.machine.history.items:
        if item.kind in (CALLER, MODEL) and item.done and item.item_id != item_id:
            redactor.turn(item.kind, item.text)
    return redactor


class _RedactedHistory:
    """Items that were redacted before, by number: a history is stored several times a second."""

    def __init__(self, switches: Sequence[RedactSwitch]) -> None:
        self.switches = switches
        self._redactor = Redactor(switches)
        self._known: dict[int, tuple[str, HistoryItem]] = {}

    def redacted(self, items: Sequence[HistoryItem]) -> list[HistoryItem]:
        self._known = {item.number: self._item(item) for item in items}
        return [redacted for _, redacted in self._known.values()]

    def _item(self, item: HistoryItem) -> tuple[str, HistoryItem]:
        known = self._known.get(item.number)
        if known is not None and known[0] == item.text and known[1].done == item.done:
            return known
        if item.kind == CALLER and item.done:
            text = self._redactor.turn(CALLER, item.text)
        else:  # the agent's words grow, and are looked at again
            text = self._redactor.text(item.text)
        return item.text, msgspec.structs.replace(item, text=text)


def _line(redactor: Redactor, event: events.TranscriptLine) -> events.CallEvent:
    return msgspec.structs.replace(event, text=redactor.turn(event.who, event.text))


def _message(redactor: Redactor, event: events.MessageTaken) -> events.CallEvent:
    return msgspec.structs.replace(
        event,
        text=redactor.text(event.text),
        name=redactor.text(event.name),
        callback=redactor.text(event.callback),
    )


def _approval(redactor: Redactor, event: events.ApprovalRequested) -> events.CallEvent:
    return msgspec.structs.replace(event, arguments=redactor.text(event.arguments))


def _result(redactor: Redactor, event: events.ResultFiled) -> events.CallEvent:
    evidence = {
        name: [{**one, "quote": redactor.text(one["quote"])} for one in quotes]
        for name, quotes in event.evidence.items()
    }
    return msgspec.structs.replace(event, fields=redactor.value(event.fields), evidence=evidence)


_OF_WORDS: Final[dict[type, Redact]] = {
    events.TranscriptLine: _line,  # type: ignore[dict-item] # each gets what it is looked up by
    events.MessageTaken: _message,  # type: ignore[dict-item]
    events.ApprovalRequested: _approval,  # type: ignore[dict-item]
    events.ResultFiled: _result,  # type: ignore[dict-item]
}
