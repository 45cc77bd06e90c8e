"""Any events of both wires, legal or not, in any order and at any time: the rules still hold."""

from __future__ import annotations

import sys
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from search import draws, search

from call import vendor_events
from call.drawn_agents import agents, colleague
from call.either_path import EitherPath, mostly, rarely
from call.liveness import Peace, Ways, ways
from call.play import BEGAN_AT, among, an_agent, over_the_wire
from call.umpire import Umpire
from call.wires import STREAM_SID
from gateway import limits
from gateway.agents.builtin_tools import definitions
from gateway.agents.session import session_of
from gateway.call import inputs
from gateway.call.context import WallClock
from gateway.call.endings import Ending
from gateway.call.history import HistoryItem
from gateway.call.paths import media_call
from gateway.call.snapshot import decode, encode
from gateway.call.state_machines import CallPhase, LinkState

CODES = [
    "conversation_already_has_active_response",
    "response_cancel_not_active",
    "server_error",
    "brand_new",
    None,
]
FATAL = ["invalid_api_key", "session_expired"]
lengths_ms = st.sampled_from([0, 7, 20, 33.5, 160, 400, 1000, 3000])
moments_ms = st.one_of(st.integers(0, 20_000), st.sampled_from([0, 10**7]))
stale = st.integers(0, 9).map(lambda n: max(0, n - 7))
"""How many responses, or items, ago: hardly ever another than the last."""


