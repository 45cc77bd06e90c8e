"""Log names of faults that keep an MCP server from answering."""

from __future__ import annotations

import pytest

from gateway.tools.mcp_faults import McpStatus, reason


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (caused(ValueError("secret"), caused(KeyError("secret"), OSError("secret"))), "OSError"),
        (ExceptionGroup("secret", [caused(ValueError(), McpStatus(401))]), "http_401"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_the_deepest_cause_is_named_without_its_words(error: Exception, named: str) -> None:
    assert reason(error) == named


def test_a_status_is_named_whatever_came_before() -> None:
    status = McpStatus(503)
    status.__context__ = ValueError()
    assert reason(status) == "http_503"
