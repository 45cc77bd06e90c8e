"""Errors that the model's server reported, as they print."""

from __future__ import annotations

from gateway.call.events.peer_reports import ModelErrorReported


def test_an_error_prints_without_the_vendor_s_words() -> None:
    """Events are logged as they print, at DEBUG; the words may quote what somebody said."""
    reported = ModelErrorReported("benign", "item_not_found", "no item “Smith speaking”", True)
    printed = "fault='benign', code='item_not_found', refused=True"
    assert repr(reported) == f"ModelErrorReported({printed})"
