"""Requests for approval, until somebody decides, and how the last ones were decided."""

from __future__ import annotations

from gateway import limits
from gateway.agents.config.tool_options import ToolOptions
from gateway.call.tools.pending_approvals import PendingApproval, PendingApprovals


def request(
    approval_id: str, *, call_id: str | None = None, wait_s: float = 30.0
) -> PendingApproval:
    return PendingApproval(
        "refund", ToolOptions(hold=True), 0.0, "shop", approval_id, wait_s, lambda *_: None, call_id
    )


def test_a_request_waits_so_long_and_is_then_overdue() -> None:
    approvals, one = PendingApprovals(), request("a", wait_s=30.0)
    approvals.ask(one, 100.0)
    assert approvals.state("a") == "waiting"
    assert one.until == 130.0
    assert approvals.overdue(129.9) == []
    assert approvals.overdue(130.0) == [one]


def test_an_answer_is_remembered() -> None:
    approvals, one = PendingApprovals(), request("a")
    approvals.ask(one, 100.0)
    approvals.answer(one, "approved")
    assert approvals.state("a") == "approved"
    assert approvals.waiting == {}
    assert approvals.overdue(1e9) == []


def test_one_that_never_waited_may_be_answered_too() -> None:
    approvals = PendingApprovals()
    approvals.answer(request("a"), "denied")
    assert approvals.state("a") == "denied"
    assert approvals.state("b") is None


def test_only_the_newest_answers_are_kept() -> None:
    approvals = PendingApprovals()
    for nth in range(limits.tools.APPROVALS_KEPT_MAX + 1):
        approvals.answer(request(f"{nth}"), "approved")
    assert approvals.state("0") is None
    assert approvals.state("1") == "approved"


def test_requests_by_what_they_hold_back() -> None:
    approvals = PendingApprovals()
    ours, theirs = request("a", call_id="call_1"), request("b")
    for one in (ours, theirs):
        approvals.ask(one, 0.0)
    assert approvals.of("call_1") == [ours]
    assert approvals.of(None) == [theirs]
    assert approvals.of("call_2") == []


def test_the_caller_hears_of_it_again_and_again() -> None:
    approvals, one = PendingApprovals(), request("a", wait_s=600.0)
    assert approvals.due() is None
    approvals.ask(one, 0.0)
    first = one.fill_at
    assert approvals.due() == first < one.until
    assert not approvals.holding
    assert not approvals.filler(first - 0.1, quiet=True)
    assert approvals.filler(first, quiet=True)
    assert approvals.holding
    again = first + limits.tools.APPROVAL_FILLER_EVERY_S
    assert approvals.due() == again
    assert approvals.filler(again, quiet=True)


def test_what_comes_first_is_due_first() -> None:
    approvals, short = PendingApprovals(), request("a", wait_s=0.5)
    approvals.ask(short, 0.0)
    assert approvals.due() == short.until == 0.5
