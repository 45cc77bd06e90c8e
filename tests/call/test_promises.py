"""What was wanted is not forgotten: each story here was first drawn at random, and reduced."""

from __future__ import annotations

from typing import Final

from call.book import asks, asks_for_an_answer, note, nothing, outputs
from call.events import response_created, response_done
from call.sideband import attached, reattaches
from call.test_tools import function
from gateway.call import inputs, notes

LOST: Final = inputs.ModelLost("closed_1006")
OPENED: Final = inputs.ModelOpened()
STOCK: Final = {"tools": ["stock"], "functions": {"stock": function()}}


def test_an_output_that_waited_for_the_end_of_an_answer_outlives_the_sideband() -> None:
    book = attached(**STOCK) >> response_created() << nothing
    book >> response_done(calls=(("stock", "call_1"),)) << note(notes.ToolCalled) << ...
    book >> response_created("resp_2") << nothing
    book >> inputs.ToolFinished("call_1", "three left", "ok") << note(notes.ToolDone)
    book << outputs("call_1", "three left") >> LOST << reattaches << nothing
    book >> OPENED << note(notes.SidebandUp) << asks_for_an_answer << nothing


def test_an_operators_words_outlive_it_too() -> None:
    book = attached(**STOCK) >> response_created() << nothing
    book >> inputs.SayAsked("Mind the gap.") << nothing >> LOST << reattaches << nothing
    book >> OPENED << note(notes.SidebandUp) << asks("Mind the gap.") << nothing
