"""Every way a call can end: reached, named once, and final."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from call import vendor_events
from call.play import Book, answered, ends, last_mark, nothing, wait
from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.audio.transcode import caller_to_model, model_to_caller
from gateway.call import inputs
from gateway.call.context import CallContext
from gateway.call.dialogue.agent_change import Colleagues
from gateway.call.endings import UNTAKEN, Ending
from gateway.call.line.downlink import Downlink
from gateway.call.line.media_line import MediaLine
from gateway.call.line.uplink import Uplink
from gateway.call.machine import CallMachine
from gateway.call.session.model_session import ModelSession
from gateway.call.session.opening_items import OpeningItems
from gateway.call.state_machines import CallPhase
from gateway.call.tools.open_work import OpenWork

END_CALL = (("end_call", "call_1"),)


def heard_out(book: Book) -> Book:
    """The farewell is said and heard."""
    (
        book
        >> vendor_events.response_created("bye")
        >> vendor_events.audio_delta("bye", ms=20, response_id="bye")
    )
    (
        book
        << ...
        >> vendor_events.audio_done("bye", "bye")
        >> vendor_events.response_done("bye")
        >> wait(0.02)
    )
    return book >> last_mark << ...


def agent_hung_up() -> Book:
    book = (
        answered()
        >> vendor_events.response_created()
        >> vendor_events.response_done(calls=END_CALL)
        << ...
    )
    return heard_out(book)


def idle() -> Book:
    book = answered(idle={"nudge_after_s": 1.0, "end_after_s": 2.0}) >> wait(1.1) << ...
    book >> vendor_events.response_created() >> vendor_events.response_done() >> wait(1.1) << ...
    return heard_out(book)


def silent_model() -> Book:
    return answered(greeting="Hello.") >> wait(60.0) << ...


def never_arrived() -> Book:
    book = Book()
    (
        book
        >> vendor_events.session_created()
        << ...
        >> vendor_events.session_updated(book.agent)
        << ...
    )
    return book >> wait(limits.call.ARRIVAL_WAIT_S) << ...


def broken() -> Book:
    book = answered()
    book.umpire.after(book.call.abandon(book.now), book.now)
    return book


def transferred() -> Book:
    to = {"desk": {"to": "+15550123", "description": "The front desk."}}
    book = answered(tools=["transfer"], transfers=to) >> vendor_events.response_created()
    asked = vendor_events.response_done(calls=(("transfer", "call_1"),))
    assert asked.response.output
    asked.response.output[0].arguments = '{"target":"desk"}'
    return heard_out(book >> asked << ...) >> vendor_events.stop() << ...


def sent_to_type() -> Book:
    pin = {"pin": {"http": {"url": "https://bank.example.com/pin"}}}
    book = answered(tools=["collect_digits"], secret_digits=pin)
    asked = vendor_events.response_done(calls=(("collect_digits", "call_1"),))
    assert asked.response.output
    asked.response.output[0].arguments = '{"what":"pin"}'
    book >> vendor_events.response_created() >> asked << ...
    return heard_out(book) >> vendor_events.stop() << ...


def lost_for_good() -> Book:
    book = answered()
    for _ in range(len(limits.model.MODEL_PAUSES_S) + 1):
        book >> inputs.ModelLost("closed_1011") << ...
    return book


def message_left() -> Book:
    out = OUT | {"machine": "leave_message", "message": "Call us."}
    return heard_out(answered(outbound=out) >> inputs.MachineDetectionFinished("machine") << ...)


OUT = {"from": "+14155550100"}
WAYS: dict[Ending, Callable[[], Book]] = {
    Ending.CALLER_HUNG_UP: lambda: answered() >> vendor_events.stop() << ...,
    Ending.AGENT_HUNG_UP: agent_hung_up,
    Ending.IDLE: idle,
    Ending.MAX_LENGTH: lambda: heard_out(answered(max_call_s=5.0) >> wait(5.1) << ...),
    Ending.SPEND_LIMIT: lambda: heard_out(answered() >> inputs.SpendLimitReached(1.0) << ...),
    Ending.OPERATOR_HUNG_UP: lambda: answered() >> inputs.HangUpRequested() << ...,
    Ending.MACHINE_ANSWERED: lambda: (
        answered(outbound=OUT) >> inputs.MachineDetectionFinished("machine") << ...
    ),
    Ending.MESSAGE_LEFT: message_left,
    Ending.MEDIA_STALLED: lambda: (
        answered().line_stalls() >> wait(limits.call.MEDIA_SILENCE_MAX_S) << ...
    ),
    Ending.MEDIA_BROKEN: lambda: answered() >> inputs.CallerLost() << ...,
    Ending.MEDIA_UNSUPPORTED: lambda: Book() >> vendor_events.start("audio/opus") << ...,
    Ending.MODEL_REFUSED: lambda: answered() >> vendor_events.error("invalid_api_key") << ...,
    Ending.MODEL_LOST: lost_for_good,
    Ending.MODEL_SILENT: silent_model,
    Ending.NEVER_ARRIVED: never_arrived,
    Ending.TRANSFERRED: transferred,
    Ending.SECRET_INPUT: sent_to_type,
    Ending.TURNED_AWAY: lambda: Book() >> inputs.HangUpRequested(Ending.TURNED_AWAY) << ...,
    Ending.BUG: broken,
    Ending.DRAINED: lambda: answered() >> inputs.HangUpRequested(Ending.DRAINED) << ...,
}


def anything(book: Book) -> list[object]:
    """One of each event that a call knows, and some more."""
    return [
        vendor_events.start(),
        vendor_events.frame(0),
        vendor_events.frame(20, sid="MZ0"),
        vendor_events.frame("x"),
        vendor_events.mark("0:1"),
        vendor_events.key("1"),
        vendor_events.stop(),
        vendor_events.session_created(),
        vendor_events.session_updated(book.agent),
        vendor_events.speech_started(),
        vendor_events.speech_stopped(),
        vendor_events.committed(),
        vendor_events.response_created(),
        vendor_events.audio_delta(ms=100),
        vendor_events.audio_done(),
        vendor_events.response_done(status="failed"),
        vendor_events.response_done(calls=END_CALL, tokens=3),
        vendor_events.error("invalid_api_key"),
        vendor_events.already_active(),
        inputs.ModelLost("closed_1000"),
        inputs.CallerLost(),
        inputs.HangUpRequested(),
        inputs.SpendLimitReached(1.0),
        inputs.PeerFaultSeen("caller", "junk"),
    ]


def test_every_ending_has_its_way() -> None:
    assert set(WAYS) == set(Ending) - UNTAKEN


@pytest.mark.parametrize("ending", list(WAYS))
def test_it_is_reached_and_final(ending: Ending) -> None:
    book = WAYS[ending]()
    assert book.umpire.ended is not None
    assert book.umpire.ended.ending is ending
    assert (book.call.ending, book.call.phase) == (ending, CallPhase.CLOSED)
    for event in anything(book):
        book >> event << nothing
    assert book.call.deadline is None
    assert not book.call.tick(book.now + 10_000)
    assert not book.call.abandon(book.now)


class BrokenSession(ModelSession):
    def call_ends(self) -> None:
        raise RuntimeError


def cannot_clean_up(
    agent: Agent,
    session: Mapping[str, Any],
    new_id: Callable[[], str],
    now: float,
    colleagues: Colleagues,
) -> CallMachine:
    ctx = CallContext(agent, new_id, now)
    work = OpenWork(ctx, (), session_lives_on=False)
    up, down = caller_to_model(agent.audio), model_to_caller(agent.audio)
    line = MediaLine(ctx, work, Uplink(up), Downlink(down, agent.lead_ms))
    opening = OpeningItems(ctx, None)
    link = BrokenSession(ctx, work, line, session, opening)
    return CallMachine(ctx, work, line, link, opening, colleagues)


class BrokenBook(Book):
    machine = staticmethod(cannot_clean_up)


def test_a_call_that_cannot_even_clean_up_ends() -> None:
    book = BrokenBook()
    book.umpire.after(book.call.abandon(book.now), book.now)
    assert book.umpire.ended is not None
    assert (book.call.ending, book.call.phase) == (Ending.BUG, CallPhase.CLOSED)


def test_which_of_them_are_well() -> None:
    bad = {"never_arrived", "media_stalled", "media_broken", "media_unsupported", "model_refused"}
    bad |= {"model_lost", "model_silent", "drained", "bug", "secret_input"}
    bad |= set(UNTAKEN)
    assert {str(ending) for ending in Ending if not ending.well} == bad


def test_the_end_tells_of_the_call() -> None:
    book = answered() >> wait(4.0) >> vendor_events.response_created()
    book >> vendor_events.response_done(calls=(("x", "c"),), tokens=30) << ...
    book >> vendor_events.stop() << ends(Ending.CALLER_HUNG_UP)
    ended = book.umpire.ended
    assert ended is not None
    assert (ended.arrived, ended.tools, ended.tokens, ended.turns) == (True, 1, 30, 0)
    assert ended.seconds == pytest.approx(4.0)


def test_a_call_to_which_nobody_came_has_no_length() -> None:
    ended = never_arrived().umpire.ended
    assert ended is not None
    assert (ended.arrived, ended.seconds) == (False, 0.0)
