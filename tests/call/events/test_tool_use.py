"""Requests for approval, as they print."""

from __future__ import annotations

from gateway.call.events.tool_use import ApprovalRequested


def test_a_request_for_approval_prints_without_its_arguments() -> None:
    """Events are logged as they print, at DEBUG."""
    asked = ApprovalRequested("mcpr_1", "crm", "find", '{"name": "Smith"}', 30.0)
    printed = "approval_id='mcpr_1', server='crm', tool='find', wait_s=30.0"
    assert repr(asked) == f"ApprovalRequested({printed})"
