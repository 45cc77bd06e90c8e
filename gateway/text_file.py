"""Text files of the operator: bounded, and UTF-8."""

from __future__ import annotations

from pathlib import Path

from gateway.errors import FileError


def read_text(
    path: Path, max_bytes: int, error_type: type[FileError], *, byte_order_mark: bool = False
) -> str:
    """Return the text of a file; with `byte_order_mark` it may begin with one, which is dropped.

    Raises `error_type`, with the line where the text is not UTF-8.
    """
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise error_type(path, None, None, f"cannot be read: {error.strerror}") from None
    if len(content) > max_bytes:
        raise error_type(path, None, None, f"is larger than {max_bytes} bytes")
    try:
        return content.decode("utf-8-sig" if byte_order_mark else "utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise error_type(path, line, None, "is not UTF-8") from None
