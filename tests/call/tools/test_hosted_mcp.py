"""Hosted MCP: listed late or never, called, allowed or not, and told to the caller at the end."""

from __future__ import annotations

from typing import Any

import pytest
from call.hosted_events import (
    CALLED,
    GRACE_S,
    answers,
    arguments,
    asked,
    call_item,
    called,
    calling,
    completed,
    listed,
    out,
    output,
    request,
    runs,
    server,
)
from call.play import (
    Book,
    answered,
    asks,
    asks_for_an_answer,
    configures,
    ends,
    exactly,
    note,
    nothing,
    tells_the_model,
    wait,
)
from call.vendor_events import (
    audio_delta,
    audio_done,
    committed,
    response_created,
    response_done,
    session_created,
    session_updated,
    speech_started,
    speech_stopped,
    stop,
)

from gateway import limits
from gateway.call import commands as do
from gateway.call import events, inputs
from gateway.call.dialogue import prompts
from gateway.call.endings import Ending
from gateway.protocols import realtime_mcp as mcp
from gateway.protocols import realtime_server as model

# --- Lists ---


def test_a_list_that_is_quick_is_not_talked_about() -> None:
    calling() >> wait(3) << nothing


def test_the_model_is_told_of_tools_that_are_late_and_then_there() -> None:
    book = answered(mcp={"crm": server(), "mail": server()})
    book >> listed() >> mcp.McpListCompleted(item_id="mcpl_1") << note(events.HostedToolsListed)
    (
        book
        >> wait(limits.mcp.LIST_GRACE_S)
        << note(events.HostedToolsListed, server="mail", outcome="late")
    )
    book << tells_the_model(prompts.tools_late("mail"))
    book >> mcp.McpListCompleted(item_id="mcpl_2") << nothing  # whose, stands in the item
    book >> listed("mcpl_2", "mail", 3) << note(events.HostedToolsListed, outcome="ok", tools=3)
    book << tells_the_model(prompts.tools_there("mail")) << nothing


def test_a_greeting_does_not_wait_for_tools() -> None:
    book = Book(greeting="Hello.", mcp={"crm": server()})
    book >> session_created() << configures >> session_updated(book.agent) << ...
    book >> mcp.McpListInProgress(item_id="mcpl_1") << nothing
    answered_book = answered(greeting="Hello.", mcp={"crm": server()})
    assert "Hello." in str(answered_book.said)


@pytest.mark.parametrize("known", [True, False], ids=["with its item", "without"])
def test_tools_that_cannot_be_had_are_not_offered(known: bool) -> None:
    book = answered(mcp={"crm": server()})
    if known:
        book >> listed(tools=0) << nothing
    book >> mcp.McpListFailed(item_id="mcpl_1") << note(events.HostedToolsListed, outcome="failed")
    book << tells_the_model(prompts.tools_gone("crm")) >> wait(3) << nothing


def test_a_list_without_tools_is_no_list() -> None:
    book = answered(mcp={"crm": server()}) >> listed(tools=0)
    (
        book
        >> mcp.McpListCompleted(item_id="mcpl_1")
        << note(events.HostedToolsListed, outcome="empty")
    )
    book << tells_the_model(prompts.tools_gone("crm")) << nothing


def test_a_list_of_somebody_elses_is_nothing_to_us() -> None:
    book = calling() >> listed("mcpl_9", "stranger")
    book >> mcp.McpListCompleted(item_id="mcpl_9") << nothing


# --- Calls ---


def test_what_came_of_a_call_is_told_though_the_model_does_not_go_on() -> None:
    book = (
        out(calling())
        >> completed()
        << note(events.HostedToolCompleted, server="crm", outcome="ok")
    )
    book >> output() << nothing
    book >> wait(GRACE_S) << asks_for_an_answer << nothing
    book >> response_created("resp_2") >> response_done("resp_2") >> wait(1) << nothing


def test_where_the_model_goes_on_by_itself_it_is_not_asked() -> None:
    book = out(calling()) >> completed() << note(events.HostedToolCompleted) >> output()
    book >> wait(GRACE_S / 2) >> response_created("resp_2") >> response_done("resp_2")
    book >> wait(3) << nothing


