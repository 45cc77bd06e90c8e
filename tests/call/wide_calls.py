"""Calls of agents that use nearly all that an agent can do, for the reference calls.

The drawn calls of `test_machine_any.py` are held against rules, and a rule has to understand all
that happens in them. These are only written down: so they may also be recorded, screened, decided
on before they begin, taken up by another process, and called by people who press keys.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from call import drawn_agents, vendor_events
from call.drawn_stories import DrawnStories
from call.play import BEGAN_AT, among, an_agent
from call.test_machine_any import AnyCall
from call.wires import STREAM_SID, to_caller, to_model
from gateway.agents.builtin_tools import definitions
from gateway.agents.session import session_of
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.briefing import Briefing
from gateway.call.call_info import CallInfo
from gateway.call.commands import TransferCaller
from gateway.call.context import Out, WallClock
from gateway.call.endings import Ending
from gateway.call.history import HistoryItem
from gateway.call.paths import media_call
from gateway.call.snapshot import decode, encode
from gateway.call.state_machines import CallPhase, LinkState
from gateway.protocols import media_stream
from gateway.protocols import realtime_server as model

OneOf = Callable[..., Any]

CONSENT = "This call is recorded."
WORDS = (
    *("Please say your name and why you are calling.", "Thank you. Please stay on the line."),
    *("Hello?", "My card is 4111 1111", "1111 1111, my mail is ann@example.com", ""),
)
LONG_MESSAGE = json.dumps({"message": "x" * 2_001})
ARGUMENTS = {
    "take_message": (
        *('{"message":" Call me. ","name":"Ann"}', '{"message":" Call me. "}'),
        *('{"message":" "}', "{", "{}", LONG_MESSAGE),
    ),
    "send_digits": ('{"digits":"12w#"}', '{"digits":"ww"}', '{"digits":"x"}', "{"),
    "pause_recording": ('{"paused":true}', '{"paused":false}', "{}"),
    "switch_language": ('{"language":"ar"}', '{"language":"xx-not-one"}', "{"),
    "transfer": (
        *('{"target":"desk"}', '{"target":"warm","summary":" Ann. "}', '{"target":"line"}', "{"),
        '{"target":"shut"}',
    ),
    "hand_over": ('{"agent":"other","about":"x"}', '{"agent":"desk"}', '{"agent":"nobody"}', "{"),
    "collect_digits": ('{"what":"pin"}', '{"what":"none"}', "{"),
    "stock": ("{}", "{"),
    "shop_look_up": ("{}",),
    "shop_reserve": ("{}",),
    "end_call": ("{}",),
    "nonsense": ("{}",),
}
CODES = (
    *("rate_limit_exceeded", "server_error", "item_truncate_invalid_item_id", "brand_new"),
    *("session_expired", "invalid_value", None),
)


CLOCK = WallClock(1_795_939_871.0 - BEGAN_AT)
"""A Sunday in November."""
HOURS = {"zone": "Europe/Paris", "mon-fri": "09:00-18:00"}


def agent_of(one_of: OneOf) -> dict[str, Any]:
    """Return fields of an agent that can do nearly everything."""
    drawn = drawn_agents
    stock = drawn.STOCK | one_of({}, {"confirm": True}, {"filler": "Let me look."})
    servers = (drawn.HOSTED, drawn.CRM, drawn.CRM | {"hold": True}, drawn.CRM | {"filler": "Wait."})
    agent = drawn.fields(one_of, stock, one_of(*servers), drawn.PRIVATE)
    agent |= {
        "audio": one_of("pcmu", "pcm24k"),
        "lead_ms": one_of(200, 1000),
        "max_call_s": one_of(60.0, 1800.0),
        "idle": {"nudge_after_s": one_of(3.0, 15.0), "end_after_s": 30.0},
        "tools": [*agent["tools"], "take_message", "send_digits"],
        "transfers": {
            "desk": {"to": "+15550123"},
            "warm": {"to": "+15550125", "mode": "warm"},
            "line": {"queue": "support"},
            "shut": {"to": "+15550126", "hours": HOURS},
        },
        "fallback": one_of(None, "+15550199", {"queue": "support"}),
        "keypad": one_of(None, {"pause_s": 1.0}, {"end": "*", "max_digits": 2, "secret": True}),
        "privacy": one_of("default", "hipaa"),
        "redact": one_of([], ["cards", "emails"]),
        "transcription": one_of({"model": "gpt-4o-transcribe"}, "none"),
        "time_zone": one_of(None, "Africa/Tunis"),
        "knows": one_of([], ["caller_number"]),
        "language": one_of("en", "fr"),
        "greeting": one_of(None, "Hello.", "Hello."),
    }
    agent["session"] = agent.get("session", {}) | one_of({}, {"tracing": "auto"})
    if one_of(True, False):
        agent["recording"] = {"consent": CONSENT, "keys": one_of("keep", "silence")}
        agent["tools"] = [*agent["tools"], "pause_recording"]
    if "outbound" in agent and agent["transcription"] != "none":
        agent["outbound"] |= one_of({}, {"screening": "explain"}, {"screening": "hang_up"})
    if one_of(True, False, False):
        agent["barge_in"] = one_of(*drawn_agents.BARGE_IN)
    return agent


OUTCOMES = ("done", "refused", "timeout", "error")


def remembered(more: bool) -> list[HistoryItem]:
    """What was said before; a call goes on writing into it."""
    if not more:
        return [HistoryItem("caller", 1, "Heron.", "old_1", done=True)]
    return [
        HistoryItem("caller", 1, "Heron, please.", "old_1", done=True),
        HistoryItem("call", 2, "{}", call_id="old_call", name="stock"),
        HistoryItem("model", 3, "One mo", "old_2"),
    ]


class Accounts:
    """What a story needs to know of what was said, without any rule."""

    def __init__(self) -> None:
        self.unechoed: list[str] = []
        self.asked: list[str] = []
        self.configured_by = ""
        self.awaited = False
        """Whether a response was asked for that has not begun."""

    def before(self, event: object, now: float) -> None:
        del now
        if isinstance(event, model.ResponseCreated | inputs.ModelLost):
            self.awaited = False

    def after(self, outs: Sequence[Out], now: float) -> None:
        del now
        for out in outs:
            if isinstance(out, do.SendToCaller):
                message = to_caller(out.data)
                if isinstance(message, media_stream.OutMark):
                    self.unechoed.append(message.mark.name)
            elif isinstance(out, do.SendToModel):
                event = to_model(out.data)
                if event["type"] == "session.update":
                    self.configured_by = event["event_id"]
                self.awaited = self.awaited or event["type"] == "response.create"
            elif isinstance(out, events.ApprovalRequested):
                self.asked.append(out.approval_id)


class WideCall(AnyCall):
    """A call with accounts in place of an umpire."""

    def teardown(self) -> None:
        """Nothing is promised."""

    def is_called(self, fields: dict[str, Any], one_of: OneOf) -> None:
        self.agent, self.now = an_agent(**fields), BEGAN_AT
        shared = {key: value for key, value in fields.items() if key != "language"}
        self.others = [drawn_agents.colleague(shared), self.agent]
        direction = "outbound" if "outbound" in fields else "inbound"
        self.info = CallInfo(
            "CA1", "+21671000001", "+15550100", "desk", "media-streams", direction=direction
        )
        self.ids = (f"event_{n}" for n in count())
        self.call = self.a_machine()
        self.accounts = Accounts()
        self.umpire: Any = self.accounts
        self.stream_ms = 0
        self.response = self.item = self.calls = 0
        self.out = []
        if one_of(True, False):
            self.call.brief(Briefing("A parcel.", {"street": "Rue du Lac"}, language="fr"))

    def a_machine(self) -> Any:
        session = session_of(self.agent, definitions(self.agent))
        return media_call(
            self.agent,
            session,
            lambda: next(self.ids),
            self.now,
            CLOCK,
            self.info,
            colleagues=among(self.others),
        )

    def arrives(self, one_of: OneOf) -> None:
        """The session and the caller, in one of the ways in which they come."""
        first = [self._session_comes, self._caller_comes]
        for come in one_of(first, first, first[::-1]):
            come(one_of)
            self._is_decided(one_of)
        self.speaks()

    def goes_by(self, seconds: float) -> None:
        """No frame comes before its stream."""
        if self.call.phase is CallPhase.EXPECTED:
            self.stalls(seconds)
        else:
            super().goes_by(seconds)

    def _is_decided(self, one_of: OneOf) -> None:
        """Seldom; and where it was for another model, that one comes."""
        if one_of(*[False] * 7, True):
            one_of(*self.decisions(one_of))()
            if self.call.link is LinkState.CONNECTING:
                self.session_created()
                self.session_updated(good=True)

    def _session_comes(self, one_of: OneOf) -> None:
        self.session_created()
        self.goes_by(one_of(0.0, 0.3))
        after_s = one_of(None, None, 20.0, 900.0, 7200.0)
        expires_at = None if after_s is None else int(CLOCK.unix_s(self.now) + after_s)
        refusal = vendor_events.error("invalid_value", about=self.call.model_link.session_event)
        lost = inputs.ModelLost("unreachable")
        again = (vendor_events.session_created(),)
        before = one_of(*[()] * 30, (refusal,), (refusal,), (refusal, refusal), (lost, *again))
        for happened in before:
            self.happens(happened)
        self._is_decided(one_of)
        self.happens(vendor_events.session_updated(self.agent, expires_at=expires_at))

    def _caller_comes(self, one_of: OneOf) -> None:
        start = vendor_events.start(
            *one_of(*[()] * 60, ("audio/x-alaw",), ("audio/x-mulaw", 16000))
        )
        start.start.tracks = one_of(["inbound"], ["inbound"], ["inbound", "outbound"])
        self.happens(start)
        if one_of(True, False, False):
            self.speaks()
            self.goes_by(one_of(0.1, 1.9))

    def goes_on_elsewhere(self, trace: Any, one_of: OneOf) -> None:
        """Another process takes the call up, from what was written down of it."""
        state = decode(encode(self.call.snapshot()))
        state.silently = one_of(True, False)
        state.secret_ended = one_of(None, None, ("collect_digits", "pin", one_of(*OUTCOMES)))
        found = [one for one in self.others if one.name == state.agent]
        self.agent = found[0] if found else self.agent
        self.call = self.a_machine()
        self.call.resume(state)
        if one_of(True, False, False):
            self.call.begin_with("Ask what else they need.")
        trace.follows(self.call)
        self.umpire.unechoed.clear()
        self.arrives(one_of)

    def waits(self, seconds: float) -> None:
        """Time goes by, and the server answers what it is asked for."""
        until = self.now + seconds
        while self.now < until and self.call.phase is not CallPhase.CLOSED:
            self.happens(vendor_events.cleared())
            if self.umpire.awaited:
                self.answers(400, 20, None)
            self.goes_by(min(2.0, until - self.now))
            self.is_heard()

    def stalls(self, seconds: float) -> None:
        """No frame comes from the caller for so long."""
        until = self.now + seconds
        while (due := self.call.deadline) is not None and due <= until:
            self.wake(max(self.now, due))
        self.now = until

    def is_screened(self, one_of: OneOf) -> None:
        """A telephone's assistant asks, waits, and perhaps a person comes."""
        words = (WORDS[0], one_of(WORDS[1], WORDS[0]), one_of(WORDS[1], *WORDS[2:4]), "Hello?")
        for nth, said in enumerate(words):
            turn = f"turn_of_it_{nth}"
            self.happens(vendor_events.speech_started(self.stream_ms, turn))
            self.goes_by(0.3)
            self.happens(vendor_events.speech_stopped(self.stream_ms, turn))
            self.happens(vendor_events.committed(turn))
            if one_of(True, False):
                self.response_created(new=True)
            self.happens(vendor_events.caller_said(turn, said))
            response = f"resp_{self.response}"
            self.happens(vendor_events.response_done(response, one_of("completed", "cancelled")))
            self.waits(one_of(0.5, 0.5, 8.1, 8.1, 31.0))
            if one_of(True, False, False, False):
                self.happens(inputs.MachineDetectionFinished(one_of("machine", "human")))
            if one_of(True, False, False, False):
                self.model_lost("closed_1006", one_of(True, True, False))

    def plays(self, one_of: OneOf, trace: Any) -> list[Callable[[], object]]:
        """Return what may happen beside what happens in the other drawn calls."""

        def current() -> dict[str, str]:
            return {"item_id": f"item_{self.item}", "response_id": f"resp_{self.response}"}

        def a_turn() -> None:
            turn = f"turn_{one_of(1, 2, 3)}"
            self.happens(vendor_events.speech_started(self.stream_ms, turn))
            self.goes_by(one_of(0.1, 0.3, 1.9))
            self.happens(vendor_events.speech_stopped(self.stream_ms, turn))
            self.happens(vendor_events.committed(turn))
            self.happens(vendor_events.caller_says(turn, "so "))
            self.happens(vendor_events.caller_said(turn, one_of(*WORDS)))

        def an_answer() -> None:
            self.response_created(new=True)
            for words in ("We are open ", "from nine to five."):
                self.audio_delta(one_of(400, 1000), 0, 0, next_item=False)
                self.happens(
                    vendor_events.model_says(f"item_{self.item}", words, current()["response_id"])
                )
                self.goes_by(one_of(0.1, 0.5))
            self.audio_done(0, 0)
            said = "We are open from nine to five."
            self.happens(model.TranscriptDone(**current(), transcript=said))
            done = vendor_events.response_done(
                current()["response_id"], said=one_of((), None, (("output_text", said),)), tokens=90
            )
            self.happens(done)
            self.goes_by(one_of(0.5, 1.9))
            self.is_heard()

        def a_failure() -> None:
            self.response_created(new=True)
            code = one_of("rate_limit_exceeded", "server_error", "brand_new", None)
            status = one_of("failed", "failed", "incomplete", "cancelled")
            reason = one_of("max_output_tokens", "content_filter", "turn_detected", None)
            done = vendor_events.response_done(
                current()["response_id"],
                status,
                failure=code if status == "failed" else None,
                message=one_of("Please try again in 1.5s.", None),
                reason=reason,
            )
            self.happens(done)
            self.goes_by(one_of(0.1, 1.9))

        def breaks_off() -> None:
            """In the midst of an answer, or of the arguments of a function."""
            self.response_created(new=True)
            self.audio_delta(1000, 0, 0, next_item=False)
            self.happens(
                vendor_events.model_says(f"item_{self.item}", "We are", f"resp_{self.response}")
            )
            self.audio_done(0, 0)
            self.goes_by(0.5)
            reason = one_of("max_output_tokens", "content_filter")
            status = one_of("incomplete", "failed")
            self.happens(
                vendor_events.response_done(current()["response_id"], status, reason=reason)
            )

        def an_unlisted_tool() -> None:
            """Its call comes as an item, and is not among the outputs of its response."""
            self.response_created(new=True)
            call_id, response_id = self.next_call(), current()["response_id"]
            item = model.Item("function_call", call_id=call_id, name="stock", arguments="{}")
            self.happens(model.OutputItemDone(response_id=response_id, item=item))
            self.happens(vendor_events.response_done(response_id))
            self.goes_by(0.5)
            self.happens(inputs.ToolFinished(call_id, "three left", "ok"))

        def noise() -> None:
            """Speech begins, and nobody says that it is over."""
            self.happens(vendor_events.speech_started(self.stream_ms))
            self.waits(one_of(8.1, 70.0))

        def a_tool() -> None:
            name = one_of(*ARGUMENTS)
            self.response_created(new=True)
            if one_of(True, False):
                self.audio_delta(400, 0, 0, next_item=False)
                self.audio_done(0, 0)
            call_id = self.next_call()
            done = vendor_events.response_done(current()["response_id"], calls=((name, call_id),))
            for item in done.response.output or ():
                item.arguments = one_of(*ARGUMENTS[name])
            self.happens(done)
            self.goes_by(one_of(0.1, 0.9))
            self.is_heard()
            outcome = one_of("ok", "error", "timeout", "invalid", "unavailable")
            self.happens(inputs.ToolFinished(call_id, json.dumps({"left": 3}), outcome))

        def begins() -> str:
            self.response_created(new=True)
            return current()["response_id"]

        def session_changes() -> None:
            if self.call.link is LinkState.READY:
                self.session_is_changed(one_of(0.1, 0.9), one_of(True, False))

        def an_answer_without_end() -> None:
            """All of its sound is there, and its response is never done."""
            self.response_created(new=True)
            self.audio_delta(400, 0, 0, next_item=False)
            self.audio_done(0, 0)
            self.goes_by(1.9)
            self.is_heard()
            for _ in range(one_of(1, 16)):
                self.happens(vendor_events.cleared())
                self.goes_by(1.9)

        def is_lost_at_work() -> None:
            """In an answer of which words are known, in a turn, or between the two."""
            if one_of(True, False):
                self.happens(vendor_events.speech_started(self.stream_ms, "turn_4"))
                self.goes_by(one_of(0.1, 0.9))
            if one_of(True, False):
                self.happens(vendor_events.speech_stopped(self.stream_ms, "turn_4"))
                self.happens(vendor_events.committed("turn_4"))
            if one_of(True, True, False):
                self.response_created(new=True)
                self.audio_delta(one_of(400, 3000), 0, 0, next_item=False)
                said = vendor_events.model_says(
                    f"item_{self.item}", "We are open from nine to five.", f"resp_{self.response}"
                )
                self.happens(said)
                self.goes_by(one_of(0.1, 0.5))
            self.model_lost("closed_1006", one_of(True, True, False))
            self.waits(one_of(0.5, 2.0))

        def screened() -> None:
            if self.agent.outbound is not None:
                self.is_screened(one_of)

        def an_error() -> None:
            about = one_of(self.accounts.configured_by, self.call.ctx.responses.event_id, None)
            code, kind = one_of(*CODES), one_of(None, "server_error", "rate_limit_error")
            message = one_of("", "Audio content of 3700ms is already shorter than 3760ms", "sk-abc")
            self.happens(vendor_events.error(code, about=about, kind=kind, message=message))

        return [
            *[a_turn] * 6,
            *[an_answer] * 6,
            *[a_tool] * 8,
            *[a_failure] * 2,
            *[breaks_off] * 2,
            *[an_unlisted_tool] * 2,
            noise,
            *[lambda: self.goes_by(one_of(0.1, 0.5, 1.9))] * 4,
            lambda: self.goes_by(8.1),
            self.is_heard,
            an_error,
            *DrawnStories(self, one_of, begins).all(),
            *[screened] * 2,
            an_answer_without_end,
            *[is_lost_at_work] * 2,
            lambda: self.talks_into_an_answer(one_of(400, 3000), self.stream_ms),
            session_changes,
            self.next_lost,
            lambda: self.next_session(one_of(0, 1, 2, 3)),
            lambda: self.hands_over(one_of(True, False), one_of(True, True, False), one_of(0, 1)),
            lambda: self.model_lost("closed_1006", one_of(True, True, False)),
            lambda: self.stalls(one_of(0.5, 1.9, 8.1)),
            *[lambda: self.waits(one_of(2.0, 2.0, 2.0, 8.1, 40.0))] * 4,
            lambda: self.presses_a_key(one_of("5", "x"), one_of(STREAM_SID, "MZ0")),
            lambda: self.happens(vendor_events.start()),
            lambda: self.happens(inputs.HistoryRestored(remembered(one_of(True, False)))),
            lambda: self.goes_on_elsewhere(trace, one_of),
            lambda: self.happens(inputs.RecordingPauseRequested(one_of(True, False), "operator")),
            lambda: self.happens(inputs.LanguageChosen(one_of("ar", "de-AT"))),
            lambda: self.happens(inputs.TransferFailed(one_of("busy", "no-answer"))),
            lambda: self.happens(inputs.MachineDetectionFinished(one_of("machine", "unknown"))),
            lambda: self.happens(inputs.PeerFaultSeen(one_of("model", "caller"), "junk", ("x",))),
            lambda: self.happens(vendor_events.key(one_of(*"0123#*"))),
            lambda: self.happens(model.CallerTranscriptFailed(item_id="turn_2")),
            lambda: self.is_interrupted(one_of(400, 3000), one_of(0.1, 0.35)),
        ]

    def is_heard(self) -> None:
        if self.umpire.unechoed:
            self.is_played(len(self.umpire.unechoed))

    def decisions(self, one_of: OneOf) -> list[Callable[[], object]]:
        """Return what may be decided before the caller is there."""

        def another() -> None:
            model_name = one_of({}, {}, {"model": "gpt-realtime-mini"}, {"voice": "marin"})
            agent = one_of(*self.others).model_copy(update=model_name)
            session = session_of(agent, definitions(agent))
            briefing = Briefing("A refund.", {"order": "7"}, greeting="Hello, Ann.", language="de")
            self.happens(inputs.CallDecided(agent, session, briefing))
            self.agent = self.call.agent

        return [
            lambda: None,
            lambda: None,
            another,
            lambda: self.call.decision.refuse("We are closed."),
            lambda: self.call.decision.transfer(TransferCaller("+15550126")),
            lambda: self.happens(inputs.HistoryRestored(remembered(one_of(True, False)))),
        ]

    def ends(self, one_of: OneOf) -> None:
        """End the call in one of many ways, and let whatever is left of it go by."""
        if self.call.phase is CallPhase.CLOSED:
            return
        ways = [
            lambda: self.happens(vendor_events.stop()),
            lambda: self.happens(inputs.CallerLost()),
            lambda: self.happens(inputs.HangUpRequested(one_of(Ending.DRAINED, Ending.BUG))),
            lambda: self.happens(inputs.SpendLimitReached(1.0)),
            lambda: self.happens(inputs.ModelLost("http_401", refused=True)),
            lambda: self.happens(inputs.HandOverRequested(one_of(True, False))),
            lambda: self.goes_by(60.0),
        ]
        one_of(*ways)()
        for _ in range(3):
            self.is_heard()
            self.goes_by(one_of(1.9, 8.1))
        if self.call.phase is not CallPhase.CLOSED:
            self.umpire.after(self.call.abandon(self.now), self.now)
