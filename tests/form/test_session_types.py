"""The file that agents are checked against states the types of the installed package."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import session_types


def test_the_file_is_not_stale() -> None:
    """Where it is: `make session-types`, and look at what the vendor changed."""
    assert session_types.TABLE.read_text() == session_types.document()