def test_nor_where_it_went_on_within_the_same_response() -> None:
    book = calling() >> response_created() >> called() >> arguments() << CALLED
    book >> runs() >> completed() << note(events.HostedToolCompleted) >> output()
    told = model.Response("resp_1", "completed", output=[call_item(), model.Item("message")])
    book >> model.ResponseDone(response=told) >> wait(3) << nothing


def test_what_came_in_before_the_response_was_over_waits_for_its_end() -> None:
    book = calling() >> response_created() >> called() >> arguments() << CALLED
    book >> runs() >> completed() << note(events.HostedToolCompleted) >> wait(2) << nothing
    book >> response_done() >> wait(GRACE_S) << asks_for_an_answer


def test_two_calls_of_one_turn_are_told_together() -> None:
    book = calling() >> response_created() >> called() >> arguments() << CALLED
    book >> called("mcp_2") >> arguments("mcp_2") << CALLED >> response_done()
    book >> runs() >> runs("mcp_2") >> completed("mcp_2") << note(events.HostedToolCompleted)
    book >> wait(2) << nothing >> completed() << note(events.HostedToolCompleted)
    book >> wait(GRACE_S) << asks_for_an_answer


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("protocol_error", "protocol_error"),
        ("tool_execution_error", "tool_execution_error"),
        ("http_error", "http_error"),
        ("something_new", "error"),
    ],
)
@pytest.mark.parametrize("event_first", [True, False])
def test_three_ways_to_fail(kind: str, outcome: str, event_first: bool) -> None:
    failed = mcp.McpCallFailed(item_id="mcp_1")
    told = model.ItemDone(item=call_item(error=mcp.McpFailure(kind, 500, "No.")))
    book = out(calling())
    if event_first:
        book >> failed << nothing >> told
    else:
        book >> told
    book << note(events.HostedToolCompleted, outcome=outcome)
    book >> (told if event_first else failed) << nothing
    book >> wait(GRACE_S) << asks_for_an_answer


def test_a_failure_that_is_never_explained_is_one_all_the_same() -> None:
    book = out(calling()) >> mcp.McpCallFailed(item_id="mcp_1") >> wait(GRACE_S)
    book << note(events.HostedToolCompleted, outcome="error") >> wait(GRACE_S) << asks_for_an_answer


def test_a_call_that_never_ends_is_given_up() -> None:
    book = out(calling(timeout_s=4)) >> wait(3.9) << nothing >> wait(0.2)
    book << note(events.HostedToolCompleted, outcome="timeout", seconds=4.0)
    book << tells_the_model(prompts.took_too_long("find"))
    book >> wait(GRACE_S) << asks_for_an_answer
    book >> response_created("resp_2") >> response_done("resp_2") >> completed() << nothing


def test_a_call_under_an_agent_without_servers_ends_as_well() -> None:
    """It may be of the agent before: one that stays open would keep the caller from the nudge."""
    idle = {"nudge_after_s": 2.0, "end_after_s": 4.0}
    other = {"tools": ["hand_over"], "hand_over": {"other": "about anything else"}}
    book = answered(**other, idle=idle)
    unknown = note(events.HostedToolCalled, server="unknown")
    book = book >> response_created() >> called() >> arguments() << unknown
    book >> runs() >> response_done() << nothing >> wait(2) << asks(prompts.FILLER)
    book >> response_created("resp_2") >> response_done("resp_2") << nothing
    book >> wait(limits.tools.TOOL_TIMEOUT_DEFAULT_S - 2)
    book << note(events.HostedToolCompleted, server="unknown", outcome="timeout") << ...
    book >> wait(GRACE_S) << asks_for_an_answer
    book >> response_created("resp_3") >> response_done("resp_3") << nothing
    book >> wait(2) << asks(book.agent.idle.nudge)


