"""Any events on the SIP path, in any order and at any time: the rules still hold."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from search import draws, search

from call import vendor_events
from call.drawn_agents import CRM, colleague, either_path
from call.either_path import EitherPath, mostly, rarely
from call.liveness import Peace, Ways, ways
from call.play import wait
from call.sideband import SipBook, cleared, started, stopped, tone, transcript
from gateway import limits
from gateway.call import inputs
from gateway.call.endings import Ending
from gateway.call.snapshot import decode, encode
from gateway.call.state_machines import CallPhase, LinkState
from gateway.protocols.realtime_event import Event

responses = st.sampled_from([f"resp_{n}" for n in range(3)])
CODES = ["conversation_already_has_active_response", "response_cancel_not_active", "x", None]
HOSTED = CRM | {"approval": {"operator": ["find"], "none": ["drop"]}}
PRIVATE = {
    "via": "gateway",
    "command": ["shop"],
    "approval": HOSTED["approval"],
    "approval_timeout_s": 3,
}
STOCK = {
    "description": "Looks up.",
    "parameters": {"type": "object", "properties": {}},
    "http": {"url": "https://api.example.com/"},
    "filler_after_ms": 100,
}


@st.composite
def agents(draw: st.DrawFn) -> dict[str, Any]:
    agent = either_path(draw, STOCK, HOSTED, PRIVATE)
    agent["idle"] = {"nudge_after_s": 2.0, "end_after_s": 4.0}
    turns = draw(st.sampled_from(["server", "ours", "answers only"]))
    if turns == "ours":
        agent["barge_in"] = {"min_speech_ms": 300, "protect_greeting_ms": 500}
    elif turns == "answers only":
        agent["turn_detection"] = {"type": "server_vad", "interrupt_response": False}
    return agent


class AnySipCall(EitherPath):
    def teardown(self) -> None:
        if hasattr(self, "book") and sys.exc_info()[0] is None:
            book = self.book
            Peace(book.call, book.umpire, book.now, 0, self.ways).lasts()

    @initialize(agent=agents(), accepted=mostly, opened=mostly, ways=ways())
    def ring(self, agent: dict[str, Any], accepted: bool, opened: bool, ways: Ways) -> None:
        self.ways = ways
        other = colleague(agent | {"path": "sip"})
        self.book = SipBook(**agent, colleagues=[other])
        self.lost_at: float | None = None
        self.calls = 0
        if accepted:
            self.happens(inputs.CallAccepted())
        if opened:
            self.happens(inputs.ModelOpened())

    def happens(self, *happened: object) -> None:
        for one in happened:
            if not isinstance(one, Event) or self.book.call.link is LinkState.READY:
                self.book >> one << ...  # what is said on no sideband, nobody hears
        ready = self.book.call.link is not LinkState.LOST
        self.lost_at = None if ready else self.lost_at or self.book.now

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.5, 1.9, 7.9, 16.0]))
    def goes_by(self, seconds: float) -> None:
        self.happens(wait(seconds))

    @rule(digit=st.sampled_from("0#*A"))
    def presses_a_key(self, digit: str) -> None:
        self.happens(tone(digit))

    @rule(at_ms=st.sampled_from([0, 900, 20_000, 10**7]))
    def speech_started(self, at_ms: int) -> None:
        self.happens(vendor_events.speech_started(at_ms))

    @rule(at_ms=st.sampled_from([0, 900, 20_000, 10**7]), commit=st.booleans())
    def speech_stopped(self, at_ms: int, commit: bool) -> None:
        self.happens(vendor_events.speech_stopped(at_ms))
        if commit:
            self.happens(vendor_events.committed())

    @rule(response=responses)
    def response_created(self, response: str) -> None:
        self.happens(vendor_events.response_created(response))

    @rule(response=responses, item=st.sampled_from(["item_1", "item_2"]))
    def transcript(self, response: str, item: str) -> None:
        self.happens(transcript(response, item))

    @rule(response=responses, how=st.sampled_from([started, stopped, cleared]))
    def playback(self, response: str, how: Any) -> None:
        self.happens(how(response))

    @rule(
        response=responses,
        status=st.sampled_from(["completed", "completed", "cancelled", "failed", "incomplete"]),
        tool=st.sampled_from(
            [
                None,
                None,
                "stock",
                "shop_find",
                "shop_drop",
                "end_call",
                "transfer",
                "hand_over",
                "hand_over",
                "switch_language",
                "collect_digits",
                "nonsense",
            ]
        ),
    )
    def response_done(self, response: str, status: str, tool: str | None) -> None:
        calls = () if tool is None else ((tool, self.next_call()),)
        done = vendor_events.response_done(response, status, calls=calls)
        for item in done.response.output or ():
            item.arguments = '{"target":"desk","agent":"other","language":"fr","what":"pin"}'
        self.happens(done)

    @rule(response=responses)
    def says(self, response: str) -> None:
        """A whole answer, in order."""
        self.happens(
            vendor_events.response_created(response), transcript(response), started(response)
        )
        self.happens(vendor_events.response_done(response), stopped(response))

    @rule(ago=st.integers(0, 2), approve=st.booleans())
    def an_operator_answers(self, ago: int, approve: bool) -> None:
        assume(self.book.umpire.asked)
        approval_id = self.book.umpire.asked[max(-1 - ago, -len(self.book.umpire.asked))]
        self.happens(inputs.ApprovalAnswered(approval_id, approve))

    @rule(code=st.sampled_from(CODES), ours=st.booleans())
    def error(self, code: str | None, ours: bool) -> None:
        about = self.book.call.ctx.responses.event_id if ours else None
        self.happens(vendor_events.error(code, about=about))

    @rule(good=st.booleans())
    def session_is_changed(self, good: bool) -> None:
        about = self.book.call.model_link.session_event
        updated = vendor_events.session_updated(self.book.agent)
        self.happens(updated if good else vendor_events.error("invalid_value", about=about))

    @rule(back=st.booleans(), good=mostly)
    def hands_over(self, back: bool, good: bool) -> None:
        self.response_created("resp_1")
        calls = (("hand_over", self.next_call()),)
        done = vendor_events.response_done("resp_1", calls=calls)
        for item in done.response.output or ():
            item.arguments = '{"agent":"desk"}' if back else '{"agent":"other","about":"x"}'
        self.happens(done)
        self.session_is_changed(good)

    @rule(now_or_never=st.booleans())
    def sideband_is_lost(self, now_or_never: bool) -> None:
        assume(now_or_never)
        self.happens(inputs.ModelLost("closed_1006"))

    @rule()
    def sideband_is_up(self) -> None:
        self.happens(inputs.CallAccepted(), inputs.ModelOpened())

    @rule()
    def transfer_fails(self) -> None:
        self.happens(inputs.TransferFailed("http_400"))

    @rule(now_or_never=rarely, at_once=st.booleans(), taken=st.booleans())
    def process_stops(self, now_or_never: bool, at_once: bool, taken: bool) -> None:
        assume(now_or_never)
        self.hands_the_call_on(at_once, taken)

    def hands_the_call_on(self, at_once: bool, taken: bool) -> None:
        """Another process takes the call over, or there is none."""
        self.happens(inputs.HandOverRequested(at_once))
        if self.book.call.phase is CallPhase.TRANSFERRING:
            self.happens(inputs.SipCallEnded() if taken else inputs.TransferFailed("no_store"))

    @rule(ago=st.integers(0, 2))
    def function_finished(self, ago: int) -> None:
        self.happens(inputs.ToolFinished(f"call_{self.calls - ago}", "three left", "ok"))

    @rule()
    def could_go_on_elsewhere(self) -> None:
        """In another process, over a sideband of its own: nothing is said to a caller anew."""
        state, other = decode(encode(self.book.call.snapshot())), SipBook()
        # The same session of the vendor's, which knows what it called.
        other.umpire.known_calls(item.call_id for item in state.history if item.kind == "call")
        other.call.resume(state)
        other >> inputs.CallAccepted() << ... >> inputs.ModelOpened() << ...
        assert other.call.phase is CallPhase.TALKING
        assert "greeting" not in str(other.said)

    @rule(tool=st.sampled_from(["stock", "shop_drop"]), spoken=st.booleans(), blinks=st.booleans())
    def something_is_told_meanwhile(self, tool: str, spoken: bool, blinks: bool) -> None:
        """A function ends in the midst of an answer, which cannot tell of it."""
        call_id = self.calls_one(tool)
        self.response_created("resp_2")
        if spoken:
            self.transcript("resp_2", "item_2")
        self.happens(inputs.ToolFinished(call_id, "three left", "ok"))
        if blinks and self.book.call.model_link.losses == 0:
            self.sideband_blinks(0.1)

    @rule(tool=st.sampled_from(["stock", "shop_drop"]), at_ms=st.sampled_from([900, 20_000]))
    def something_is_told_into_a_turn(self, tool: str, at_ms: int) -> None:
        """And the server's own answer to that began before, or after."""
        call_id = self.calls_one(tool)
        self.speech_started(at_ms)
        self.speech_stopped(at_ms, commit=True)
        self.happens(inputs.ToolFinished(call_id, "three left", "ok"))
        self.response_created("resp_2")

    @rule(at_ms=st.sampled_from([900, 20_000]))
    def talks_into_an_answer(self, at_ms: int) -> None:
        """A whole turn of the caller, before the answer is over."""
        self.response_created("resp_1")
        self.transcript("resp_1", "item_1")
        self.speech_started(at_ms)
        self.speech_stopped(at_ms, commit=True)
        self.response_done("resp_1", "completed", None)

    def calls_one(self, tool: str) -> str:
        call_id = self.next_call()
        self.response_created("resp_1")
        self.happens(vendor_events.response_done("resp_1", calls=((tool, call_id),)))
        return call_id

    @rule(seconds=st.sampled_from([0.0, 0.1, 7.9]))
    def sideband_blinks(self, seconds: float) -> None:
        self.happens(inputs.ModelLost("closed_1006"), wait(seconds), inputs.ModelOpened())

    @rule(now_or_never=rarely, how=st.integers(0, 3))
    def something_grave(self, now_or_never: bool, how: int) -> None:
        assume(now_or_never)
        grave = [
            vendor_events.error("invalid_api_key"),
            vendor_events.error("session_expired"),
            inputs.SipCallEnded(),
            inputs.HangUpRequested(Ending.DRAINED),
        ]
        self.happens(grave[how])

    @invariant()
    def nobody_is_left_without_a_sideband(self) -> None:
        if not hasattr(self, "book") or self.book.call.phase is CallPhase.CLOSED:
            return
        without_s = self.book.now - (self.lost_at or self.book.now)
        assert without_s <= limits.sip.SIDEBAND_MAX_S + limits.call.TRANSFER_MAX_S + 0.001

    @invariant()
    def nothing_grows_without_end(self) -> None:
        if hasattr(self, "book"):
            assert self.book.call.line.unheard <= 4  # and what nobody saw begin


@search
@pytest.mark.parametrize(("examples", "steps"), [(20, 12), (10, 40)])
def test_any_sip_call(examples: int, steps: int) -> None:
    """In short runs peace comes before something else has covered what was forgotten."""
    run_state_machine_as_test(
        AnySipCall,
        settings=settings(
            max_examples=draws(examples),
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
