"""Private tools that need somebody's leave: held back, asked for, allowed or not, in words."""

from __future__ import annotations

from typing import Any

import pytest
from call import hosted_events
from call.hosted_events import request, server
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
    wait,
)
from call.sideband import SipBook, attached, reattaches
from call.test_snapshot import kept, resumed
from call.vendor_events import (
    committed,
    key,
    response_created,
    response_done,
    session_created,
    session_updated,
    speech_started,
    speech_stopped,
    stop,
)

from gateway import limits
from gateway.agents.config.mcp import McpServer
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.dialogue import prompts
from gateway.call.endings import Ending

CALLED = note(events.ToolCalled, name="shop_reserve")
RUNS = exactly(do.RunTool("call_1", "shop_reserve", "{}"))
CALL = (("shop_reserve", "call_1"),)
GONE = inputs.ModelLost("closed_1006")


def agent(**changes: Any) -> dict[str, Any]:
    """Of a private server `shop` two tools were there when the call began."""
    fields = {"via": "gateway", "url": "http://shop.internal/mcp", "filler_after_ms": 60_000}
    tools = [
        {"type": "function", "name": f"shop_{name}", "parameters": {"type": "object"}}
        for name in ("reserve", "look_up")
    ]
    private = McpServer.model_validate(fields | {"approval": "operator"} | changes)
    return {
        "mcp": {"shop": private, "crm": server(approval="operator")},
        "session": {"tools": tools},
    }


def calling(**changes: Any) -> Book:
    return answered(**agent(**changes)) >> wait(3) << ...


def wants(book: Book, call_id: str = "call_1") -> Book:
    """The model calls it."""
    calls = (("shop_reserve", call_id),)
    return book >> response_created() >> response_done(calls=calls) << CALLED


def asked(book: Book, call_id: str = "call_1", **of_note: Any) -> str:
    """The model wants to use it; the id of the request."""
    wants(book, call_id)
    (one,) = book.outs()
    assert isinstance(one, events.ApprovalRequested)
    assert (one.server, one.tool, one.arguments) == ("shop", "reserve", "{}")
    assert {name: getattr(one, name) for name in of_note} == of_note
    return one.approval_id


def finished(output: str = "2 tins", call_id: str = "call_1") -> inputs.ToolFinished:
    return inputs.ToolFinished(call_id, output, "ok")


# --- By rule ---


@pytest.mark.parametrize("approval", ["none", {"none": ["reserve"]}], ids=str)
def test_what_needs_nobodys_leave_just_runs(approval: Any) -> None:
    wants(calling(approval=approval)) << RUNS << nothing


@pytest.mark.parametrize("approval", [{"none": ["look_up"]}, {"operator": ["reserve"]}], ids=str)
def test_what_stands_in_no_list_is_asked(approval: Any) -> None:
    book = calling(approval=approval)
    asked(book)
    book >> stop() << ...


def test_a_function_of_the_operators_own_is_none_of_the_servers() -> None:
    """Whoever names a function may call it anything: no server's rules are for it."""
    http = {"url": "https://api.example.com/"}
    own = {"description": "x", "parameters": {"type": "object"}, "http": http}
    book = answered(**agent(), tools=["shop_reserve"], functions={"shop_reserve": own})
    wants(book) << RUNS << nothing


# --- Asked ---


def test_an_operator_allows_it() -> None:
    book = calling()
    approval_id = asked(book, wait_s=30.0)
    book >> wait(20) << nothing
    assert book.call.approval(approval_id) == "waiting"
    book >> inputs.ApprovalAnswered(approval_id, True)
    (
        book
        << note(events.ApprovalResolved, approval_id=approval_id, outcome="approved")
        << RUNS
        << nothing
    )
    book >> inputs.ApprovalAnswered(approval_id, False) << nothing
    assert book.call.approval(approval_id) == "approved"
    book >> wait(2) >> finished()
    book << note(events.ToolCompleted, name="shop_reserve", outcome="ok", seconds=2.0)
    book << outputs("call_1", "2 tins") << asks_for_an_answer << nothing


def test_an_operator_says_no_and_the_model_is_told_so() -> None:
    book = calling()
    book >> inputs.ApprovalAnswered(asked(book), False)
    book << note(events.ApprovalResolved, outcome="denied")
    book << note(events.ToolCompleted, outcome="denied", seconds=0.0)
    book << outputs("call_1", prompts.denied("denied")) << asks_for_an_answer << nothing