def test_a_call_behind_the_goodbye_is_waited_for_and_told() -> None:
    book = calling()
    book.heard_marks = True
    book >> response_created() >> audio_delta(ms=400) << ... >> audio_done() << nothing
    book >> called() >> arguments() << CALLED >> runs() << nothing
    book >> response_done(calls=(("end_call", "call_1"),)) << note(events.ToolCalled)
    book >> wait(4) << note(events.FirstAudioSent) >> completed()
    book << note(events.HostedToolCompleted, outcome="ok") << nothing >> output() << nothing
    book >> wait(GRACE_S + 0.1) << asks_for_an_answer << nothing
    book >> response_created("resp_2") << nothing
    book >> audio_delta("item_2", ms=200, response_id="resp_2") << ...
    book >> audio_done("item_2", "resp_2") >> response_done("resp_2") << nothing
    book >> wait(0.3) << ends(Ending.AGENT_HUNG_UP) << nothing


def test_a_wait_is_filled_once() -> None:
    book = out(calling(filler="One moment.", filler_after_ms=800)) >> wait(0.7) << nothing
    book >> wait(0.2) << asks("One moment.") >> response_created("f") >> response_done("f")
    book >> wait(3) << nothing
    book >> completed() << note(events.HostedToolCompleted) >> wait(GRACE_S) << asks_for_an_answer


def test_a_filler_that_begins_after_the_answer_came_does_not_swallow_it() -> None:
    book = out(calling(filler="One moment.", filler_after_ms=800)) >> wait(0.9)
    book << asks("One moment.") >> completed() << note(events.HostedToolCompleted)
    book >> response_created("f") >> wait(1) >> response_done("f") << nothing
    book >> wait(GRACE_S) << asks_for_an_answer


def test_a_filler_waits_until_nobody_speaks() -> None:
    book = out(calling(filler="One moment.", filler_after_ms=800)) >> speech_started()
    book >> wait(2) << nothing >> speech_stopped() >> committed() << ...
    book >> response_created("resp_2") >> response_done("resp_2") >> wait(limits.model.ROLL_LOOK_S)
    book << asks("One moment.")


def test_nobody_is_asked_whether_the_caller_is_there_meanwhile() -> None:
    out(calling(timeout_s=60)) >> wait(40) << nothing


def test_a_call_of_a_server_that_the_agent_does_not_have_is_counted_as_such() -> None:
    book = calling() >> response_created()
    item = call_item()
    item.server_label = "stranger"
    book >> model.ItemAdded(item=item) >> arguments()
    book << note(events.HostedToolCalled, server="unknown") >> completed()
    book << note(events.HostedToolCompleted, server="unknown") >> response_done() << nothing
    book >> wait(GRACE_S) << asks_for_an_answer


# --- Approvals ---


@pytest.mark.parametrize("approval", ["none", "operator", {"none": ["find"]}], ids=str)
def test_the_gateway_never_says_yes_by_itself(approval: Any) -> None:
    book = calling(approval=approval) >> response_created() >> called() >> arguments() << CALLED
    book >> request() << note(events.ApprovalRequested, approval_id="mcpr_1") << nothing
    book >> response_done() >> stop() << ...


def test_an_operator_allows_it() -> None:
    book = asked(calling(approval="operator"), arguments='{"name": "Smith"}', wait_s=30.0)
    book >> wait(20) << nothing
    assert book.call.approval("mcpr_1") == "waiting"
    book >> inputs.ApprovalAnswered("mcpr_1", True) << answers("mcpr_1", True)
    book << note(events.ApprovalResolved, server="crm", outcome="approved")
    book >> inputs.ApprovalAnswered("mcpr_1", False) << nothing
    assert book.call.approval("mcpr_1") == "approved"
    book >> runs() >> wait(1) >> completed()
    book << note(
        events.HostedToolCompleted, outcome="ok", seconds=1.0
    )  # without the wait for the operator
    book >> wait(GRACE_S) << asks_for_an_answer


def test_an_operator_says_no_and_the_caller_hears_of_it() -> None:
    book = asked(calling(approval="operator")) >> inputs.ApprovalAnswered("mcpr_1", False)
    book << answers("mcpr_1", False) << note(events.ApprovalResolved, outcome="denied")
    book << note(events.HostedToolCompleted, outcome="denied")
    book >> wait(GRACE_S) << asks(prompts.denied("denied")) << nothing


