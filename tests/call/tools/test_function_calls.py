"""Functions of the operator's: off the audio path, handed in together, never a dead line."""

from __future__ import annotations

from typing import Any

import pytest
from call.play import (
    Book,
    answered,
    asks,
    asks_for_an_answer,
    ends,
    exactly,
    note,
    nothing,
    outputs,
    over,
    wait,
)
from call.vendor_events import (
    committed,
    response_created,
    response_done,
    speech_started,
    speech_stopped,
    stop,
)

from gateway import limits
from gateway.agents.config.mcp import McpServer
from gateway.agents.config.tool_options import FunctionTool, HttpCall
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.dialogue import prompts
from gateway.call.endings import Ending
from gateway.protocols import realtime_server as model

CALLED = note(events.ToolCalled)


def function(**changes: Any) -> FunctionTool:
    schema = {"type": "object", "properties": {}}
    http = HttpCall(url="https://api.example.com/")
    return FunctionTool(description="Looks up.", parameters=schema, http=http, **changes)


def agent_with(**changes: Any) -> Book:
    """A call whose agent has two functions, `hours` and `stock`; `changes` are of `hours`."""
    return answered(
        tools=["hours", "stock"], functions={"hours": function(**changes), "stock": function()}
    )


def runs(name: str, call_id: str) -> Any:
    return exactly(do.RunTool(call_id, name, "{}"))


def finished(call_id: str, output: str = "nine to five") -> inputs.ToolFinished:
    return inputs.ToolFinished(call_id, output, "ok")


def reported(call_id: str, response_id: str = "resp_1") -> model.OutputItemDone:
    """A function call as an item, which comes before its response is done."""
    item = model.Item("function_call", call_id=call_id, name="hours", arguments="{}")
    return model.OutputItemDone(response_id=response_id, item=item)


@pytest.mark.parametrize("said", [None, ()], ids=["output is missing", "output is empty"])
def test_a_call_that_the_response_does_not_list_is_run_too(said: tuple[()] | None) -> None:
    book = agent_with() >> response_created() >> reported("call_1") << nothing
    book >> response_done(said=said) << CALLED << runs("hours", "call_1") << nothing


def test_a_call_without_an_id_is_none() -> None:
    done = response_done(calls=(("hours", "call_1"),))
    for item in done.response.output or ():
        item.call_id = None
    agent_with() >> response_created() >> done << nothing


def test_one_that_it_lists_is_run_once() -> None:
    book = agent_with() >> response_created() >> reported("call_1") << nothing
    book >> response_done(calls=(("hours", "call_1"), ("stock", "call_2")))
    book << CALLED << runs("hours", "call_1") << CALLED << runs("stock", "call_2") << nothing


def test_a_call_that_is_reported_again_is_done_once() -> None:
    """In one response, in the same one once more, and in another one of the session."""
    twice = (("hours", "call_1"), ("hours", "call_1"))
    book = agent_with() >> response_created() >> reported("call_1") >> reported("call_1") << nothing
    book >> response_done(calls=twice) << CALLED << runs("hours", "call_1") << nothing
    book >> response_done(calls=twice) << nothing
    book >> finished("call_1") << note(events.ToolCompleted)
    book << outputs("call_1", "nine to five") << asks_for_an_answer << nothing
    book >> response_created("resp_2") >> reported("call_1", "resp_2")
    book >> response_done("resp_2", calls=(("hours", "call_1"), ("stock", "call_2")))
    book << CALLED << runs("stock", "call_2") << nothing


def test_none_of_a_response_that_was_cancelled_or_is_another_one() -> None:
    book = agent_with() >> response_created() >> reported("call_1")
    book >> response_done(status="cancelled") << nothing
    book >> response_created("resp_2") >> reported("call_2", "resp_9")
    book >> response_done("resp_2", calls=(("stock", "call_3"),))
    book << CALLED << runs("stock", "call_3") << nothing


def calling(book: Book, *calls: tuple[str, str]) -> Book:
    book = book >> response_created() >> response_done(calls=calls)
    for name, call_id in calls:
        book = book << CALLED << runs(name, call_id)
    return book


