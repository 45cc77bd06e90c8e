"""A soft sound while the caller waits: never taken for the model's voice, gone at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from call import wires
from call.play import (
    Book,
    Expected,
    answered,
    asks,
    asks_for_an_answer,
    clears,
    ends,
    exactly,
    last_mark,
    note,
    nothing,
    outputs,
    to_caller,
    wait,
)
from call.vendor_events import (
    audio_delta,
    audio_done,
    committed,
    mark,
    response_created,
    response_done,
    speech_started,
    speech_stopped,
    stop,
)

from gateway import limits
from gateway.agents.config.tool_options import FunctionTool, HttpCall
from gateway.audio.tones import hold_mulaw
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.context import Out
from gateway.call.endings import Ending
from gateway.protocols import media_stream

CALLED, DONE = note(events.ToolCalled), note(events.ToolCompleted)


def holding(**changes: Any) -> Book:
    """A call that waits for a function which has the caller hear something meanwhile."""
    manners = {"hold": True, "filler_after_ms": 800} | changes
    http = HttpCall(url="https://api.example.com/")
    schema = {"type": "object", "properties": {}}
    stock = FunctionTool(description="Looks up.", parameters=schema, http=http, **manners)
    book = answered(tools=["stock"], functions={"stock": stock})
    book = book >> response_created() >> response_done(calls=(("stock", "call_1"),))
    return book << CALLED << exactly(do.RunTool("call_1", "stock", "{}"))


def holds(ms: int, begin_ms: int | None = None) -> Expected:
    """So much of the pattern, without a mark."""

    def take(outs: Sequence[Out]) -> int | None:
        groups = []
        for out in outs[: ms // limits.tools.HOLD_GROUP_MS]:
            message = wires.to_caller(out.data) if isinstance(out, do.SendToCaller) else None
            if not isinstance(message, media_stream.OutMedia):
                return None
            groups.append(message.media.payload)
        sound = b"".join(groups)
        begin = 0 if begin_ms is None else begin_ms * 8
        right = begin_ms is None or sound == (hold_mulaw() * 2)[begin : begin + ms * 8]
        return len(groups) if len(sound) == ms * 8 and right else None

    return Expected(f"caller <- {ms} ms to wait by", take)


def found() -> inputs.ToolFinished:
    return inputs.ToolFinished("call_1", "three left", "ok")


def test_without_words_the_sound_comes_in_their_place() -> None:
    book = holding() >> wait(0.79) << nothing
    book >> wait(0.02) << holds(200, begin_ms=0) << nothing
    book >> wait(0.1) << holds(100, begin_ms=200)
    book >> wait(4.0) << holds(4000, begin_ms=300) << nothing


def test_it_ends_with_the_models_first_sound_and_takes_nothing_of_it() -> None:
    book = holding() >> wait(2) << ... >> found() << DONE
    book << outputs("call_1", "three left") << asks_for_an_answer << nothing
    book >> wait(0.35) << holds(300)  # the model thinks
    book >> response_created("resp_2") << nothing
    book >> audio_delta("item_2", ms=400, response_id="resp_2") << clears << to_caller(400)
    book >> wait(0.1) << nothing
    assert book.telephone.silences_s[-1] == 0
    book >> audio_done("item_2", "resp_2") >> response_done("resp_2") << ...
    book >> wait(1) >> last_mark << ...
    assert book.call.line.downlink.ledger.sent_ms == 400


def test_the_filler_is_heard_first() -> None:
    book = holding(filler="One moment.") >> wait(0.9) << asks("One moment.") << nothing
    (
        book
        >> response_created("resp_2")
        >> audio_delta(ms=600, response_id="resp_2")
        << to_caller(600)
    )
    book >> audio_done(response_id="resp_2") >> response_done("resp_2") << ...
    book >> wait(0.5) << nothing
    book >> wait(0.2) << nothing  # played, and its mark is on the way
    book >> last_mark << ...
    book >> wait(1.05) << holds(1000) << nothing


def test_the_callers_words_end_it_and_are_no_interruption() -> None:
    book = holding(on_barge_in="keep") >> wait(2) << ...
    book >> speech_started() << clears << nothing
    book >> wait(1) >> speech_stopped() >> committed() << nothing
    (
        book
        >> response_created("resp_2")
        >> audio_delta(ms=200, response_id="resp_2")
        << to_caller(200)
    )
    book >> audio_done(response_id="resp_2") >> response_done("resp_2") >> wait(0.3) << ...
    book >> last_mark << ...
    assert book.call.ctx.tally.barge_ins == 0
    book >> wait(1.05) << holds(1000)  # and the wait goes on


@pytest.mark.parametrize("name", ["0:1", "1:1", "0:0", "hold", "", "9" * 300])
def test_marks_that_were_never_sent_neither_stop_it_nor_count_it(name: str) -> None:
    book = holding() >> wait(2) << ...
    book >> mark(name) >> mark(name) << nothing >> wait(1.05) << holds(1000) << nothing
    ledger = book.call.line.downlink.ledger
    assert (ledger.sent_ms, ledger.heard_ms(book.now), ledger.marks_pending) == (0, 0, 0)
    book >> found() << DONE << outputs("call_1", "three left") << asks_for_an_answer
    book >> response_created("resp_2") >> wait(0.3) << ...
    book >> audio_delta("item_2", ms=400, response_id="resp_2") << clears << to_caller(400)


def test_marks_of_the_words_behind_it_that_come_at_once_were_not_heard() -> None:
    """A `clear` has Twilio echo what waits, and the words go out with it."""
    book = holding() >> wait(2) << ... >> found() << ... >> response_created("resp_2") << ...
    book >> audio_delta("item_2", ms=400, response_id="resp_2") << clears << to_caller(400)
    book >> mark("0:1") << note(events.FirstAudioSent) >> mark("1:99") << nothing
    assert book.call.line.downlink.ledger.heard_ms(book.now) <= 20


def test_what_is_cancelled_is_not_waited_for() -> None:
    book = holding(on_barge_in="cancel") >> wait(2) << ...
    book >> speech_started() << ...
    book >> speech_stopped() >> committed() << ...
    book >> response_created("resp_2") >> response_done("resp_2") >> wait(3) << nothing


def test_a_quick_answer_comes_without_it() -> None:
    book = holding() >> wait(0.5) >> found() << DONE << ...
    book >> wait(1) << nothing


def test_one_that_asks_for_none_has_none() -> None:
    book = holding(hold=False, filler_after_ms=60_000) >> wait(5) << nothing
    assert book.call.deadline is not None


def test_the_silence_of_a_waiting_caller_is_not_nudged() -> None:
    book = holding() >> wait(40) << ...
    assert not [said for said in book.said if said["type"] == "response.create"]


def test_it_ends_with_the_call() -> None:
    book = holding() >> wait(2) << ... >> stop()
    book << exactly(do.DetachTool("call_1")) << ends(Ending.CALLER_HUNG_UP)
    assert book.call.deadline is None


@pytest.mark.parametrize("late_s", [0.1, 0.5, 3.0])
def test_a_loop_that_was_late_sends_no_burst(late_s: float) -> None:
    book = holding() >> wait(0.9) << ...
    book.now += late_s
    outs = book.call.tick(book.now)
    book.umpire.after(outs, book.now)
    assert 1 <= len(outs) <= 2