class AnyCall(EitherPath):
    def teardown(self) -> None:
        if hasattr(self, "call") and sys.exc_info()[0] is None:
            Peace(self.call, self.umpire, self.now, self.stream_ms, self.ways).lasts()

    @initialize(agent=agents(), ready=mostly, arrived=mostly, ways=ways())
    def ring(self, agent: dict[str, Any], ready: bool, arrived: bool, ways: Ways) -> None:
        self.agent = an_agent(**agent)
        self.now, self.ways = BEGAN_AT, ways
        ids = (f"event_{n}" for n in count())
        session = session_of(self.agent, definitions(self.agent))
        others = among([colleague(agent), self.agent])
        self.call = media_call(self.agent, session, lambda: next(ids), self.now, colleagues=others)
        self.umpire = Umpire(self.call)
        self.stream_ms = 0
        self.response = self.item = self.calls = 0
        self.out: list[str] = []
        """Functions that run, by call_id."""
        if ready:
            self.happens(vendor_events.session_created())
            self.happens(vendor_events.session_updated(self.agent))
        if arrived:
            self.happens(vendor_events.start())
            self.speaks()

    def happens(self, event: object) -> None:
        self.umpire.before(event, self.now)
        self.umpire.after(self.call.handle(over_the_wire(event), self.now), self.now)

    # --- Time ---

    @rule(seconds=st.sampled_from([0.0, 1e-4, 0.02, 0.1, 0.5, 1.9, 8.1]))
    def goes_by(self, seconds: float) -> None:
        """Each deadline on the way is met; the caller's frames come as they should."""
        until = self.now + seconds
        while (due := self.call.deadline) is not None and min(due, self.frame_at) <= until:
            if self.frame_at <= due:
                self.now = max(self.now, self.frame_at)
                self.speaks()
            else:
                self.wake(max(self.now, due))
        self.now = until

    def wake(self, at: float) -> None:
        self.now = at
        for _ in range(3):
            self.umpire.after(self.call.tick(at), at)
            if self.call.deadline is None or self.call.deadline > at:
                return
        pytest.fail(f"the deadline {self.call.deadline} is not met by its ticks")

    @rule(seconds=st.sampled_from([0.3, 1.0, 3.0, 40.0]))
    def oversleeps(self, seconds: float) -> None:
        """Our process slept: one late tick is all there is."""
        self.now += seconds
        self.wake(self.now)

    # --- The caller's wire ---

    @property
    def frame_at(self) -> float:
        """When the caller's next frame is due, of half a second for speed."""
        return BEGAN_AT + self.stream_ms / 1000

    @rule()
    def speaks(self) -> None:
        self.happens(vendor_events.frame(self.stream_ms, 500))
        self.stream_ms += 500

    @rule(at_ms=st.sampled_from(["0", "999999999999", "x", "", "٣"]), ms=st.sampled_from([0, 20]))
    def speaks_oddly(self, at_ms: str, ms: int) -> None:
        self.happens(vendor_events.frame(at_ms, ms))

    @rule(again=rarely)
    def starts(self, again: bool) -> None:
        assume(again or self.call.phase is CallPhase.EXPECTED)
        self.happens(vendor_events.start())

    @precondition(lambda self: self.umpire.unechoed)
    @rule(how_many=st.sampled_from([1, 3, 99]))
    def is_played(self, how_many: int) -> None:
        for name in self.umpire.unechoed[:how_many]:
            self.happens(vendor_events.mark(name))
        del self.umpire.unechoed[:how_many]

    @rule(name=st.sampled_from(["0:1", "1:1", "", "99:99"]))
    def an_odd_mark(self, name: str) -> None:
        self.happens(vendor_events.mark(name))

    @rule(digit=st.sampled_from("55#"), sid=st.sampled_from([STREAM_SID, STREAM_SID, "MZ0"]))
    def presses_a_key(self, digit: str, sid: str) -> None:
        self.happens(vendor_events.key(digit, sid))

    # --- The model's wire ---

    @rule()
    def session_created(self) -> None:
        self.happens(vendor_events.session_created())

    @rule(good=rarely.map(lambda rare: not rare))
    def session_updated(self, good: bool) -> None:
        self.happens(vendor_events.session_updated(self.agent, audio=None if good else {}))

    @rule(at_ms=moments_ms)
    def speech_started(self, at_ms: int) -> None:
        self.happens(vendor_events.speech_started(at_ms))

    @rule(at_ms=moments_ms, commit=st.booleans())
    def speech_stopped(self, at_ms: int, commit: bool) -> None:
        self.happens(vendor_events.speech_stopped(at_ms))
        if commit:
            self.happens(vendor_events.committed())

    @rule()
    def committed(self) -> None:
        self.happens(vendor_events.committed())

    @rule(new=mostly)
    def response_created(self, new: bool) -> None:
        self.response += new
        self.item += new
        self.happens(vendor_events.response_created(f"resp_{self.response}"))

    @rule(ms=lengths_ms, response_ago=stale, item_ago=stale, next_item=rarely)
    def audio_delta(self, ms: float, response_ago: int, item_ago: int, next_item: bool) -> None:
        self.item += next_item
        item, response = self.item - item_ago, f"resp_{self.response - response_ago}"
        sound = {"audio": self.agent.audio, "code": item % 120 + 1}
        self.happens(
            vendor_events.audio_delta(f"item_{item}", ms=ms, response_id=response, **sound)
        )

    @rule(ms=lengths_ms, another_ms=lengths_ms, tool=st.sampled_from([None, None, "end_call"]))
    def answers(self, ms: float, another_ms: float, tool: str | None) -> None:
        """A whole answer of two items, in order."""
        self.response_created(new=True)
        self.audio_delta(ms, 0, 0, next_item=False)
        self.audio_done(0, 0)
        self.audio_delta(another_ms, 0, 0, next_item=True)
        self.audio_done(0, 0)
        self.response_done("completed", tool, 0)

    @rule(ms=lengths_ms, another_ms=lengths_ms, more=st.booleans(), done=st.booleans())
    def answers_behind_a_preamble(
        self, ms: float, another_ms: float, more: bool, done: bool
    ) -> None:
        """The first item goes on, and is done, after the second has begun."""
        self.response_created(new=True)
        self.audio_delta(ms, 0, 0, next_item=False)
        self.audio_delta(another_ms, 0, 0, next_item=True)
        if more:
            self.audio_delta(ms, 0, 1, next_item=False)
        self.audio_done(0, 1)
        self.audio_delta(another_ms, 0, 0, next_item=False)
        if done:
            self.audio_done(0, 0)
            self.response_done("completed", None, 0)

    @rule(ms=lengths_ms, seconds=st.sampled_from([0.0, 0.1, 0.35]))
    def is_interrupted(self, ms: float, seconds: float) -> None:
        self.response_created(new=True)
        self.audio_delta(ms, 0, 0, next_item=False)
        self.goes_by(0.1)
        self.speech_started(self.stream_ms)
        self.goes_by(seconds)
        self.audio_delta(ms, 0, 0, next_item=False)

    @rule(response_ago=stale, item_ago=stale)
    def audio_done(self, response_ago: int, item_ago: int) -> None:
        item, response = f"item_{self.item - item_ago}", f"resp_{self.response - response_ago}"
        self.happens(vendor_events.audio_done(item, response))

    @rule(
        status=st.sampled_from(["completed", "completed", "cancelled", "failed", "incomplete", ""]),
        tool=st.sampled_from(
            [
                None,
                None,
                "stock",
                "shop_reserve",
                "shop_look_up",
                "end_call",
                "transfer",
                "hand_over",
                "hand_over",
                "switch_language",
                "collect_digits",
                "nonsense",
            ]
        ),
        ago=stale,
    )
    def response_done(self, status: str, tool: str | None, ago: int) -> None:
        calls = () if tool is None else ((tool, self.next_call()),)
        done = vendor_events.response_done(f"resp_{self.response - ago}", status, calls=calls)
        for item in done.response.output or ():
            item.arguments = '{"target":"desk","agent":"other","language":"fr","what":"pin"}'
        self.happens(done)

    @rule(ago=stale)
    def tool_finished(self, ago: int) -> None:
        self.happens(inputs.ToolFinished(f"call_{self.calls - ago}", "three left", "ok"))

    @rule(tool=st.sampled_from(["stock", "shop_look_up"]), ms=st.sampled_from([0, 400]))
    def something_is_told_meanwhile(self, tool: str, ms: int) -> None:
        """A function ends in the midst of an answer, which cannot tell of it."""
        call_id = self.calls_one(tool)
        self.response_created(new=True)
        self.audio_delta(ms, 0, 0, next_item=True)
        self.happens(inputs.ToolFinished(call_id, "three left", "ok"))

    @rule(tool=st.sampled_from(["stock", "shop_look_up"]), at_ms=moments_ms)
    def something_is_told_into_a_turn(self, tool: str, at_ms: int) -> None:
        """And the server's own answer to that began before, or after."""
        call_id = self.calls_one(tool)
        self.speech_started(at_ms)
        self.speech_stopped(at_ms, commit=True)
        self.happens(inputs.ToolFinished(call_id, "three left", "ok"))
        self.response_created(new=True)

    @rule(ms=lengths_ms, at_ms=moments_ms)
    def talks_into_an_answer(self, ms: float, at_ms: int) -> None:
        """A whole turn of the caller, before the answer is over."""
        self.response_created(new=True)
        self.audio_delta(ms, 0, 0, next_item=True)
        self.speech_started(at_ms)
        self.speech_stopped(at_ms, commit=True)
        self.response_done("completed", None, 0)

    def calls_one(self, tool: str) -> str:
        self.response_created(new=True)
        call_id = self.next_call()
        self.happens(vendor_events.response_done(f"resp_{self.response}", calls=((tool, call_id),)))
        return call_id

    @rule(ago=stale, approve=st.booleans())
    def an_operator_answers(self, ago: int, approve: bool) -> None:
        assume(self.umpire.asked)
        approval_id = self.umpire.asked[max(-1 - ago, -len(self.umpire.asked))]
        self.happens(inputs.ApprovalAnswered(approval_id, approve))

    @rule(code=st.sampled_from(CODES), ours=st.booleans())
    def error(self, code: str | None, ours: bool) -> None:
        about = self.call.ctx.responses.event_id if ours else None
        self.happens(vendor_events.error(code, about=about))

    # --- The model goes, and comes back ---

    @rule(reason=st.sampled_from(["closed_1006", "closed_1011", "unreachable"]), back=mostly)
    def model_lost(self, reason: str, back: bool) -> None:
        self.happens(inputs.ModelLost(reason))
        if back:
            self.happens(vendor_events.session_created())
            self.happens(vendor_events.session_updated(self.agent))

    @rule(item=st.sampled_from(["turn_1", "turn_2"]))
    def caller_said(self, item: str) -> None:
        self.happens(vendor_events.caller_said(item, "some words"))

    @rule(item_ago=stale, response_ago=stale)
    def model_says(self, item_ago: int, response_ago: int) -> None:
        item, response = f"item_{self.item - item_ago}", f"resp_{self.response - response_ago}"
        self.happens(vendor_events.model_says(item, " and so on", response))

    @rule(expires_in_s=st.sampled_from([0.5, 3, 20]))
    def hour_is_up_soon(self, expires_in_s: float) -> None:
        self.call.ctx.wall_clock = WallClock(0.0)
        body = vendor_events.session_updated(self.agent, expires_at=int(self.now + expires_in_s))
        self.happens(body)

    @rule(event=st.integers(0, 3))
    def next_session(self, event: int) -> None:
        told = [
            vendor_events.session_created(),
            vendor_events.session_updated(self.agent),
            vendor_events.session_updated(self.agent, audio={}),
            vendor_events.error("server_error"),
        ][event]
        self.happens(inputs.NextSessionEvent(told))

    @precondition(lambda self: self.call.link is LinkState.READY)
    @rule(left_s=st.sampled_from([0.1, 0.9]), turn=st.booleans())
    def session_is_changed(self, left_s: float, turn: bool) -> None:
        """Its hour is up, whatever is going on; or a turn, whose answer has not begun."""
        self.call.model_link.next_session.plan(left_s)
        self.goes_by(left_s)
        if turn:
            self.speech_started(self.stream_ms)
        self.next_session(0)
        self.next_session(1)
        if turn:
            self.speech_stopped(self.stream_ms, commit=True)
            self.caller_said("turn_1")
        self.goes_by(left_s)

    @rule(back=st.booleans(), opens=mostly, turn=st.booleans())
    def hands_over(self, back: bool, opens: bool, turn: bool) -> None:
        """In order: the agent says its word, and the next one's session is there."""
        self.response_created(new=True)
        self.audio_delta(400, 0, 0, next_item=False)
        self.audio_done(0, 0)
        calls = (("hand_over", self.next_call()),)
        done = vendor_events.response_done(f"resp_{self.response}", calls=calls)
        for item in done.response.output or ():
            item.arguments = '{"agent":"desk"}' if back else '{"agent":"other","about":"x"}'
        self.happens(done)
        if turn:
            self.speech_started(self.stream_ms)
        self.next_session(0)
        self.next_session(1 if opens else 3)

    @rule()
    def next_lost(self) -> None:
        self.happens(inputs.NextSessionLost("unreachable"))

    @rule(now_or_never=rarely, at_once=st.booleans())
    def process_stops(self, now_or_never: bool, at_once: bool) -> None:
        assume(now_or_never)
        self.happens(inputs.HandOverRequested(at_once))

    # --- Functions, pictures, and what another process had written down ---

    @rule(how_many=st.integers(1, 3), now_or_never=rarely)
    def calls_functions(self, how_many: int, now_or_never: bool) -> None:
        assume(now_or_never)
        self.calls_several(how_many)

    def calls_several(self, how_many: int) -> None:
        self.response_created(new=True)
        calls = tuple(("stock", f"call_of_{self.item}_{n}") for n in range(how_many))
        self.out += [call_id for _, call_id in calls]
        self.happens(vendor_events.response_done(f"resp_{self.response}", calls=calls))

    @precondition(lambda self: self.out)
    @rule(outcome=st.sampled_from(["ok", "error", "timeout"]), again=rarely)
    def function_finished(self, outcome: str, again: bool) -> None:
        self.happens(inputs.ToolFinished(self.out[-1], "nine to five", outcome))
        if not again:
            self.out.pop()

    @rule(ms=st.sampled_from([20, 500]))
    def said_before(self, ms: int) -> None:
        self.happens(inputs.EarlierTranscriptFound(b"\x55" * 8 * ms))

    @precondition(
        lambda self: self.call.phase is CallPhase.EXPECTED and not self.call.history.items
    )
    @rule(words=st.sampled_from(["", "heron", "heron and more"]), numbers=st.integers(0, 4))
    def is_reminded(self, words: str, numbers: int) -> None:
        """Of a memory that grew elsewhere: only before the caller is there."""
        items = [
            HistoryItem("caller" if n % 2 else "model", n, words, f"history_of_{n}")
            for n in range(1, numbers + 1)
        ]
        self.happens(inputs.HistoryRestored(items))

    @rule(silently=st.booleans())
    def could_go_on_elsewhere(self, silently: bool) -> None:
        """Whatever it is in, its state makes another call that lives."""
        state = decode(encode(self.call.snapshot()))
        state.silently = silently
        session = session_of(self.agent, definitions(self.agent))
        ids = (f"other_{n}" for n in count())
        other = media_call(self.agent, session, lambda: next(ids), self.now)
        other.resume(state)
        umpire = Umpire(other)
        for event in (
            vendor_events.session_created(),
            vendor_events.session_updated(self.agent),
            vendor_events.start(),
            vendor_events.frame(0, 20),
        ):
            umpire.before(event, self.now)
            umpire.after(other.handle(over_the_wire(event), self.now), self.now)
        assert other.phase is CallPhase.TALKING
        assert other.streams == self.call.streams + 1

    # --- What ends a call ---

    @rule(now_or_never=rarely, how=st.integers(0, 5), code=st.sampled_from(FATAL))
    def something_grave(self, now_or_never: bool, how: int, code: str) -> None:
        assume(now_or_never)
        grave = [
            vendor_events.stop(),
            vendor_events.error(code),
            inputs.ModelLost("closed_1006"),
            inputs.CallerLost(),
            inputs.HangUpRequested(Ending.DRAINED),
            inputs.TransferFailed("refused"),
        ]
        self.happens(grave[how])

    # --- What holds at any time ---

    @invariant()
    def nothing_grows_without_end(self) -> None:
        if hasattr(self, "call"):
            assert self.call.images.waiting <= limits.call.PICTURES_WAITING_MAX
            assert self.call.line.items_cut <= limits.call.ITEMS_CUT_KEPT_MAX
            memory = self.call.history
            assert len(memory.items) <= limits.call.HISTORY_ITEMS_MAX
            assert sum(len(item.text) for item in memory.items) == memory.chars
            assert self.call.line.uplink.retained_bytes <= 8 * limits.call.RETAINED_TURN_MAX_MS
            ledger = self.call.line.downlink.ledger
            assert ledger.heard_ms(self.now) <= ledger.sent_ms <= ledger.accepted_ms
            assert ledger.marks_pending <= limits.call.MARKS_PENDING_MAX


@search
@pytest.mark.parametrize(("examples", "steps"), [(20, 12), (10, 40)])
def test_any_call(examples: int, steps: int) -> None:
    """In short runs peace comes before something else has covered what was forgotten."""
    run_state_machine_as_test(
        AnyCall,
        settings=settings(
            max_examples=draws(examples),
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
