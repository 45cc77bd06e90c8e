"""Calls that are always drawn alike, and a digest of each part of what came of them.

The other tests of `gateway/call` say what is right, each of one thing. These say what is so: of
some five hundred drawn calls every command, event, deadline and snapshot is held, also what no
other test mentions. A change of what a call does cannot happen unnoticed; whether it was meant is
for a person to say. To look at one call, and to compare it with what another tree makes of it:

    PYTHONPATH=tests:tests/rigs python -m call.reference_calls --show media-17

After a change that was meant, `--write` writes `reference_calls.txt` anew.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

from references import Dice

from call import (
    drawn_agents,
    test_machine_any,
    test_machine_any_sip,
    vendor_events,
    wide_calls,
    wide_sip_calls,
    wires,
)
from call.either_path import WISHES
from call.liveness import Peace, Ways
from call.sideband import cleared, started, stopped
from call.umpire import Umpire
from gateway.call import commands as do
from gateway.call import inputs
from gateway.call.context import Out
from gateway.call.endings import Ending
from gateway.call.snapshot import encode
from gateway.call.state_machines import CallPhase, LinkState

FILE: Final = Path(__file__).with_suffix(".txt")
CALLS: Final = {"media": 100, "sip": 90, "wide": 180, "side": 140}
ANSWERERS: Final = ("human", "machine", "fax", "unknown")
_SCENES: Final = 14


class Trace:
    """An umpire that writes down all it sees."""

    def __init__(self, umpire: Umpire, call: Any) -> None:
        self._umpire, self._call = umpire, call
        self.lines: list[str] = []

    def follows(self, call: Any) -> None:
        """The call is led by another process from here on."""
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._umpire, name)

    def before(self, event: object, now: float) -> None:
        self.lines.append(f"{now:.6f} >> {wires.shown(event)}")
        self._umpire.before(event, now)

    def after(self, outs: Sequence[Out], now: float) -> None:
        self._umpire.after(outs, now)
        self.lines += [f"{now:.6f}    << {_told(out)}" for out in outs]
        deadline = self._call.deadline
        self.lines.append("" if deadline is None else f"       next at {deadline:.6f}")

    def scene(self) -> str:
        """Return what came since the last scene, and the state that another process would have."""
        if self._call.phase is not CallPhase.CLOSED:
            self.lines.append(encode(self._call.snapshot()).hex())
        text = "\n".join(self.lines)
        self.lines.clear()
        return text


def _told(out: Out) -> str:
    if isinstance(out, do.SendToModel | do.SendToCaller | do.SendToNextSession):
        shown = wires.show(out) if not isinstance(out, do.SendToNextSession) else "next session"
        return f"{shown} #{blake2b(out.data, digest_size=4).hexdigest()}"
    return repr(out)


def scenes(name: str) -> Iterator[str]:
    """Yield what happened in each scene of a call, to its end."""
    dice = Dice(name)
    path, _, _ = name.partition("-")
    yield from {"media": _media, "sip": _sip, "wide": _wide, "side": _side}[path](dice)


def digests(name: str) -> list[str]:
    return [blake2b(text.encode(), digest_size=4).hexdigest() for text in scenes(name)]


def names() -> list[str]:
    return [f"{path}-{nth:02}" for path, count in CALLS.items() for nth in range(count)]


def written() -> dict[str, list[str]]:
    """Return the digests of each call that the file has."""
    lines = FILE.read_text("ascii").splitlines() if FILE.exists() else []
    return {name: rest for name, *rest in map(str.split, lines)}


# --- Agents ---


def _agent(
    dice: Dice, stock: dict[str, Any], hosted: dict[str, Any], private: dict[str, Any]
) -> Any:
    agent = drawn_agents.fields(dice.one_of, stock, hosted, private)
    agent["max_call_s"] = dice.one_of(60.0, 130.0, 1800.0)
    return agent


def _ways(dice: Dice) -> Ways:
    return Ways(
        response_after_s=dice.one_of(0.1, 1.0),
        tool_after_s=dice.one_of(0.0, 1.0, 9.0),
        back_after_s=dice.one_of(0.0, 0.1, 1.0),
        transfer=dice.one_of("done", "failed", ""),
        unended=dice.one_of("completed", "cancelled", "failed"),
    )


def _played(
    call: Any, trace: Trace, dice: Dice, plays: Sequence[Callable[[], object]]
) -> Iterator[str]:
    """Yield scenes, each of two things that happen, for as long as the call goes on."""
    yield trace.scene()
    for _ in range(_SCENES):
        for _ in range(2):
            if call.phase is not CallPhase.CLOSED:
                dice.one_of(*plays)()
        yield trace.scene()


def _either(machine: Any, umpire: Umpire, dice: Dice) -> list[Callable[[], object]]:
    hears, one_of = machine.happens, dice.one_of

    def operator_answers() -> None:
        if asked := umpire.asked:
            hears(inputs.ApprovalAnswered(asked[-1], one_of(True, False)))

    return [
        lambda: machine.caller_sends(one_of("", "B as in Bravo"), one_of(0, 1, 2)),
        machine.camera_is_shown,
        *[lambda: machine.a_hosted_server_does_something(one_of(0, 1, 2), one_of(*range(14)))] * 3,
        lambda: dice.seldom() and hears(inputs.MachineDetectionFinished(one_of(*ANSWERERS))),
        machine.caller_is_not_transcribed,
        lambda: dice.seldom() and hears(one_of(*WISHES)),
        lambda: dice.seldom() and hears(inputs.SpendLimitReached(one_of(0.8, 1.0))),
        operator_answers,
        lambda: dice.seldom() and hears(inputs.HangUpRequested(Ending.DRAINED)),
    ]


# --- Over Media Streams ---


def _media(dice: Dice) -> Iterator[str]:
    one_of = dice.one_of
    agent = _agent(dice, drawn_agents.STOCK, drawn_agents.HOSTED, drawn_agents.PRIVATE) | {
        "audio": one_of("pcmu", "pcm24k"),
        "lead_ms": one_of(200, 250, 1000),
        "idle": one_of(
            {"nudge_after_s": 2.0, "end_after_s": 4.0}, {"nudge_after_s": 15.0, "end_after_s": 30.0}
        ),
    }
    if one_of(True, False):
        agent["barge_in"] = one_of(*drawn_agents.BARGE_IN)
    else:
        agent["turn_detection"] = one_of(*drawn_agents.TURN_DETECTION)
    machine = test_machine_any.AnyCall()
    machine.ring(agent, ready=False, arrived=False, ways=_ways(dice))
    trace: Any = Trace(machine.umpire, machine.call)
    machine.umpire = trace
    if not dice.seldom():
        machine.session_created()
        machine.session_updated(good=True)
    if not dice.seldom():
        machine.happens(vendor_events.start())
        machine.speaks()
    yield from _played(
        machine.call, trace, dice, [*_either(machine, trace, dice), *_on_stream(machine, dice)]
    )
    if machine.call.phase is not CallPhase.CLOSED:
        Peace(machine.call, trace, machine.now, machine.stream_ms, machine.ways).lasts()
    yield trace.scene()


def _on_stream(machine: Any, dice: Dice) -> list[Callable[[], object]]:
    one_of = dice.one_of

    def ms() -> float:
        return one_of(0, 20, 33.5, 160, 400, 1000, 3000)

    def goes_by() -> None:
        machine.goes_by(one_of(0.02, 0.1, 0.5, 1.9, 3.3, 8.1))

    def is_played() -> None:
        if machine.umpire.unechoed:
            machine.is_played(one_of(1, 3, 99))

    def turn() -> None:
        machine.speech_started(machine.stream_ms)
        machine.goes_by(one_of(0.1, 0.9, 2.2))
        machine.speech_stopped(machine.stream_ms, commit=True)
        machine.caller_said(one_of("turn_1", "turn_2"))

    def answer() -> None:
        machine.response_created(new=True)
        machine.goes_by(one_of(0.1, 0.5))
        machine.audio_delta(one_of(400, 1000), 0, 0, next_item=False)
        machine.model_says(0, 0)
        machine.goes_by(one_of(0.1, 0.5))
        machine.audio_delta(one_of(400, 1000), 0, 0, next_item=False)
        machine.audio_done(0, 0)
        machine.response_done("completed", None, 0)
        goes_by()
        is_played()

    def tool() -> None:
        name = one_of(
            *("stock", "shop_reserve", "shop_look_up", "end_call", "transfer", "hand_over"),
            *("switch_language", "collect_digits", "nonsense"),
        )
        machine.response_created(new=True)
        if one_of(True, False):
            machine.audio_delta(400, 0, 0, next_item=False)
            machine.audio_done(0, 0)
        machine.response_done(one_of("completed", "completed", "cancelled"), name, 0)
        machine.goes_by(one_of(0.1, 0.5, 3.3))
        machine.tool_finished(0)

    def finished() -> None:
        if machine.out:
            machine.function_finished(one_of("ok", "error", "timeout"), again=False)

    def session_changes() -> None:
        if machine.call.link is LinkState.READY:
            machine.session_is_changed(one_of(0.1, 0.9), one_of(True, False))

    def is_reminded() -> None:
        if machine.call.phase is CallPhase.EXPECTED and not machine.call.history.items:
            machine.is_reminded(one_of("", "heron", "heron and more"), one_of(0, 1, 4))

    return [
        *[goes_by] * 5,
        *[is_played] * 3,
        *[turn] * 5,
        *[answer] * 5,
        *[tool] * 4,
        *[lambda: machine.is_interrupted(ms(), one_of(0.0, 0.1, 0.35))] * 3,
        lambda: machine.answers(ms(), ms(), one_of(None, None, "end_call")),
        lambda: machine.answers_behind_a_preamble(
            ms(), ms(), one_of(True, False), one_of(True, False)
        ),
        lambda: machine.talks_into_an_answer(ms(), machine.stream_ms),
        lambda: machine.something_is_told_meanwhile(
            one_of("stock", "shop_look_up"), one_of(0, 400)
        ),
        lambda: machine.something_is_told_into_a_turn(
            one_of("stock", "shop_look_up"), machine.stream_ms
        ),
        lambda: machine.calls_several(one_of(1, 2, 3)),
        finished,
        lambda: machine.response_done(one_of("failed", "incomplete", "", "cancelled"), None, 0),
        lambda: machine.audio_delta(ms(), one_of(0, 0, 1), one_of(0, 0, 1), dice.seldom()),
        lambda: machine.presses_a_key(one_of("5", "#"), wires.STREAM_SID),
        lambda: machine.oversleeps(one_of(0.3, 1.0, 3.0)),
        lambda: machine.error(one_of(*test_machine_any.CODES), one_of(True, False)),
        lambda: machine.model_lost(
            one_of("closed_1006", "closed_1011", "unreachable"), not dice.seldom()
        ),
        lambda: machine.hour_is_up_soon(one_of(0.5, 3, 20)),
        lambda: machine.next_session(one_of(0, 1, 2, 3)),
        session_changes,
        lambda: machine.hands_over(one_of(True, False), not dice.seldom(), one_of(True, False)),
        machine.next_lost,
        lambda: dice.seldom() and machine.happens(inputs.HandOverRequested(one_of(True, False))),
        lambda: machine.said_before(one_of(20, 500)),
        is_reminded,
        lambda: machine.speaks_oddly(one_of("0", "999999999999", "x", ""), one_of(0, 20)),
        lambda: machine.an_odd_mark(one_of("0:1", "1:1", "", "99:99")),
        lambda: machine.caller_said("turn_1"),
        lambda: machine.model_says(0, 0),
    ]


# --- Over SIP ---


def _sip(dice: Dice) -> Iterator[str]:
    one_of = dice.one_of
    sip = test_machine_any_sip
    agent = _agent(dice, sip.STOCK, sip.HOSTED, sip.PRIVATE)
    agent["idle"] = {"nudge_after_s": 2.0, "end_after_s": 4.0}
    turns = one_of("server", "ours", "answers only")
    if turns == "ours":
        agent["barge_in"] = {"min_speech_ms": 300, "protect_greeting_ms": 500}
    elif turns == "answers only":
        agent["turn_detection"] = {"type": "server_vad", "interrupt_response": False}
    machine = sip.AnySipCall()
    machine.ring(agent, accepted=False, opened=False, ways=_ways(dice))
    book = machine.book
    trace: Any = Trace(book.umpire, book.call)
    book.umpire = trace
    if not dice.seldom():
        machine.happens(inputs.CallAccepted())
    if not dice.seldom():
        machine.happens(inputs.ModelOpened())
    yield from _played(
        book.call, trace, dice, [*_either(machine, trace, dice), *_on_sideband(machine, dice)]
    )
    if book.call.phase is not CallPhase.CLOSED:
        Peace(book.call, trace, book.now, 0, machine.ways).lasts()
    yield trace.scene()


def _on_sideband(machine: Any, dice: Dice) -> list[Callable[[], object]]:
    one_of = dice.one_of
    responses = (0, 0, 1, 2)

    def response() -> str:
        return f"resp_{one_of(*responses)}"

    def turn() -> None:
        machine.speech_started(one_of(900, 20_000))
        machine.goes_by(one_of(0.1, 0.5, 1.9))
        machine.speech_stopped(one_of(900, 20_000), commit=True)
        machine.happens(vendor_events.caller_said("turn_1", "some words"))

    def tool() -> None:
        name = one_of(
            *("stock", "shop_find", "shop_drop", "end_call", "transfer", "hand_over"),
            *("switch_language", "collect_digits", "nonsense"),
        )
        machine.response_created("resp_1")
        machine.response_done("resp_1", "completed", name)
        machine.goes_by(one_of(0.1, 0.5, 1.9))
        machine.function_finished(0)

    return [
        *[lambda: machine.goes_by(one_of(0.1, 0.5, 1.9, 7.9))] * 5,
        *[turn] * 5,
        *[lambda: machine.says(response())] * 5,
        *[tool] * 4,
        *[lambda: machine.talks_into_an_answer(one_of(900, 20_000))] * 2,
        lambda: machine.presses_a_key(one_of("0", "#", "*", "A")),
        lambda: machine.speech_started(one_of(0, 900)),
        lambda: machine.speech_stopped(one_of(0, 900), one_of(True, False)),
        lambda: machine.response_created(response()),
        lambda: machine.transcript(response(), one_of("item_1", "item_2")),
        *[lambda: machine.playback(response(), one_of(started, stopped, cleared))] * 2,
        lambda: machine.response_done(
            response(), one_of("cancelled", "failed", "incomplete"), None
        ),
        lambda: machine.error(one_of(*test_machine_any_sip.CODES), one_of(True, False)),
        lambda: machine.session_is_changed(not dice.seldom()),
        lambda: machine.hands_over(one_of(True, False), not dice.seldom()),
        lambda: dice.seldom() and machine.happens(inputs.ModelLost("closed_1006")),
        machine.sideband_is_up,
        machine.transfer_fails,
        lambda: (
            dice.seldom() and machine.hands_the_call_on(one_of(True, False), one_of(True, False))
        ),
        lambda: machine.something_is_told_meanwhile(
            one_of("stock", "shop_drop"), one_of(True, False), one_of(True, False)
        ),
        lambda: machine.something_is_told_into_a_turn(
            one_of("stock", "shop_drop"), one_of(900, 20_000)
        ),
        lambda: machine.sideband_blinks(one_of(0.0, 0.1, 7.9)),
    ]


# --- With all that an agent can do ---


def _wide(dice: Dice) -> Iterator[str]:
    one_of = dice.one_of
    machine = wide_calls.WideCall()
    machine.is_called(wide_calls.agent_of(one_of), one_of)
    trace: Any = Trace(machine.umpire, machine.call)
    machine.umpire = trace
    if dice.seldom():
        one_of(*machine.decisions(one_of))()
    machine.arrives(one_of)
    if machine.agent.outbound is not None and one_of(True, False):
        machine.is_screened(one_of)
    plays = [*machine.plays(one_of, trace), *_either(machine, trace, dice)]
    for _ in range(_SCENES):
        for _ in range(2):
            if machine.call.phase is not CallPhase.CLOSED:
                one_of(*plays)()
        yield _with_line(trace, machine)
    machine.ends(one_of)
    yield _with_line(trace, machine)


def _side(dice: Dice) -> Iterator[str]:
    """The same over SIP."""
    one_of = dice.one_of
    machine = wide_sip_calls.WideSipCall()
    machine.is_called(wide_sip_calls.agent_of(one_of), one_of)
    book = machine.book
    trace: Any = Trace(book.umpire, book.call)
    book.umpire = trace
    machine.arrives(one_of)
    if book.call.agent.outbound is not None and one_of(True, False):
        machine.is_screened(one_of)
    plays = [*machine.plays(one_of, trace), *_either(machine, trace, dice)]
    for _ in range(_SCENES):
        for _ in range(2):
            if book.call.phase is not CallPhase.CLOSED:
                one_of(*plays)()
        yield _with_line(trace, book)
    machine.ends(one_of)
    yield _with_line(trace, book)


def _with_line(trace: Any, machine: Any) -> str:
    """Return a scene with what the line has counted, what is there to be recorded, and more."""
    call = machine.call
    counted, tap = call.media_counters(machine.now), call.line.tap
    recorded = [] if tap is None else tap.take()
    asked = (
        *(call.first_agent, call.agent.name, call.language, call.privacy, call.briefing),
        *(call.arrived, call.responding, call.streams, call.opening, call.resumed),
        *(call.takes_operator_requests, call.takes_pictures, call.work.working),
        *(call.approval(one) for one in trace.asked),
    )
    return f"{trace.scene()}\n{counted}\n{call.not_understood().hex()}\n{recorded}\n{asked}"


def main() -> int:
    """Print one call, or write the digests of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    asked = parser.add_mutually_exclusive_group(required=True)
    asked.add_argument("--show", metavar="NAME", choices=names())
    asked.add_argument("--write", action="store_true")
    given = parser.parse_args()
    if given.show:
        for nth, text in enumerate(scenes(given.show)):
            sys.stdout.write(f"--- scene {nth}\n{text}\n")
    else:
        lines = [" ".join([name, *digests(name)]) for name in names()]
        FILE.write_text("\n".join(lines) + "\n", "ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
