"""What may happen to any call, however its sound travels: rules of both state machines."""

from __future__ import annotations

from abc import abstractmethod

from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from call.hosted_events import anything
from gateway.call import inputs
from gateway.protocols import realtime_server as model

WISHES = [
    inputs.SayRequested("Mind the gap."),
    inputs.ShowImageRequested("data:image/png;base64,AAAA", "a meter"),
    inputs.TransferRequested("+15550124"),
]
rarely = st.integers(0, 15).map(lambda n: n == 0)
mostly = st.integers(0, 7).map(lambda n: n > 0)


class EitherPath(RuleBasedStateMachine):
    calls: int
    """How many functions the model has called."""

    @abstractmethod
    def happens(self, happened: object) -> None:
        """Hand the event to the call."""

    def next_call(self) -> str:
        """One id is of one call."""
        self.calls += 1
        return f"call_{self.calls}"

    @rule(text=st.sampled_from(["", "B as in Bravo"]), count=st.integers(0, 2))
    def caller_sends(self, text: str, count: int) -> None:
        images = ("data:image/jpeg;base64,AQ==",) * count
        self.happens(
            inputs.CallerMessageReceived("message", images, text, ("it is a PDF",) * (2 - count))
        )

    @rule()
    def camera_is_shown(self) -> None:
        self.happens(inputs.CameraFrameReceived("data:image/jpeg;base64,AQ=="))

    @rule(nth=st.integers(0, 2), what=st.integers(0, 13))
    def a_hosted_server_does_something(self, nth: int, what: int) -> None:
        self.happens(anything(nth, what))

    @rule(now_or_never=rarely, who=st.sampled_from(["human", "machine", "fax", "unknown"]))
    def it_is_found_out_who_has_answered(self, now_or_never: bool, who: str) -> None:
        assume(now_or_never)
        self.happens(inputs.MachineDetectionFinished(who))

    @rule()
    def caller_is_not_transcribed(self) -> None:
        self.happens(model.CallerTranscriptFailed(item_id="turn_1"))

    @rule(wish=st.sampled_from(WISHES), now_or_never=st.booleans())
    def an_operator_wishes(self, wish: inputs.OperatorRequest, now_or_never: bool) -> None:
        assume(now_or_never)
        self.happens(wish)

    @rule(now_or_never=rarely, share=st.sampled_from([0.8, 1.0]))
    def money_runs_short(self, now_or_never: bool, share: float) -> None:
        assume(now_or_never)
        self.happens(inputs.SpendLimitReached(share))