def test_a_function_runs_and_the_model_goes_on_with_its_answer() -> None:
    (
        calling(agent_with(), ("hours", "call_1"))
        << nothing
        >> finished("call_1")
        << note(events.ToolCompleted, name="hours", outcome="ok")
        << outputs("call_1", "nine to five")
        << asks_for_an_answer
        << nothing
    )


def test_outputs_of_one_response_go_in_together() -> None:
    (
        calling(agent_with(), ("hours", "call_1"), ("stock", "call_2"))
        >> finished("call_2", "three left")
        << note(events.ToolCompleted, name="stock")
        << nothing
        >> finished("call_1")
        << note(events.ToolCompleted, name="hours")
        << outputs("call_2", "three left")
        << outputs("call_1", "nine to five")
        << asks_for_an_answer
        << nothing
    )


def test_a_wait_is_filled_once() -> None:
    (
        calling(agent_with(filler="One moment.", filler_after_ms=800), ("hours", "call_1"))
        >> wait(0.7)
        << nothing
        >> wait(0.2)
        << asks("One moment.")
        >> response_created("resp_filler")
        >> response_done("resp_filler")
        >> wait(1.5)
        << nothing
    )


def test_no_filler_when_the_answer_was_quick() -> None:
    book = calling(agent_with(filler_after_ms=800), ("hours", "call_1")) >> finished("call_1")
    book << note(events.ToolCompleted) << outputs("call_1", "nine to five") << asks_for_an_answer
    book >> wait(1.0) << nothing


def test_no_filler_into_the_callers_words() -> None:
    book = calling(agent_with(filler_after_ms=800), ("hours", "call_1"))
    book >> speech_started() >> wait(1.0) << nothing


def test_a_filler_that_was_not_said_yet_gives_way_to_the_answer() -> None:
    book = calling(agent_with(filler_after_ms=100), ("hours", "call_1"))
    book >> wait(0.2) << asks(prompts.FILLER) >> finished("call_1")
    book << note(events.ToolCompleted) << outputs("call_1", "nine to five") << nothing
    book >> response_created("resp_filler") >> response_done("resp_filler") << ...


def test_the_caller_interrupts_what_is_to_be_cancelled() -> None:
    book = calling(agent_with(on_barge_in="cancel"), ("hours", "call_1"))
    book >> speech_started() >> speech_stopped() >> committed()
    book << exactly(do.CancelTool("call_1")) << note(events.ToolCompleted, outcome="cancelled")
    book << outputs("call_1", prompts.CANCELLED) << nothing
    book >> finished("call_1") << nothing


def test_the_caller_speaks_and_what_is_kept_goes_on() -> None:
    book = calling(agent_with(), ("hours", "call_1"))
    book >> speech_started() >> speech_stopped() >> committed() << nothing
    book >> finished("call_1") << note(events.ToolCompleted) << outputs("call_1", "nine to five")
    book << nothing  # the server's own answer to the caller's words takes it up


def test_what_needs_a_yes_runs_after_the_caller_has_spoken() -> None:
    book = agent_with(confirm=True)
    call = (("hours", "call_1"),)
    book >> response_created() >> response_done(calls=call) << CALLED
    book << outputs("call_1", prompts.CONFIRM) << asks_for_an_answer
    book >> response_created("resp_2") >> response_done("resp_2", calls=(("hours", "call_2"),))
    book << CALLED << outputs("call_2", prompts.CONFIRM) << asks_for_an_answer << nothing
    book >> response_created("resp_3") >> response_done("resp_3")
    book >> speech_started() >> speech_stopped() >> committed() << ...
    book >> response_created("resp_4") >> response_done("resp_4", calls=(("hours", "call_3"),))
    book << CALLED << runs("hours", "call_3") << nothing


def test_too_many_at_once_are_told_so() -> None:
    calls = tuple(("hours", f"call_{n}") for n in range(limits.tools.TOOLS_AT_ONCE_MAX + 1))
    book = agent_with() >> response_created() >> response_done(calls=calls) << ...
    for n in range(limits.tools.TOOLS_AT_ONCE_MAX):
        book >> finished(f"call_{n}") << note(events.ToolCompleted)
    book << outputs(calls[-1][1], prompts.TOO_MANY) << ...


def test_nobody_is_asked_whether_the_caller_is_there_while_we_are_at_work() -> None:
    book = calling(agent_with(filler_after_ms=60_000), ("hours", "call_1"))
    book >> wait(30) << nothing