def test_nobody_answers_and_that_is_a_no() -> None:
    book = calling(approval_timeout_s=5)
    approval_id = asked(book, wait_s=5.0)
    book >> wait(4.9) << nothing >> wait(0.2)
    (
        book
        << note(events.ApprovalResolved, outcome="timeout")
        << note(events.ToolCompleted, outcome="denied")
    )
    book << outputs("call_1", prompts.denied("timeout")) << asks_for_an_answer << nothing
    assert book.call.approval(approval_id) == "timeout"
    book >> inputs.ApprovalAnswered(approval_id, True) << nothing


def test_the_callers_yes_comes_before_the_operators() -> None:
    book = calling(confirm=True)
    wants(book) << outputs("call_1", prompts.CONFIRM) << asks_for_an_answer << nothing
    book >> response_created("resp_2") >> response_done("resp_2")
    book >> speech_started() >> speech_stopped() >> committed() << ...
    asked(book, "call_2")
    book >> stop() << ...


def test_outputs_of_one_response_wait_for_the_slowest_leave() -> None:
    book = calling(approval={"none": ["look_up"]})
    calls = (("shop_reserve", "call_1"), ("shop_look_up", "call_2"))
    book >> response_created() >> response_done(calls=calls)
    _, one, _, runs = book.outs()
    assert isinstance(one, events.ApprovalRequested)
    assert runs == do.RunTool("call_2", "shop_look_up", "{}")
    book >> finished("four", "call_2") << note(events.ToolCompleted, name="shop_look_up") << nothing
    book >> inputs.ApprovalAnswered(one.approval_id, False) << note(events.ApprovalResolved)
    book << note(events.ToolCompleted, name="shop_reserve")
    book << outputs("call_2", "four") << outputs("call_1", prompts.denied("denied"))
    book << asks_for_an_answer << nothing


def test_both_kinds_share_what_may_wait_at_once() -> None:
    book = calling()
    for nth in range(limits.tools.APPROVALS_MAX):
        book >> request(f"mcpr_{nth}") << note(events.ApprovalRequested, server="crm")
    wants(book) << note(events.ApprovalResolved, server="shop", outcome="too_many")
    book << note(events.ToolCompleted, outcome="denied")
    book << outputs("call_1", prompts.denied("too_many")) << asks_for_an_answer << nothing
    book >> stop() << ...


# --- The caller, meanwhile ---


def test_the_caller_hears_now_and_then_whose_leave_is_waited_for() -> None:
    book = calling(filler="One moment.", filler_after_ms=1000)
    approval_id = asked(book)
    book >> wait(0.9) << nothing >> wait(0.2) << asks(prompts.ASKING) << nothing
    book >> response_created("f") >> response_done("f") >> wait(11) << nothing
    book >> wait(1) << asks(prompts.ASKING) >> response_created("g") >> response_done("g")
    book >> inputs.ApprovalAnswered(approval_id, True) << note(events.ApprovalResolved) << RUNS
    book >> wait(0.9) << nothing >> wait(0.2) << asks("One moment.") << nothing


@pytest.mark.parametrize("another_waits", [False, True])
def test_words_about_the_wait_are_said_only_while_one_is_waited_for(another_waits: bool) -> None:
    """The caller was typing, and the model waited for the end of that."""
    book = answered(**agent(filler_after_ms=1000), keypad={"pause_s": 3.0})
    book >> wait(3) << ...
    approval_id = asked(book)
    if another_waits:
        asked(book, "call_2")
    book >> key("5") << ... >> wait(1.1) << ...
    book >> inputs.ApprovalAnswered(approval_id, True) << note(events.ApprovalResolved) << RUNS
    book.said.clear()
    book >> wait(2.0) << ... >> response_created("resp_2") << ... >> response_done("resp_2") << ...
    book >> response_created("resp_3") << ... >> response_done("resp_3") << ...
    wanted = [event for event in book.said if event["type"] == "response.create"]
    assert [prompts.ASKING in str(event) for event in wanted].count(True) == int(another_waits)


