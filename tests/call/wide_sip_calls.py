"""Calls over SIP of agents that use nearly all that an agent can do, for the reference calls.

Like those of `wide_calls.py`, and with what only a sideband has: it may come before the call was
accepted, be lost, refuse, and report what is played in any order.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from call import drawn_agents, vendor_events, wide_calls
from call.drawn_stories import DrawnStories
from call.play import BEGAN_AT, wait
from call.sideband import SipBook, cleared, started, stopped, tone, transcript
from call.test_machine_any_sip import HOSTED, PRIVATE, STOCK, AnySipCall
from call.wide_calls import ARGUMENTS, CLOCK, CODES, HOURS, WORDS, Accounts, OneOf
from gateway.agents.builtin_tools import definitions
from gateway.agents.session import session_of
from gateway.call import inputs
from gateway.call.briefing import Briefing
from gateway.call.call_info import CallInfo
from gateway.call.commands import TransferCaller
from gateway.call.endings import Ending
from gateway.call.paths import sip_call
from gateway.call.snapshot import decode, encode
from gateway.call.state_machines import CallPhase
from gateway.protocols import realtime_mcp as mcp
from gateway.protocols import realtime_server as model

NAMES = (*(n for n in ARGUMENTS if n != "send_digits"), "shop_find", "shop_drop")


def agent_of(one_of: OneOf) -> dict[str, Any]:
    """Return fields of an agent that can do nearly everything that goes with SIP."""
    stock = STOCK | one_of({}, {"confirm": True}, {"filler": "Let me look."})
    crm = one_of(HOSTED, drawn_agents.CRM, drawn_agents.CRM | {"filler": "Wait."})
    agent = drawn_agents.fields(one_of, stock, crm, PRIVATE)
    agent |= {
        "max_call_s": one_of(60.0, 130.0, 1800.0),
        "idle": {"nudge_after_s": one_of(3.0, 15.0), "end_after_s": 30.0},
        "tools": [*agent["tools"], "take_message"],
        "transfers": {
            "desk": {"to": "+15550123"},
            "warm": {"to": "+15550125", "mode": "warm"},
            "shut": {"to": "+15550126", "hours": HOURS},
        },
        "fallback": one_of(None, "+15550199"),
        "keypad": one_of(None, {"pause_s": 1.0}, {"end": "*", "max_digits": 2, "secret": True}),
        "privacy": one_of("default", "hipaa"),
        "transcription": one_of({"model": "gpt-4o-transcribe"}, "none"),
        "knows": one_of([], ["caller_number"]),
        "language": one_of("en", "fr"),
    }
    if "outbound" in agent and agent["transcription"] != "none":
        agent["outbound"] |= one_of({}, {"screening": "explain"}, {"screening": "hang_up"})
    if one_of(True, False, False):
        agent["barge_in"] = one_of({"min_speech_ms": 300}, {"protect_greeting_ms": 2000})
    return agent


class WideSipBook(SipBook):
    """A book that keeps accounts in place of an umpire, and whose call knows who calls."""

    def __init__(self, info: CallInfo, **agent: Any) -> None:
        self.machine: Any = partial(sip_call, wall_clock=CLOCK, info=info)  # type: ignore[misc]
        super().__init__(**agent)
        self.umpire: Any = Accounts()


class WideSipCall(AnySipCall):
    """A call with accounts in place of an umpire."""

    def teardown(self) -> None:
        """Nothing is promised."""

    def is_called(self, fields: dict[str, Any], one_of: OneOf) -> None:
        self.lost_at, self.calls, self.responses = None, 0, 0
        shared = {key: value for key, value in fields.items() if key != "language"}
        direction = "outbound" if "outbound" in fields else "inbound"
        self.info = CallInfo(
            "CA1", one_of("+21671000001", ""), "+15550100", "desk", "sip", direction=direction
        )
        self.fields, self.other = fields, drawn_agents.colleague(shared | {"path": "sip"})
        self.book = self.a_book(BEGAN_AT)
        if one_of(True, False):
            briefing = Briefing("A parcel.", {"street": "Rue du Lac"}, language="fr")
            self.book.call.brief(briefing)

    def a_book(self, now: float) -> Any:
        return WideSipBook(self.info, now=now, **self.fields, colleagues=[self.other])

    @property
    def accounts(self) -> Any:
        return self.book.umpire

    @property
    def call(self) -> Any:
        return self.book.call

    def arrives(self, one_of: OneOf) -> None:
        decided = [
            lambda: self.call.decision.refuse("We are closed."),
            lambda: self.call.decision.transfer(TransferCaller("+15550126")),
            self.is_decided,
        ]
        refused = model.ErrorBody("invalid_request_error", "invalid_value", "No.")
        one_of(*[lambda: None] * 20, *decided)()
        if one_of(*[False] * 9, True):
            self.happens(inputs.AcceptRefused(refused))
        if one_of(*[False] * 9, True):
            self.happens(inputs.ModelOpened())
        self.happens(inputs.CallAccepted())
        self.happens(wait(one_of(0.1, 0.1, 3.0)))
        if one_of(*[False] * 19, True):
            self.happens(inputs.ModelLost("http_404", one_of(True, False)))
        self.happens(inputs.ModelOpened())

    def is_decided(self) -> None:
        briefing = Briefing("A refund.", {"order": "7"}, greeting="Hello, Ann.", language="de")
        session = session_of(self.other, definitions(self.other))
        self.happens(inputs.CallDecided(self.other, session, briefing))

    def goes_on_elsewhere(self, trace: Any, one_of: OneOf) -> None:
        """Another process attaches to the same session, or has one of its own."""
        state = decode(encode(self.call.snapshot()))
        state.silently = one_of(True, False)
        state.secret_ended = one_of(None, ("collect_digits", "pin", one_of(*wide_calls.OUTCOMES)))
        umpire, self.book = self.book.umpire, self.a_book(self.book.now)
        self.book.umpire = umpire
        self.call.resume(state)
        trace.follows(self.call)
        self.happens(inputs.CallAccepted(), inputs.ModelOpened())

    def begins(self) -> str:
        self.responses += 1
        self.happens(vendor_events.response_created(f"resp_{self.responses}"))
        return f"resp_{self.responses}"

    def a_turn(self, turn: str, words: str, seconds: float) -> None:
        at_ms = round(1000 * (self.book.now - BEGAN_AT))
        self.happens(vendor_events.speech_started(at_ms, turn), wait(seconds))
        stop_ms = at_ms + round(1000 * seconds)
        self.happens(vendor_events.speech_stopped(stop_ms, turn), vendor_events.committed(turn))
        self.happens(vendor_events.caller_says(turn, "so "), vendor_events.caller_said(turn, words))

    def waits(self, seconds: float) -> None:
        """Time goes by, and the server answers what it is asked for."""
        until = self.book.now + seconds
        while self.book.now < until and self.call.phase is not CallPhase.CLOSED:
            if self.book.umpire.awaited:
                response_id = self.begins()
                self.happens(transcript(response_id, f"item_of_{response_id}"))
                self.happens(started(response_id), vendor_events.response_done(response_id))
                self.happens(wait(0.3), stopped(response_id))
            self.happens(wait(min(2.0, max(0.0, until - self.book.now))))

    def is_screened(self, one_of: OneOf) -> None:
        words = (WORDS[0], one_of(WORDS[1], WORDS[0]), one_of(WORDS[1], *WORDS[2:4]), "Hello?")
        for nth, said in enumerate(words):
            self.a_turn(f"turn_of_it_{nth}", said, 0.3)
            response_id = self.begins()
            done = vendor_events.response_done(response_id, one_of("completed", "cancelled"))
            self.happens(done)
            self.waits(one_of(0.5, 0.5, 8.1, 8.1, 31.0))

    def plays(self, one_of: OneOf, trace: Any) -> list[Callable[[], object]]:
        """Return what may happen beside what happens in the other drawn calls."""

        def a_turn() -> None:
            self.a_turn(f"turn_{one_of(1, 2, 3)}", one_of(*WORDS), one_of(0.3, 1.9))

        def an_answer() -> None:
            response_id = self.begins()
            item_id = f"item_of_{response_id}"
            said = "We are open from nine to five."
            whole = model.TranscriptDone(response_id=response_id, item_id=item_id, transcript=said)
            words = [transcript(response_id, item_id, w) for w in ("We are open ", "from nine.")]
            done = vendor_events.response_done(
                response_id,
                one_of("completed", "completed", "cancelled"),
                said=one_of((), None, (("output_text", said),)),
                tokens=90,
            )
            if done.response.usage is not None and one_of(True, False):
                done.response.usage.output_token_details = model.OutputDetails(
                    audio_tokens=one_of(10, 100)
                )
            self.happens(words[0], wait(0.1), started(response_id), words[1], whole)
            self.happens(done, wait(one_of(0.1, 1.9)))
            end = one_of(*[(stopped(response_id),)] * 4, (cleared(response_id),), ())
            self.happens(*end)
            self.waits(one_of(0.1, 1.9) if end else 20.0)

        def two_answers() -> None:
            """The second is done before the first was played."""
            first, second = self.begins(), ""
            self.happens(transcript(first, "item_a"), started(first))
            self.happens(vendor_events.response_done(first))
            second = self.begins()
            self.happens(transcript(second, "item_b"), wait(one_of(0.1, 0.5)))
            self.happens(vendor_events.response_done(second, one_of("completed", "cancelled")))
            self.happens(*one_of((stopped(first),), (), (cleared(first),)), started(second))
            self.happens(wait(one_of(0.5, 1.9)), stopped(second))

        def an_answer_without_end() -> None:
            """It was heard, and its response is never done; or the other way about."""
            response_id = self.begins()
            self.happens(transcript(response_id, f"item_of_{response_id}"), started(response_id))
            end = one_of(stopped(response_id), vendor_events.response_done(response_id))
            self.happens(end, wait(one_of(1.9, 30.0)))

        def a_failure() -> None:
            response_id = self.begins()
            if one_of(True, False):
                self.happens(transcript(response_id, f"item_of_{response_id}"))
            code = one_of("rate_limit_exceeded", "server_error", "brand_new", None)
            status = one_of("failed", "failed", "incomplete", "cancelled")
            done = vendor_events.response_done(
                response_id,
                status,
                failure=code if status == "failed" else None,
                message=one_of("Please try again in 1.5s.", None),
                reason=one_of("max_output_tokens", "content_filter", "turn_detected", None),
            )
            self.happens(done, wait(one_of(0.1, 1.9)))

        def a_tool() -> None:
            name, call_id = one_of(*NAMES), self.next_call()
            response_id = self.begins()
            if one_of(True, False):
                self.happens(transcript(response_id, "item_t"), started(response_id))
            done = vendor_events.response_done(response_id, calls=((name, call_id),))
            for item in done.response.output or ():
                item.arguments = one_of(*ARGUMENTS.get(name, ("{}",)))
            self.happens(done, wait(one_of(0.1, 0.9)), stopped(response_id))
            outcome = one_of("ok", "error", "timeout", "invalid", "unavailable")
            self.happens(inputs.ToolFinished(call_id, json.dumps({"left": 3}), outcome))

        def an_error() -> None:
            about = one_of(self.call.model_link.session_event, self.call.ctx.responses.event_id, "")
            code, kind = one_of(*CODES), one_of(None, "server_error", "rate_limit_error")
            self.happens(vendor_events.error(code, about=about or None, kind=kind))

        def is_cut() -> None:
            response_id = self.begins()
            self.happens(transcript(response_id, "item_c"), started(response_id), wait(0.4))
            a_turn()
            end = one_of(cleared, stopped)(response_id)
            self.happens(end, vendor_events.response_done(response_id, "cancelled"))

        def is_lost_at_work() -> None:
            """In an answer that is being played, or in a turn."""
            response_id = self.begins()
            self.happens(transcript(response_id, f"item_of_{response_id}"), started(response_id))
            if one_of(True, False):
                self.happens(vendor_events.speech_started(900, "turn_4"))
            self.sideband_blinks(one_of(0.1, 1.9))
            self.happens(stopped(response_id))
            self.waits(one_of(0.5, 2.0))

        def screened() -> None:
            if self.call.agent.outbound is not None:
                self.is_screened(one_of)

        return [
            *[a_turn] * 6,
            *[an_answer] * 6,
            *[two_answers] * 2,
            *[a_tool] * 8,
            *[a_failure] * 2,
            *[is_cut] * 2,
            an_answer_without_end,
            is_lost_at_work,
            *DrawnStories(self, one_of, self.begins).all(),
            *[lambda: self.goes_by(one_of(0.1, 0.5, 1.9))] * 4,
            lambda: self.goes_by(7.9),
            *[lambda: self.waits(one_of(2.0, 2.0, 2.0, 8.1, 8.1, 40.0, 120.0))] * 4,
            *[lambda: self.hands_over(one_of(True, False), one_of(True, True, False))] * 2,
            *[lambda: self.sideband_blinks(one_of(0.0, 0.1, 7.9))] * 2,
            screened,
            an_error,
            self.sideband_is_up,
            lambda: self.goes_on_elsewhere(trace, one_of),
            lambda: self.session_is_changed(one_of(True, False)),
            lambda: self.happens(inputs.ModelLost("http_404", one_of(True, False, False))),
            lambda: self.happens(inputs.LanguageChosen(one_of("ar", "de-AT"))),
            lambda: self.happens(inputs.TransferFailed(one_of("busy", "no-answer"))),
            lambda: self.happens(inputs.MachineDetectionFinished(one_of("machine", "unknown"))),
            lambda: self.happens(inputs.PeerFaultSeen("model", "junk", ("x",))),
            lambda: self.happens(inputs.RecordingPauseRequested(one_of(True, False), "operator")),
            lambda: self.happens(tone(one_of(*"0123#*"))),
            lambda: self.happens(mcp.McpListFailed(item_id="mcpl_0")),
            lambda: self.happens(model.CallerTranscriptFailed(item_id="turn_2")),
        ]

    def ends(self, one_of: OneOf) -> None:
        """End the call in one of many ways, and let whatever is left of it go by."""
        if self.call.phase is CallPhase.CLOSED:
            return
        ways = [
            inputs.SipCallEnded(),
            inputs.HangUpRequested(one_of(Ending.DRAINED, Ending.BUG)),
            inputs.SpendLimitReached(1.0),
            inputs.ModelLost("http_401", refused=True),
            inputs.HandOverRequested(one_of(True, False)),
            wait(60.0),
        ]
        self.happens(one_of(*ways))
        for _ in range(3):
            self.goes_by(one_of(1.9, 8.1))
        if self.call.phase is not CallPhase.CLOSED:
            self.book.umpire.after(self.call.abandon(self.book.now), self.book.now)