def test_what_runs_finishes_beside_a_call_that_ends() -> None:
    """A request that is half sent may have been carried out, and nobody would know."""
    book = calling(agent_with(), ("hours", "call_1")) >> stop()
    book << exactly(do.DetachTool("call_1")) << ends(Ending.CALLER_HUNG_UP)
    assert over(book)
    book >> finished("call_1") << nothing


def test_what_is_void_without_the_caller_is_cancelled_with_the_call() -> None:
    book = calling(agent_with(on_barge_in="cancel"), ("hours", "call_1"), ("stock", "call_2"))
    book >> stop() << exactly(do.CancelTool("call_1"))
    book << note(events.ToolCompleted, name="hours", outcome="cancelled")
    book << exactly(do.DetachTool("call_2")) << ends(Ending.CALLER_HUNG_UP)


def test_an_operator_does_not_wait_for_what_runs_and_is_told_so() -> None:
    book = calling(agent_with(), ("hours", "call_1")) >> inputs.HangUpRequested()
    book << exactly(do.DetachTool("call_1"))
    book << ends(Ending.OPERATOR_HUNG_UP, "work_unfinished")


# --- Tools of MCP servers, which come and go ---


def shop(**changes: Any) -> Book:
    """An agent with a server, of whose tools `warehouse_stock` was there when the call began."""
    server = McpServer(via="gateway", url="http://stock.internal/mcp", **changes)
    there = {"type": "function", "name": "warehouse_stock", "parameters": {"type": "object"}}
    return answered(mcp={"warehouse": server}, session={"tools": [there]})


def test_a_servers_tool_has_the_servers_manners() -> None:
    book = calling(shop(filler="Asking.", filler_after_ms=300), ("warehouse_stock", "call_1"))
    (
        book
        >> wait(0.4)
        << asks("Asking.")
        >> finished("call_1")
        << note(events.ToolCompleted, name="warehouse_stock")
        << outputs("call_1", "nine to five")
        << nothing
    )
    book >> response_created("resp_2") >> response_done("resp_2") << ...


def test_a_servers_tool_that_was_not_offered_is_none() -> None:
    book = shop() >> response_created()
    book >> response_done(calls=(("warehouse_drop", "call_1"),))
    book << note(events.ToolCalled, name="unknown") << outputs("call_1", prompts.NO_SUCH_TOOL)
    book << asks_for_an_answer


def test_a_result_that_comes_while_the_filler_is_being_asked_for_is_told() -> None:
    """The filler began before it, and cannot know of it."""
    book = calling(agent_with(), ("hours", "call_1")) >> wait(1.5) << asks("looking into it")
    book >> finished("call_1") << note(events.ToolCompleted) << outputs("call_1", "nine to five")
    book << nothing >> response_created("resp_2") << nothing
    book >> response_done("resp_2") << asks_for_an_answer << nothing


def test_a_sentence_of_the_operators_is_no_answer_of_the_functions() -> None:
    book = calling(agent_with(), ("hours", "call_1")) >> response_created("resp_2") << nothing
    book >> inputs.SayRequested("Please hold.") << nothing >> finished("call_1")
    book << note(events.ToolCompleted) << outputs("call_1", "nine to five") << nothing
    book >> response_done("resp_2") << asks("Please hold.") >> response_created("resp_3") << nothing
    book >> response_done("resp_3") << asks_for_an_answer << nothing


def test_a_result_is_told_after_an_answer_that_began_without_it() -> None:
    book = calling(agent_with(), ("hours", "call_1")) >> speech_started(100) << nothing
    book >> speech_stopped(500) << nothing >> committed() << nothing
    book >> finished("call_1") << note(events.ToolCompleted) << outputs("call_1", "nine to five")
    book << nothing >> response_created("resp_2") << nothing
    book >> response_done("resp_2") << asks_for_an_answer << nothing


def test_a_result_that_comes_during_speech_is_a_part_of_the_answer() -> None:
    book = calling(agent_with(), ("hours", "call_1")) >> speech_started(100) << nothing
    book >> finished("call_1") << note(events.ToolCompleted) << outputs("call_1", "nine to five")
    book << nothing >> speech_stopped(500) >> committed() >> response_created("resp_2") << nothing
    book >> response_done("resp_2") << nothing
