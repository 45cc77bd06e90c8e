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
from call.play import BEGAN_AT, among, an_agent
from call.test_machine_any import AnyCall
from call.wires import to_caller, to_model
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
from gateway.call.state_machines import CallPhase
from gateway.protocols import media_stream
from gateway.protocols import realtime_server as model

OneOf = Callable[..., Any]

CONSENT = "This call is recorded."
WORDS = (
    *("Please say your name and why you are calling.", "Thank you. Please stay on the line."),
    *("Hello?", "My card is 4111 1111", "1111 1111, my mail is ann@example.com", ""),
)
ARGUMENTS = {
    "take_message": ('{"message":" Call me. ","name":"Ann"}', '{"message":" "}', "{", "{}"),
    "send_digits": ('{"digits":"12w#"}', '{"digits":"ww"}', '{"digits":"x"}', "{"),
    "pause_recording": ('{"paused":true}', '{"paused":false}', "{}"),
    "switch_language": ('{"language":"ar"}', '{"language":"xx-not-one"}', "{"),
    "transfer": (
        *('{"target":"desk"}', '{"target":"warm","summary":" Ann. "}', '{"target":"line"}', "{"),
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


def agent_of(one_of: OneOf) -> dict[str, Any]:
    """Return fields of an agent that can do nearly everything."""
    agent = drawn_agents.fields(
        one_of, drawn_agents.STOCK, drawn_agents.HOSTED, drawn_agents.PRIVATE
    )
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


class Accounts:
    """What a story needs to know of what was said, without any rule."""

    def __init__(self) -> None:
        self.unechoed: list[str] = []
        self.asked: list[str] = []
        self.configured_by = ""

    def before(self, event: object, now: float) -> None:
        """Nothing is foreseen."""

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
        clock = WallClock(1_795_939_871.0 - BEGAN_AT)
        return media_call(
            self.agent,
            session,
            lambda: next(self.ids),
            self.now,
            clock,
            self.info,
            colleagues=among(self.others),
        )

    def arrives(self) -> None:
        self.session_created()
        self.session_updated(good=True)
        self.happens(vendor_events.start())
        self.speaks()

    def goes_on_elsewhere(self, trace: Any, *, silently: bool) -> None:
        """Another process takes the call up, from what was written down of it."""
        state = decode(encode(self.call.snapshot()))
        state.silently = silently
        found = [one for one in self.others if one.name == state.agent]
        self.agent = found[0] if found else self.agent
        self.call = self.a_machine()
        self.call.resume(state)
        trace.follows(self.call)
        self.umpire.unechoed.clear()
        self.arrives()

    def plays(self, one_of: OneOf, trace: Any) -> list[Callable[[], object]]:
        """Return what may happen beside what happens in the other drawn calls."""

        def current() -> dict[str, str]:
            return {"item_id": f"item_{self.item}", "response_id": f"resp_{self.response}"}

        def a_turn() -> None:
            turn = f"turn_{one_of(1, 2, 3)}"
            self.happens(vendor_events.speech_started(self.stream_ms, turn))
            self.goes_by(one_of(0.3, 1.9))
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
            self.goes_by(one_of(8.1, 70.0))

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
            *[lambda: self.goes_by(one_of(0.1, 0.5, 1.9, 8.1))] * 4,
            self.is_heard,
            an_error,
            lambda: self.goes_on_elsewhere(trace, silently=one_of(True, False)),
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
            agent = one_of(*self.others)
            session = session_of(agent, definitions(agent))
            briefing = Briefing("A refund.", {"order": "7"}, greeting="Hello, Ann.", language="de")
            self.happens(inputs.CallDecided(agent, session, briefing))
            self.agent = self.call.agent

        remembered = [HistoryItem("caller", 1, "Heron.", "old_1", done=True)]
        return [
            lambda: None,
            lambda: None,
            another,
            lambda: self.call.decision.refuse("We are closed."),
            lambda: self.call.decision.transfer(TransferCaller("+15550126")),
            lambda: self.happens(inputs.HistoryRestored(remembered)),
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
