"""Hosted MCP on the SIP path: the sideband comes late, may be lost, and is had again."""

from __future__ import annotations

from call.book import asks_for_an_answer, note, nothing, tells_the_model, wait
from call.events import response_created, response_done
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
from call.sideband import SipBook, attached, reattaches
from gateway import limits
from gateway.call import inputs, notes, wording
from gateway.protocols import realtime_mcp as mcp


def calling(**changes: object) -> SipBook:
    return attached(mcp={"crm": server(**changes)})


def test_a_list_that_came_before_the_sideband_is_not_missed() -> None:
    """Nothing is known of it, and nothing is said: the model has the tools."""
    calling() >> wait(5) << nothing


def test_a_list_whose_beginning_was_seen_can_be_late() -> None:
    book = calling() >> mcp.McpListInProgress(item_id="mcpl_1") << nothing
    book >> wait(limits.MCP_LIST_GRACE_S) << note(notes.McpListed, outcome="late")
    book << tells_the_model(wording.tools_late("crm")) >> listed() << nothing
    book >> mcp.McpListCompleted(item_id="mcpl_1") << note(notes.McpListed, outcome="ok")
    book << tells_the_model(wording.tools_there("crm")) << nothing


def test_a_call_as_on_the_other_path() -> None:
    book = calling() >> response_created() >> called() >> arguments() << CALLED >> runs()
    book >> response_done() >> completed() << note(notes.McpDone, outcome="ok") >> output()
    book >> wait(GRACE_S) << asks_for_an_answer << nothing


def test_a_call_that_goes_on_unseen_is_lost_and_a_request_still_waits() -> None:
    book = calling(approval="operator") >> response_created() >> called("mcp_2", "find")
    book >> arguments("mcp_2") << CALLED >> response_done() >> runs("mcp_2")
    book >> request() << note(notes.ApprovalAsked)
    book >> inputs.ModelLost("closed_1006") << note(notes.McpDone, outcome="lost") << reattaches
    book >> inputs.ApprovalAnswered("mcpr_1", True) << nothing  # nobody would hear of it
    assert book.call.approval("mcpr_1") == "waiting"
    book >> inputs.ModelOpened() << note(notes.SidebandUp, again=True)
    book >> inputs.ApprovalAnswered("mcpr_1", True) << answers("mcpr_1", True)
    book << note(notes.ApprovalDone, outcome="approved")
    book >> wait(GRACE_S) << asks_for_an_answer


def test_time_runs_out_while_there_is_no_sideband() -> None:
    book = calling(approval="operator", approval_timeout_s=1)
    book >> request() << note(notes.ApprovalAsked)
    book >> wait(0.5) >> inputs.ModelLost("closed_1006") << reattaches >> wait(1) << nothing
    book >> inputs.ModelOpened() << note(notes.SidebandUp, again=True)
    book >> wait(limits.ROLL_LOOK_S) << answers("mcpr_1", False)
    book << note(notes.ApprovalDone, outcome="timeout") << nothing