def test_the_caller_speaks_and_what_is_to_be_cancelled_is_not_asked_any_more() -> None:
    book = calling(on_barge_in="cancel")
    approval_id = asked(book)
    book >> speech_started() >> speech_stopped() >> committed()
    book << note(events.ApprovalResolved, outcome="withdrawn")
    book << note(events.ToolCompleted, outcome="cancelled") << outputs("call_1", prompts.CANCELLED)
    book << nothing >> inputs.ApprovalAnswered(approval_id, True) << nothing


def test_the_caller_speaks_and_what_is_kept_waits_on() -> None:
    book = calling()
    approval_id = asked(book)
    book >> speech_started() >> speech_stopped() >> committed() << nothing
    book >> inputs.ApprovalAnswered(approval_id, True) << note(events.ApprovalResolved) << RUNS


def test_the_caller_hangs_up() -> None:
    book = calling()
    approval_id = asked(book)
    (
        book
        >> stop()
        << note(events.ApprovalResolved, outcome="withdrawn")
        << ends(Ending.CALLER_HUNG_UP)
    )
    assert book.call.approval(approval_id) == "withdrawn"


# --- Lost, and had again ---


def test_another_session_does_not_lose_it() -> None:
    book = calling()
    approval_id = asked(book)
    book >> GONE << note(events.ModelDisconnected) << do.OpenModel(0.0)
    book >> inputs.ApprovalAnswered(approval_id, True) << note(events.ApprovalResolved) << RUNS
    book >> session_created() << ... >> session_updated(book.agent) << ...
    book >> finished() << note(events.ToolCompleted, outcome="ok")
    made, output = (event["item"]["type"] for event in book.said[-3:-1])
    assert (made, output) == ("function_call", "function_call_output")
    book << ...


def test_the_request_of_the_models_server_goes_with_its_session_at_the_hour() -> None:
    book = hosted_events.asked(calling())
    book.call.model_link.next_session.plan(0.9)
    book >> wait(0.9) << ... >> inputs.NextSessionEvent(session_created()) << ...
    book >> inputs.NextSessionEvent(session_updated(book.agent)) << ... >> wait(0.9)
    assert events.ApprovalResolved("mcpr_1", "crm", "withdrawn") in book.outs()
    assert book.call.approval("mcpr_1") == "withdrawn"


def test_time_runs_out_between_two_sessions() -> None:
    book = calling(approval_timeout_s=1)
    asked(book)
    book >> GONE << ... >> wait(1.1) << note(events.ApprovalResolved, outcome="timeout")
    book << note(events.ToolCompleted, outcome="denied") << nothing
    book >> session_created() << ... >> session_updated(book.agent)
    said = [event["item"].get("output") for event in book.said if "item" in event]
    assert said[-1] == prompts.denied("timeout")
    book << ...


def test_another_process_does_not_know_whether_it_was_done() -> None:
    """Nor is it done there: nobody is asked, and the caller is, before it is tried again."""
    book = calling()
    asked(book)
    other = resumed(kept(book))
    said = [event["item"].get("output") for event in other.said if "item" in event]
    assert prompts.NOT_KNOWN in said
    assert not any(isinstance(out, do.RunTool) for out in other.outs())
    book >> stop() << ...


def sip(**changes: Any) -> SipBook:
    book = attached(**agent(**changes))
    return book >> wait(3) << ...


def test_without_a_sideband_it_runs_and_its_output_waits_for_the_next() -> None:
    book = sip()
    approval_id = asked(book)
    book >> GONE << reattaches
    book >> inputs.ApprovalAnswered(approval_id, True) << note(events.ApprovalResolved) << RUNS
    book >> finished() << note(events.ToolCompleted) << nothing
    book >> inputs.ModelOpened() << note(events.SidebandConnected, again=True)
    book << outputs("call_1", "2 tins") << asks_for_an_answer << nothing


def test_a_no_without_a_sideband_is_told_on_the_next() -> None:
    book = sip(approval_timeout_s=1)
    asked(book)
    book >> GONE << reattaches >> wait(1.1) << note(events.ApprovalResolved, outcome="timeout")
    book << note(events.ToolCompleted) << nothing
    book >> inputs.ModelOpened() << note(events.SidebandConnected, again=True)
    book << outputs("call_1", prompts.denied("timeout")) << asks_for_an_answer << nothing
