"""Text files are bounded and UTF-8, and what is wrong with one is said with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import AgentFileError, PriceFileError
from gateway.text_file import read_text


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file.yaml"


def test_the_largest_file_is_read(file: Path) -> None:
    file.write_bytes("# أهلا\n".encode())
    size = file.stat().st_size
    assert read_text(file, size, AgentFileError) == "# أهلا\n"
    with pytest.raises(PriceFileError, match=f"is larger than {size - 1} bytes"):
        read_text(file, size - 1, PriceFileError)


def test_what_is_not_utf_8_is_told_with_its_line(file: Path) -> None:
    file.write_bytes(b"agents:\n  desk:\n    name: \xff\n")
    with pytest.raises(AgentFileError, match=r"file\.yaml:3: is not UTF-8"):
        read_text(file, 100, AgentFileError)


@pytest.mark.parametrize(("drop", "text"), [(True, "<Response/>"), (False, "\ufeff<Response/>")])
def test_a_byte_order_mark_is_dropped_where_it_may_stand(file: Path, drop: bool, text: str) -> None:
    file.write_text("<Response/>", "utf-8-sig")
    assert read_text(file, 100, AgentFileError, byte_order_mark=drop) == text


def test_a_file_that_cannot_be_read_is_told_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(AgentFileError, match="cannot be read: Is a directory"):
        read_text(tmp_path, 100, AgentFileError)
    with pytest.raises(AgentFileError, match="cannot be read: No such file"):
        read_text(tmp_path / "none", 100, AgentFileError)
