"""A call as a screenplay: `book >> what happens << what the call does << nothing`.

Whatever an event brought forth must be named before the next event, in order and completely:
`<< nothing` says that this was all, `<< ...` that the rest is of no interest here. Every line
goes past the umpire, and every event over the codec of its wire.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import ndiff
from itertools import count
from types import EllipsisType
from typing import Any, ClassVar, Final, Self

import pytest

from call import vendor_events, wires
from call.telephone import Telephone
from call.umpire import Umpire
from gateway.agents.builtin_tools import definitions
from gateway.agents.config.agent import Agent
from gateway.agents.session import session_of
from gateway.call import commands as do
from gateway.call import events as notes
from gateway.call.context import Out
from gateway.call.dialogue.agent_change import AgentSession, Colleagues
from gateway.call.endings import Ending
from gateway.call.machine import CallMachine
from gateway.call.paths import media_call
from gateway.call.state_machines import CallPhase
from gateway.protocols import media_stream, realtime_codec
from gateway.protocols.realtime_event import Event

# Not a round number: what a sum of floats does to a deadline shall show.
BEGAN_AT: Final = 86_413.127
_LIVELY_EVERY_S = 2.5
_TICKS_MAX = 8
"""At one moment; more would be a deadline that its tick does not meet."""


@dataclass(frozen=True)
class Expected:
    """Some lines of the call: how they read, and how many of those at hand they are."""

    text: str
    take: Callable[[Sequence[Out]], int | None]


@dataclass(frozen=True)
class Wait:
    seconds: float


_FLOOR: Final = (
    notes.CallerSpeechStarted,
    notes.CallerSpeechEnded,
    notes.ModelSpeechStarted,
    notes.ModelSpeechEnded,
)

Cue = Callable[["Book"], object]
"""An event that depends on what was said before."""


class Book:
    opened: ClassVar[list[Book]] = []
    """Of the running test; see conftest."""
    machine: ClassVar[Callable[..., CallMachine]] = staticmethod(media_call)

    def __init__(
        self,
        now: float = BEGAN_AT,
        frame_ms: int = 100,
        colleagues: Sequence[Agent] = (),
        **agent: Any,
    ) -> None:
        """`agent` are its fields, `colleagues` the agents of the same file; the caller's line
        sends `frame_ms` at a time while we wait.
        """
        self.agent = an_agent(**agent)
        self.now = now
        ids = (f"event_{n}" for n in count(1))
        self.session = session_of(self.agent, definitions(self.agent))
        self.call: Any = self.machine(
            self.agent, self.session, lambda: next(ids), now, colleagues=among(colleagues)
        )
        self.umpire = Umpire(self.call)
        self.telephone = Telephone()
        self.said: list[dict[str, Any]] = []
        """All that went to the model but sound, decoded."""
        self.appended_ms = 0.0
        self.lively = True
        """Whether the model's server says something now and then, of no importance."""
        self._lively_at = now + _LIVELY_EVERY_S
        self.heard_marks = False
        """Whether the telephone echoes marks by itself, as they are played."""
        self.tells_floor = False
        """Whether notes of who speaks are part of the story; most stories have others."""
        self._frame_ms, self._next_frame_at = frame_ms, float("inf")
        self._frames_ms = 0
        self._left: list[Out] = []
        self._story: list[str] = []
        Book.opened.append(self)

    # --- What happens ---

    def __rshift__(self, event: object) -> Self:
        self.finish()
        if isinstance(event, Wait):
            return self.wait(event.seconds)
        for one in self._cued(event):
            self._happen(one, quietly=False)
        return self

    def _cued(self, event: object) -> Sequence[object]:
        if not callable(event):
            return (event,)
        cued = event(self)
        return cued if isinstance(cued, list) else (cued,)

    def _happen(self, event: object, *, quietly: bool) -> None:
        if not quietly:
            self._tell(f">> {wires.shown(event)}")
        if isinstance(event, media_stream.Start):
            self.line_opens()
        self.umpire.before(event, self.now)
        self._note_down(self.call.handle(over_the_wire(event), self.now), quietly=quietly)

    def line_opens(self) -> None:
        self._next_frame_at = self.now + self._frame_ms / 1000

    def line_stalls(self) -> Self:
        """From now on not one frame comes from the caller."""
        self._next_frame_at = float("inf")
        return self

    def wait(self, seconds: float) -> Self:
        """Time goes by: frames come, marks are echoed, and each deadline is met, in order."""
        self._tell(f">> {seconds:g} s go by")
        until, ticks = self.now + seconds, 0
        while (moment := self._next_moment()) <= until:
            ticks = ticks + 1 if moment <= self.now else 0
            assert ticks <= _TICKS_MAX, f"the deadline {moment} is not met by its tick\n{self}"
            self.now = max(self.now, moment)
            self._live_through()
        self.now = until
        return self

    def _next_moment(self) -> float:
        deadline = self.call.deadline
        if deadline is None:
            return float("inf")
        echo_at = self.telephone.echo_at() if self.heard_marks else float("inf")
        return min(deadline, self._next_frame_at, echo_at, self._next_sign_of_life())

    def _next_sign_of_life(self) -> float:
        self._lively_at = max(self._lively_at, self.now)
        return self._lively_at if self.lively else float("inf")

    def _live_through(self) -> None:
        if self._next_frame_at <= self.now:
            self._next_frame_at += self._frame_ms / 1000
            self._happen(self.next_frame(self._frame_ms), quietly=True)
        elif self.heard_marks and self.telephone.echo_at() <= self.now:
            self._happen(vendor_events.mark(self.telephone.echo()), quietly=True)
        elif self.lively and self._lively_at <= self.now:
            self._lively_at += _LIVELY_EVERY_S
            self._happen(vendor_events.cleared(), quietly=True)
        else:
            self._note_down(self.call.tick(self.now), quietly=True)

    def next_frame(self, ms: int = 20) -> Any:
        body = vendor_events.frame(self._frames_ms, ms)
        self._frames_ms += ms
        return body

    # --- What the call does ---

    def _note_down(self, outs: Sequence[Out], *, quietly: bool) -> None:
        self.umpire.after(outs, self.now)
        for out in outs:
            if self._is_sound_up(out) and quietly:
                continue
            if isinstance(out, _FLOOR) and not self.tells_floor:
                continue
            self._left.append(out)
            self._tell(f"   << {wires.show(out)}")
            if isinstance(out, do.SendToCaller):
                self.telephone.take(wires.to_caller(out.data), self.now)

    def _is_sound_up(self, out: Out) -> bool:
        if not isinstance(out, do.SendToModel):
            return False
        event = wires.to_model(out.data)
        if event["type"] != "input_audio_buffer.append":
            self.said.append(event)
            return False
        per_ms = 8 if self.agent.audio == "pcmu" else 48
        self.appended_ms += len(event["audio"]) * 3 // 4 / per_ms
        return True

    def __lshift__(self, expected: Expected | Out | EllipsisType) -> Self:
        if isinstance(expected, EllipsisType):
            self._left.clear()
            return self
        if not isinstance(expected, Expected):
            expected = exactly(expected)
        taken = expected.take(self._left)
        if taken is None:
            self._differ(expected.text)
        else:
            del self._left[:taken]
        return self

    def finish(self) -> None:
        """Nothing may be left that was not expected."""
        if self._left:
            self._differ("nothing")

    def outs(self) -> list[Out]:
        """What is left, for a test that looks closer."""
        taken, self._left = self._left, []
        return taken

    # --- When it goes otherwise ---

    def _tell(self, line: str) -> None:
        self._story.append(f"{self.now - BEGAN_AT:9.3f} {line}")

    def __str__(self) -> str:
        return "\n".join(self._story[-40:])

    def _differ(self, expected: str) -> None:
        got = [wires.show(out) for out in self._left] or ["nothing"]
        self._left.clear()
        diff = "\n".join(ndiff([expected], got))
        pytest.fail(f"the call went so:\n{self}\n\nexpected (-) and got (+):\n{diff}", False)


