"""Hosted MCP on the SIP path: the sideband comes late, may be lost, and is had again."""

from __future__ import annotations

from call.hosted_events import (
    CALLED,
    GRACE_S,
    answers,
    arguments,
    called,
    completed,
    listed,
    output,
    request,
    runs,
    server,
)
from call.play import asks_for_an_answer, note, nothing, tells_the_model, wait
from call.sideband import SipBook, attached, reattaches
from call.vendor_events import response_created, response_done

from gateway import limits
from gateway.call import events, inputs
from gateway.call.dialogue import prompts
from gateway.protocols import realtime_mcp as mcp


def calling(**changes: object) -> SipBook:
    return attached(mcp={"crm": server(**changes)})


def test_a_list_that_came_before_the_sideband_is_not_missed() -> None:
    """Nothing is known of it, and nothing is said: the model has the tools."""
    calling() >> wait(5) << nothing


def test_a_list_whose_beginning_was_seen_can_be_late() -> None:
    book = calling() >> mcp.McpListInProgress(item_id="mcpl_1") << nothing
    book >> wait(limits.mcp.LIST_GRACE_S) << note(events.HostedToolsListed, outcome="late")
    book << tells_the_model(prompts.tools_late("crm")) >> listed() << nothing
    book >> mcp.McpListCompleted(item_id="mcpl_1") << note(events.HostedToolsListed, outcome="ok")
    book << tells_the_model(prompts.tools_there("crm")) << nothing


def test_a_call_as_on_the_other_path() -> None:
    book = calling() >> response_created() >> called() >> arguments() << CALLED >> runs()
    (
        book
        >> response_done()
        >> completed()
        << note(events.HostedToolCompleted, outcome="ok")
        >> output()
    )
    book >> wait(GRACE_S) << asks_for_an_answer << nothing


def test_a_call_that_goes_on_unseen_is_lost_and_a_request_still_waits() -> None:
    book = calling(approval="operator") >> response_created() >> called("mcp_2", "find")
    book >> arguments("mcp_2") << CALLED >> response_done() >> runs("mcp_2")
    book >> request() << note(events.ApprovalRequested)
    (
        book
        >> inputs.ModelLost("closed_1006")
        << note(events.HostedToolCompleted, outcome="lost")
        << reattaches
    )
    book >> inputs.ApprovalAnswered("mcpr_1", True) << nothing  # nobody would hear of it
    assert book.call.approval("mcpr_1") == "waiting"
    book >> inputs.ModelOpened() << note(events.SidebandConnected, again=True)
    book >> inputs.ApprovalAnswered("mcpr_1", True) << answers("mcpr_1", True)
    book << note(events.ApprovalResolved, outcome="approved")
    book >> wait(GRACE_S) << asks_for_an_answer


def test_time_runs_out_while_there_is_no_sideband() -> None:
    book = calling(approval="operator", approval_timeout_s=1)
    book >> request() << note(events.ApprovalRequested)
    book >> wait(0.5) >> inputs.ModelLost("closed_1006") << reattaches >> wait(1) << nothing
    book >> inputs.ModelOpened() << note(events.SidebandConnected, again=True)
    book >> wait(limits.model.ROLL_LOOK_S) << answers("mcpr_1", False)
    book << note(events.ApprovalResolved, outcome="timeout") << nothing