def test_nobody_answers_and_that_is_a_no() -> None:
    book = asked(calling(approval="operator", approval_timeout_s=5), wait_s=5.0)
    book >> wait(4.9) << nothing >> wait(0.2) << answers("mcpr_1", False)
    (
        book
        << note(events.ApprovalResolved, outcome="timeout")
        << note(events.HostedToolCompleted, outcome="denied")
    )
    book >> wait(GRACE_S) << asks(prompts.denied("timeout")) << nothing
    assert book.call.approval("mcpr_1") == "timeout"


def test_where_the_model_tells_of_the_denial_by_itself_it_is_not_asked() -> None:
    book = asked(calling(approval="operator")) >> inputs.ApprovalAnswered("mcpr_1", False) << ...
    book >> response_created("resp_2") >> response_done("resp_2") >> wait(3) << nothing


def test_a_caller_who_waits_for_leave_hears_so_now_and_then() -> None:
    book = asked(calling(approval="operator", filler_after_ms=1000)) >> wait(1)
    book << asks(prompts.ASKING) >> response_created("f") >> response_done("f")
    book >> wait(limits.tools.APPROVAL_FILLER_EVERY_S) << asks(prompts.ASKING) << nothing


@pytest.mark.parametrize(
    ("name", "label", "server_in_note"), [("drop", "crm", "crm"), ("find", "stranger", "unknown")]
)
def test_what_is_not_offered_is_denied(name: str, label: str, server_in_note: str) -> None:
    book = calling(approval="operator", allowed_tools=["find"])
    book >> request(name=name, label=label) << answers("mcpr_1", False)
    book << note(events.ApprovalResolved, server=server_in_note, outcome="not_offered")
    book >> wait(GRACE_S) << asks(prompts.denied("not_offered"))


def test_too_many_requests_at_once_are_denied() -> None:
    book = calling(approval="operator")
    for n in range(limits.tools.APPROVALS_MAX):
        book >> request(f"mcpr_{n}") << note(events.ApprovalRequested)
    book >> request("one_more") << answers("one_more", False)
    book << note(events.ApprovalResolved, outcome="too_many") << nothing
    book >> stop() << ...


def test_nothing_is_known_of_a_request_that_never_was() -> None:
    book = calling(approval="operator") >> inputs.ApprovalAnswered("mcpr_9", True) << nothing
    assert book.call.approval("mcpr_9") is None


# --- Lost ---


def test_what_was_out_is_lost_with_the_call() -> None:
    book = asked(calling(approval="operator")) >> stop()
    (
        book
        << note(events.HostedToolCompleted, outcome="lost")
        << note(events.ApprovalResolved, outcome="withdrawn")
    )
    book << ends(Ending.CALLER_HUNG_UP)


def test_another_session_is_told_that_nobody_knows_and_takes_it_up() -> None:
    book = out(calling()) >> inputs.ModelLost("closed_1006")
    book << note(events.ModelDisconnected) << note(events.HostedToolCompleted, outcome="lost")
    book << exactly(do.OpenModel(0.0)) << nothing
    book >> session_created() << configures >> session_updated(book.agent)
    book << note(events.ModelReconnected) << tells_the_model(prompts.RECALLED)
    book << tells_the_model("crm_find") << tells_the_model("It is not known") << ...
    book >> wait(GRACE_S) << asks_for_an_answer
    book >> response_created("resp_2") >> response_done("resp_2")
    book >> wait(1) << note(events.HostedToolsListed, outcome="late") << ...


def test_another_session_knows_what_the_tool_said() -> None:
    book = out(calling()) >> completed() << ... >> output() >> wait(GRACE_S) << ...
    book >> response_created("resp_2") >> response_done("resp_2")
    book >> inputs.ModelLost("closed_1006") << ... >> session_created() << ...
    book >> session_updated(book.agent) << note(events.ModelReconnected)
    book << tells_the_model(prompts.RECALLED) << tells_the_model("crm_find")
    book << tells_the_model("Smith, 42") << ...