def among(agents: Sequence[Agent]) -> Colleagues:
    """Find the agents of a file, with what their sessions ask for."""
    found = {one.name: AgentSession(one, session_of(one, definitions(one))) for one in agents}
    return lambda name, _facts: found.get(name)


def an_agent(**changes: Any) -> Agent:
    fields = {"name": "desk", "instructions": "Be kind.", "tools": ["end_call"]}
    return Agent.model_validate(fields | changes)


def answered(now: float = BEGAN_AT, frame_ms: int = 100, **agent: Any) -> Book:
    """A call that has begun: the model is ready, the caller is on the line, nobody speaks."""
    book = Book(now, frame_ms, **agent)
    (
        book
        >> vendor_events.session_created()
        << ...
        >> vendor_events.session_updated(book.agent)
        << ...
    )
    return book >> vendor_events.start() << ... >> book.next_frame() << ...


def over_the_wire(event: object) -> object:
    """The event as it comes out of the codec: only what can be said on a wire can happen."""
    if type(event).__module__ == media_stream.__name__:
        return media_stream.parse(media_stream.encode(event))  # type: ignore[arg-type]
    if isinstance(event, Event):
        return realtime_codec.parse(realtime_codec.encode(event))  # type: ignore[arg-type]
    return event


# --- Cues: what happens depends on what was said ---


def wait(seconds: float) -> Wait:
    return Wait(seconds)


def next_frame(book: Book) -> object:
    return book.next_frame()


def first_mark(book: Book) -> object:
    """The first group that was not yet acknowledged was played."""
    return vendor_events.mark(book.telephone.echo())


def last_mark(book: Book) -> object:
    """All that was sent was played, and Twilio says so by the mark of the last group."""
    return vendor_events.mark(book.telephone.last_mark())


def all_marks(book: Book) -> list[object]:
    """The same, mark by mark, as Twilio says it."""
    return [vendor_events.mark(name) for name in book.telephone.pending()]


# --- What is expected ---


def _none(outs: Sequence[Out]) -> int | None:
    return None if outs else 0


nothing: Final = Expected("nothing", _none)


