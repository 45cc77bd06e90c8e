"""The rules of every call, whatever its story: checked on each event and each command.

The umpire keeps accounts of its own, from what went over the wires; of the call it asks only
how far ahead it believes the caller's buffer to be.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from call import wires
from call.promised_requests import Promises
from gateway import limits
from gateway.audio.tones import hold_mulaw
from gateway.call import commands as do
from gateway.call import events
from gateway.call.context import Out
from gateway.call.machine import CallMachine
from gateway.call.state_machines import CallPhase
from gateway.protocols import media_stream as caller
from gateway.protocols import realtime_server as model

_PAD = 0xFF
_UNSEEN = "(unseen)"
_EACH_ITEM_PADS_MS = 40
"""Up to a whole frame, and a frame for the filter's tail."""


class Umpire:
    def __init__(self, call: CallMachine) -> None:
        self._call = call
        self.promises = Promises(call)
        self._bytes_per_ms = 8 if call.agent.audio == "pcmu" else 48
        self.ended: events.CallEnded | None = None
        self.received_ms: defaultdict[str, float] = defaultdict(float)
        self.sent_ms = 0.0
        self.marks: set[str] = set()
        self._failed = False
        """The model's server has asked for time: a hold tone may bridge it."""
        self._may_hear = self._streaming = False
        self.unechoed: list[str] = []
        """Marks that Twilio has not echoed."""
        self._asked_at: float | None = None
        self._active_id: str | None = None
        self._progress_at = 0.0
        self._sounded = False
        """Whether all sound of the response in flight was sent, as far as was seen."""
        self._event_ids: set[str] = set()
        self._codes: dict[int, str] = {}
        self._cut: set[str] = set()
        self._functions: tuple[set[str], set[str]] = (set(), set())
        """Calls and outputs, by call_id, as far as this session knows of them; and the next."""
        self._next_functions: tuple[set[str], set[str]] = (set(), set())
        self._unmarked = False
        self.asked: list[str] = []
        """Requests to use a tool, by id."""
        self._allowed: Counter[str] = Counter()
        """How often each private server's tools were, and did not run yet."""
        self.held_until = 0.0
        """Sound that is not the model's."""

    def before(self, event: object, now: float) -> None:
        """An event is about to be handled."""
        self.promises.before(event, now)
        self._follow_response(event, now)
        match event:
            case model.SessionUpdated():
                self._may_hear = True
            case caller.Start():
                self._streaming = True
            case model.AudioDelta():
                self._receive(event)
            case model.Error():
                self._failed = True
            case model.ResponseDone():
                self._failed = self._failed or event.response.status == "failed"

    def _follow_response(self, event: object, now: float) -> None:
        match event:
            case model.ResponseCreated():
                self._asked_at, self._active_id = None, event.response.id
                self._progress_at, self._sounded = now, False
            case model.AudioDelta():
                self._progress_at, self._sounded = now, False
            case model.AudioDone() | model.PlaybackStopped():
                self._sounded |= event.response_id == self._active_id
            case model.ResponseDone():
                output = event.response.output or ()
                made = {item.call_id for item in output if item.call_id}
                self._functions[0].update(made)
                self._functions[1].difference_update(made)
                self._asked_at = None
                if self._active_id in (event.response.id, _UNSEEN):
                    self._active_id = None
            case model.Error():
                refused = event.error.code == "conversation_already_has_active_response"
                if refused and self._asked_at is not None and self._active_id is None:
                    self._active_id, self._progress_at = _UNSEEN, self._asked_at
                self._asked_at = None

    def _receive(self, event: model.AudioDelta) -> None:
        self.received_ms[event.item_id] += len(event.delta) / self._bytes_per_ms
        if self._bytes_per_ms == 8:
            self._codes |= dict.fromkeys(event.delta, event.item_id)

    def after(self, outs: Sequence[Out], now: float) -> None:
        """What came of it."""
        for at, out in enumerate(outs):
            assert self.ended is None, f"after the end: {wires.show(out)}"
            if isinstance(out, do.SendToNextSession):
                self._to_next(wires.to_model(out.data))
            elif isinstance(out, do.OpenModel | do.SwitchToNextSession):
                self._another_session(heard=isinstance(out, do.SwitchToNextSession))
            elif isinstance(out, do.SendToModel):
                self._to_model(wires.to_model(out.data), now)
            elif isinstance(out, do.SendToCaller):
                if self._is_hold(outs[at : at + 2]):
                    self._hold(wires.to_caller(out.data), now)
                else:
                    self._to_caller(wires.to_caller(out.data), now)
            elif isinstance(out, do.RunTool):
                self._run(out)
            elif isinstance(out, events.ApprovalRequested):
                self.asked.append(out.approval_id)
            elif isinstance(out, events.ApprovalResolved):
                self._allowed[out.server] += out.outcome == "approved"
            elif isinstance(out, events.CallEnded):
                self._end(out, outs)
        self._each_item_is_truncated_once(outs)
        assert not self._unmarked, "sound without its mark"
        closed = self._call.phase is CallPhase.CLOSED
        assert closed == (self.ended is not None), "closed without a word, or the other way round"
        assert closed == (self._call.deadline is None), "a deadline, and none to keep it"
        self.promises.after(outs, now)

    def _each_item_is_truncated_once(self, outs: Sequence[Out]) -> None:
        said = [wires.to_model(out.data) for out in outs if isinstance(out, do.SendToModel)]
        cut = Counter(e["item_id"] for e in said if e["type"] == "conversation.item.truncate")
        assert not cut or max(cut.values()) == 1, f"truncated more than once: {cut}"

    def in_flight(self) -> tuple[bool, str | None]:
        """Whether a response was asked for that has not begun; the one that has."""
        return self._asked_at is not None, self._active_id

    def _run(self, out: do.RunTool) -> None:
        label, _, tool = out.name.partition("_")
        server = self._call.agent.private.get(label)
        own = out.name in self._call.agent.functions
        if server is not None and not own and server.approval_of(tool) != "none":
            assert self._allowed[label] > 0, f"{out.name} runs, and nobody has allowed it"
            self._allowed[label] -= 1

    def _another_session(self, *, heard: bool) -> None:
        """Nothing is in flight there; one that was opened beside has confirmed already."""
        self._asked_at = self._active_id = None
        self._may_hear = heard
        # What was sent to one that is not taken is forgotten with it.
        self._functions = self._next_functions if heard else (set(), set())
        self._next_functions = (set(), set())

    def _to_next(self, event: dict[str, Any]) -> None:
        """A session that waits is told all that was said, and asked for nothing."""
        if event["type"] == "session.update":
            self._next_functions = (set(), set())
        else:
            assert event["type"] == "conversation.item.create"
            _account(event["item"], *self._next_functions)

    def _to_model(self, event: dict[str, object], now: float) -> None:
        kind = event["type"]
        if kind == "input_audio_buffer.append":
            assert self._may_hear, "sound went up before session.updated"
            assert event["audio"], "an empty append"
            return
        assert event["event_id"] not in self._event_ids, "an event id twice"
        self._event_ids.add(str(event["event_id"]))
        if kind == "response.create":
            self._ask(now)
        elif kind == "conversation.item.create":
            _account(event["item"], *self._functions)
        elif kind == "conversation.item.truncate":
            item_id, end_ms = str(event["item_id"]), event["audio_end_ms"]
            received_ms = self.received_ms[item_id]
            assert isinstance(end_ms, int)
            assert 0 <= end_ms <= received_ms, f"{item_id}: {end_ms} of {received_ms} ms"
            self._cut.add(item_id)

    def _ask(self, now: float) -> None:
        asked, self._asked_at = self._asked_at, now
        lost = asked is not None and now - asked >= limits.model.RESPONSE_START_MAX_S - 1e-6
        assert asked is None or lost, "two response.create in flight"
        if self._active_id == _UNSEEN:
            patience_s = limits.model.RESPONSE_START_MAX_S
        elif self._sounded:
            patience_s = limits.model.RESPONSE_OVER_MAX_S
        else:
            patience_s = limits.model.RESPONSE_STALL_MAX_S
        stalled = now - self._progress_at >= patience_s - 1e-6
        assert self._active_id is None or stalled, "a response.create while another runs"
        self._active_id = None

    def _is_hold(self, outs: Sequence[Out]) -> bool:
        """Sound without a mark: none of the model's."""
        message, *behind = [
            wires.to_caller(out.data) if isinstance(out, do.SendToCaller) else None for out in outs
        ]
        marked = behind and isinstance(behind[0], caller.OutMark)
        return isinstance(message, caller.OutMedia) and not marked

    def _hold(self, message: caller.FromGateway, now: float) -> None:
        assert isinstance(message, caller.OutMedia)
        holding = any(options.hold for options in self._call.agent.tool_options.values())
        assert holding or self._failed, "nothing that a hold tone is played for"
        mulaw = message.media.payload
        assert mulaw in hold_mulaw(), "neither the model's sound nor the pattern"
        assert len(mulaw) % (limits.call.FRAME_MS * 8) == 0
        ledger = self._call.line.downlink.ledger
        assert ledger.heard_ms(now) == ledger.accepted_ms, "into the model's voice"
        self.held_until = max(self.held_until, now) + len(mulaw) / 8000
        assert self.held_until - now <= limits.tools.HOLD_LEAD_MS / 1000 + 1e-6, "too far ahead"

    def _to_caller(self, message: caller.FromGateway, now: float) -> None:
        assert self._streaming, "a message before the stream started"
        if isinstance(message, caller.OutMedia):
            self._sound(message.media.payload, now)
        elif isinstance(message, caller.OutMark):
            assert self._unmarked, "a mark that stands behind nothing"
            assert message.mark.name not in self.marks, "a mark's name twice"
            self.marks.add(message.mark.name)
            self.unechoed.append(message.mark.name)
            self._unmarked = False
        else:
            assert not self._unmarked
            if self.held_until <= now:  # else it is the sound to wait by that ends
                self._cut |= set(self.received_ms)
            self.held_until = now

    def _sound(self, mulaw: bytes, now: float) -> None:
        assert not self._unmarked, "sound without its mark"
        assert self.held_until <= now, "behind a sound that is of no use any more"
        assert mulaw
        assert len(mulaw) % (limits.call.FRAME_MS * 8) == 0, "not whole frames of 20 ms"
        assert len(mulaw) <= limits.call.GROUP_MS * 8
        self._unmarked = True
        self.sent_ms += len(mulaw) / 8
        lead_ms = self._call.line.downlink.ledger.lead_ms(now)
        assert lead_ms <= self._call.agent.lead_ms, f"{lead_ms} ms ahead"
        accepted_ms = sum(ms + _EACH_ITEM_PADS_MS for ms in self.received_ms.values())
        assert self.sent_ms <= accepted_ms, "more sound went out than came in"
        late = {self._codes.get(code, "") for code in set(mulaw) - {_PAD}} & self._cut
        assert not late, f"sound of {late} after it was cut"

    def known_calls(self, call_ids: Iterable[str]) -> None:
        """Functions that this session called before anybody listened here."""
        self._functions[0].update(call_ids)

    def _end(self, note: events.CallEnded, outs: Sequence[Out]) -> None:
        self.ended = note
        assert note == outs[-1], "the end is not the last word"
        closing = [out for out in outs if isinstance(out, do.CloseModel)]
        leaving = [out for out in outs if isinstance(out, do.CloseCaller | do.HangUp)]
        assert (len(closing), len(leaving)) == (1, 1)
        assert note.seconds >= 0
        assert all(wait_s >= 0 for wait_s in note.waits_s)


def _account(item: Any, calls: set[str], outputs: set[str]) -> None:
    """A session is told of a function's output once, and only if it knows of its call."""
    if item["type"] == "function_call":
        calls.add(item["call_id"])
    elif item["type"] == "function_call_output":
        assert item["call_id"] in calls, "an output of a call that is not known"
        assert item["call_id"] not in outputs, "two outputs of one call"
        outputs.add(item["call_id"])
