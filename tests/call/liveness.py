"""After whatever was drawn, everybody behaves: then nothing may be owed, and the call must end.

A small model's server, telephone and desk in simulated time: what is asked is answered, what was
lost comes back, nobody speaks any more. A silent line is nudged, then left, so each call ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final

from hypothesis import strategies as st

from call import vendor_events, wires
from call.play import BEGAN_AT, over_the_wire
from call.sideband import started, stopped, transcript
from call.telephone import Telephone
from call.umpire import Umpire
from gateway import limits
from gateway.call import commands as do
from gateway.call import inputs
from gateway.call.context import Out
from gateway.call.machine import CallMachine
from gateway.call.state_machines import CallPhase, LinkState

_TICKS_MAX_PER_S: Final = 100
_LIVELY_EVERY_S: Final = 2.5
_FRAME_MS: Final = 500
_OWED_MAX_S: Final = limits.model.RESPONSE_STALL_MAX_S + 3 * limits.model.RESPONSE_START_MAX_S
"""Until an answer begins, where one that never ends was running before, and is given up."""
_LASTS_MAX_S: Final = (
    2 * limits.call.ENDING_MAX_S + limits.call.TRANSFER_MAX_S + limits.call.ARRIVAL_WAIT_S + 120
)


@dataclass(frozen=True)
class Ways:
    """What well-behaved ends may still do in one way or another."""

    response_after_s: float = 0.1
    """From a `response.create`, or the end of a turn, to `response.created`."""
    tool_after_s: float = 1.0
    back_after_s: float = 0.1
    """A session, or a sideband, that is asked for."""
    transfer: str = "done"
    """`done`, `failed`, or "" for no word about it."""
    unended: str = "completed"
    """How the response that was in flight ends."""


def ways() -> st.SearchStrategy[Ways]:
    return st.builds(
        Ways,
        response_after_s=st.sampled_from([0.1, 1.0]),
        tool_after_s=st.sampled_from([0.0, 1.0, 9.0]),
        back_after_s=st.sampled_from([0.0, 0.1, 1.0]),
        transfer=st.sampled_from(["done", "failed", ""]),
        unended=st.sampled_from(["completed", "cancelled", "failed"]),
    )


class Peace:
    def __init__(
        self, call: CallMachine, umpire: Umpire, now: float, frames_ms: int, ways: Ways
    ) -> None:
        self.call, self.umpire, self.now, self.ways = call, umpire, now, ways
        self.story: list[str] = []
        self._sip = call.agent.path == "sip"
        self._due: list[tuple[float, int, int | None, Callable[[], None]]] = []
        self._order = count()
        self._session = 0
        self._responses = count(1)
        self._active: str | None = None
        self._telephone = Telephone()
        self._frames_ms = frames_ms
        self._ticks: Counter[int] = Counter()

    def __str__(self) -> str:
        return "\n".join(self.story[-60:])

    # --- Time ---

    def lasts(self) -> None:
        """Until the call is over."""
        try:
            self._begin()
            until = self.now + _LASTS_MAX_S
            while self.call.phase is not CallPhase.CLOSED:
                self._next()
                assert self.now < until, "a call without end"
        except AssertionError as error:
            raise AssertionError(f"{error}\nin peace it went so:\n{self}") from error
        self._nothing_is_left()

    def _next(self) -> None:
        deadline = self.call.deadline
        assert deadline is not None
        planned = self._due[0][0] if self._due else float("inf")
        at = max(self.now, min(deadline, planned, self._telephone.echo_at()))
        self.now = at
        if self._telephone.echo_at() <= at:
            self.happens(vendor_events.mark(self._telephone.echo()))
        elif planned <= at:
            _, _, session, what = heappop(self._due)
            if session in (None, self._session):
                what()
        else:
            self._tick()
        self._nothing_waits_for_ever()

    def _tick(self) -> None:
        second = int(self.now)
        self._ticks[second] += 1
        assert self._ticks[second] <= _TICKS_MAX_PER_S, "ticks and ticks, and nothing comes of it"
        self._follow(self.call.tick(self.now))

    def _after(self, seconds: float, what: Callable[[], None], *, of_session: bool = True) -> None:
        session = self._session if of_session else None
        heappush(self._due, (self.now + seconds, next(self._order), session, what))

    def _later(self, seconds: float, *happenings: object, of_session: bool = True) -> None:
        for one in happenings:
            self._after(seconds, lambda one=one: self.happens(one), of_session=of_session)

    # --- What is wrong ---

    def _nothing_waits_for_ever(self) -> None:
        promises = self.umpire.promises
        if self.call.phase is CallPhase.TALKING and self.call.link is LinkState.READY:
            for key, (_, told_at) in promises.owed.items():
                waited_s = self.now - max(told_at, self._began_at)
                assert waited_s <= _OWED_MAX_S, f"no answer began since {key} was told"
            for approval_id, until in promises.approvals.items():
                late_s = self.now - max(until, self._began_at)
                assert late_s <= 2 * limits.model.ROLL_LOOK_S, f"{approval_id} is not decided"

    def _nothing_is_left(self) -> None:
        assert self.umpire.ended is not None

    # --- The beginning of it ---

    def _begin(self) -> None:
        self._began_at = self.now
        for name in list(self.umpire.unechoed):
            self.happens(vendor_events.mark(name))
        self._everybody_comes()
        self._response_ends()
        self._after(0.1, self._turn_ends, of_session=False)
        if self._sip:
            for n in range(3):
                self.happens(stopped(f"resp_{n}"))
        for call_id in list(self.umpire.promises.tools):
            self._tool_ends(call_id)
        if self.call.phase is CallPhase.TRANSFERRING:
            self._transfer_ends()
        self._frame()
        self._sign_of_life()

    def _everybody_comes(self) -> None:
        if self._sip:
            self.happens(inputs.CallAccepted())
            return self.happens(inputs.ModelOpened())
        if self.call.phase is CallPhase.EXPECTED:
            self.happens(vendor_events.start())
        for told in self._opened():
            self.happens(told)
            self.happens(inputs.NextSessionEvent(told))
        return None

    def _response_ends(self) -> None:
        asked, active = self.umpire.in_flight()
        if asked and active is None:
            active = "resp_0"
            self.happens(vendor_events.response_created(active))
        if active is not None:
            self.happens(vendor_events.response_done(active, self.ways.unended))

    def _turn_ends(self) -> None:
        turn = self.umpire.promises.turn
        if turn is None or self.call.phase is CallPhase.CLOSED:
            return
        if turn == "untold":
            self.happens(vendor_events.speech_started(0))
        self.happens(vendor_events.speech_stopped(0))
        self.happens(vendor_events.committed())
        if self.call.ctx.server_answers and self._active is None:
            self._respond()
        self._later(1.0, vendor_events.caller_said("turn_1", "nothing more"))

    def _frame(self) -> None:
        if not self._sip:
            self.happens(vendor_events.frame(self._frames_ms, _FRAME_MS))
            self._frames_ms += _FRAME_MS
            self._after(_FRAME_MS / 1000, self._frame, of_session=False)

    def _sign_of_life(self) -> None:
        self.happens(vendor_events.cleared())
        self._after(_LIVELY_EVERY_S, self._sign_of_life, of_session=False)

    # --- What each end does ---

    def happens(self, event: object) -> None:
        self.story.append(f"{self.now - BEGAN_AT:9.3f} >> {wires.shown(event)}")
        self.umpire.before(event, self.now)
        self._follow(self.call.handle(over_the_wire(event), self.now))

    def _follow(self, outs: Sequence[Out]) -> None:
        self.umpire.after(outs, self.now)
        for out in outs:
            self._meets(out)

    def _meets(self, out: Out) -> None:
        match out:
            case do.SendToCaller():
                self._telephone.take(wires.to_caller(out.data), self.now)
                return
            case do.SendToModel():
                self._is_told(wires.to_model(out.data))
            case do.SendToNextSession():
                if wires.to_model(out.data)["type"] == "session.update":
                    confirmed = vendor_events.session_updated(self.call.agent)
                    self._later(self.ways.back_after_s, inputs.NextSessionEvent(confirmed))
            case do.OpenNextSession():
                self._later(
                    self.ways.back_after_s, inputs.NextSessionEvent(vendor_events.session_created())
                )
            case do.OpenModel():
                self._goes()
                self._later(out.after_s + self.ways.back_after_s, *self._opened())
            case do.SwitchToNextSession():
                self._goes()
            case do.ReattachSideband():
                self._goes()
                self._later(self.ways.back_after_s, inputs.ModelOpened())
            case do.RunTool():
                self._tool_ends(out.call_id)
            case do.TransferCaller() | do.CollectSecret() | do.ReleaseCall():
                self._transfer_ends()
        if "append" not in (line := wires.show(out)):
            self.story.append(f"{self.now - BEGAN_AT:9.3f}    << {line}")

    def _goes(self) -> None:
        self._session, self._active = self._session + 1, None

    def _opened(self) -> tuple[object, object]:
        return vendor_events.session_created(), vendor_events.session_updated(self.call.agent)

    def _is_told(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "session.update" if self.call.model_link.session_lives_on:
                self._later(0.05, vendor_events.session_updated(self.call.agent))
            case "response.create" if self._active is not None:
                self._later(0.05, vendor_events.already_active())
            case "response.create":
                self._respond()
            case "response.cancel":
                self._is_cancelled()

    def _is_cancelled(self) -> None:
        active, self._active = self._active, None
        if active is None:
            self._later(0.05, vendor_events.error("response_cancel_not_active"))
        else:
            self._later(0.05, vendor_events.response_done(active, "cancelled"))

    def _respond(self) -> None:
        response_id = self._active = f"resp_of_peace_{next(self._responses)}"
        self._after(self.ways.response_after_s, lambda: self._speaks(response_id))

    def _speaks(self, response_id: str) -> None:
        if self._active != response_id:
            return
        item_id = f"item_of_{response_id}"
        self.happens(vendor_events.response_created(response_id))
        if self._sip:
            self.happens(transcript(response_id, item_id))
            self.happens(started(response_id))
            self._later(0.5, stopped(response_id), of_session=False)
        else:
            sound = {"audio": self.call.agent.audio, "ms": 400}
            self.happens(vendor_events.audio_delta(item_id, response_id=response_id, **sound))
            self.happens(vendor_events.audio_done(item_id, response_id))
        self._after(0.2, lambda: self._done(response_id))

    def _done(self, response_id: str) -> None:
        if self._active == response_id:
            self._active = None
            self.happens(vendor_events.response_done(response_id))

    def _tool_ends(self, call_id: str) -> None:
        finished = inputs.ToolFinished(call_id, "three left", "ok")
        self._later(self.ways.tool_after_s, finished, of_session=False)

    def _transfer_ends(self) -> None:
        if self.ways.transfer == "failed":
            self._later(2.0, inputs.TransferFailed("busy"), of_session=False)
        elif self.ways.transfer == "done":
            gone = inputs.SipCallEnded() if self._sip else vendor_events.stop()
            self._later(2.0, gone, of_session=False)