def exactly(out: Out) -> Expected:
    return Expected(wires.show(out), lambda outs: 1 if outs and outs[0] == out else None)


def _says(kind: str, text: str, **wanted: Any) -> Expected:
    def take(outs: Sequence[Out]) -> int | None:
        if not outs or not isinstance(outs[0], do.SendToModel):
            return None
        event = wires.to_model(outs[0].data)
        fits = event["type"] == kind and all(event.get(k) == v for k, v in wanted.items())
        return 1 if fits and text in str(event) else None

    about = " ".join(f"{key}={value!r}" for key, value in wanted.items())
    return Expected(f"model <- {kind} {about} {text!r}", take)


configures: Final = _says("session.update", "")
asks_for_an_answer: Final = _says("response.create", "", response=None)


def asks(text: str) -> Expected:
    """A response that was told what to say."""
    return _says("response.create", text)


commits: Final = _says("input_audio_buffer.commit", "")
drops_input: Final = _says("input_audio_buffer.clear", "")


def cancels(response_id: str | None) -> Expected:
    return _says("response.cancel", "", response_id=response_id)


def truncates(item_id: str, at_ms: int) -> Expected:
    return _says(
        "conversation.item.truncate", "", item_id=item_id, audio_end_ms=at_ms, content_index=0
    )


def deletes(item_id: str) -> Expected:
    return _says("conversation.item.delete", "", item_id=item_id)


def tells_the_model(text: str) -> Expected:
    return _says("conversation.item.create", text)


def outputs(call_id: str, text: str) -> Expected:
    item = {"type": "function_call_output", "call_id": call_id, "output": text}
    return _says("conversation.item.create", "", item=item)


def appends(ms: float, audio: str = "pcm24k") -> Expected:
    """So much of the caller's sound goes up, in one message."""
    chars = -(-int(ms * (8 if audio == "pcmu" else 48)) // 3) * 4

    def take(outs: Sequence[Out]) -> int | None:
        if not outs or not isinstance(outs[0], do.SendToModel):
            return None
        return 1 if len(wires.to_model(outs[0].data).get("audio", "")) == chars else None

    return Expected(f"model <- input_audio_buffer.append of {ms:g} ms", take)


def to_caller(ms: int, groups: int | None = None) -> Expected:
    """So much sound goes out, in groups that each carry their mark."""

    def take(outs: Sequence[Out]) -> int | None:
        sent_ms, taken = 0.0, 0
        while sent_ms < ms and taken + 1 < len(outs):
            sound = outs[taken]
            if not isinstance(sound, do.SendToCaller):
                return None
            message = wires.to_caller(sound.data)
            if not isinstance(message, media_stream.OutMedia):
                return None
            sent_ms, taken = sent_ms + len(message.media.payload) / 8, taken + 2
        fits = sent_ms == ms and groups in (None, taken // 2)
        return taken if fits else None

    in_groups = "" if groups is None else f" in {groups} groups"
    return Expected(f"caller <- sound of {ms} ms{in_groups}", take)


def _clears(outs: Sequence[Out]) -> int | None:
    if not outs or not isinstance(outs[0], do.SendToCaller):
        return None
    return 1 if isinstance(wires.to_caller(outs[0].data), media_stream.OutClear) else None


clears: Final = Expected("caller <- clear", _clears)


def note(kind: Any, /, **wanted: Any) -> Expected:
    """A note of this kind; numbers to the microsecond."""
    assert set(kind.__struct_fields__) >= set(wanted), f"{kind} has no such fields"

    def take(outs: Sequence[Out]) -> int | None:
        if not outs or type(outs[0]) is not kind:
            return None
        got = {name: getattr(outs[0], name) for name in wanted}
        return 1 if all(_same(got[name], wanted[name]) for name in wanted) else None

    shown = ", ".join(f"{key}={value!r}" for key, value in wanted.items())
    return Expected(f"{kind.__name__}({shown})", take)


def _same(got: Any, wanted: Any) -> bool:
    close = isinstance(wanted, float) and got == pytest.approx(wanted, abs=2e-6)
    return close or bool(got == wanted)


_HANGS_UP = (
    Ending.AGENT_HUNG_UP,
    Ending.IDLE,
    Ending.MAX_LENGTH,
    Ending.SPEND_LIMIT,
    Ending.OPERATOR_HUNG_UP,
    Ending.MACHINE_ANSWERED,
    Ending.MESSAGE_LEFT,
)


def ends(ending: Ending, reason: str = "") -> Expected:
    """The model's socket is closed, the caller's line is dealt with, and there is one Ended."""
    leaves = do.HangUp() if ending in _HANGS_UP else do.CloseCaller()

    def take(outs: Sequence[Out]) -> int | None:
        fits = len(outs) == 3 and tuple(outs[:2]) == (do.CloseModel(), leaves)
        last = outs[-1] if outs else None
        named = isinstance(last, notes.CallEnded) and (last.ending, last.reason) == (ending, reason)
        return 3 if fits and named else None

    return Expected(f"{do.CloseModel()}, {leaves}, Ended({ending!r}, {reason!r})", take)


def over(book: Book) -> bool:
    return book.call.phase is CallPhase.CLOSED
