"""The text of an agents file."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import limits
from gateway.agents.file.document import agents_text
from gateway.errors import AgentFileError


def test_text_is_utf_8(tmp_path: Path) -> None:
    file = tmp_path / "agents.yaml"
    file.write_text("# أهلا", "utf-8")
    assert agents_text(file) == "# أهلا"
    file.write_bytes(b"one\n\xff\n")
    with pytest.raises(AgentFileError, match=r"agents\.yaml:2: is not UTF-8"):
        agents_text(file)


def test_a_file_without_end_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "agents.yaml"
    file.write_bytes(b"#" * (limits.agents.AGENTS_FILE_MAX_BYTES + 1))
    with pytest.raises(AgentFileError, match="is larger than"):
        agents_text(file)
