"""Tables and columns are described in the reference."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.ops.database.schema import metadata

PAGE = Path(__file__).parents[3] / "docs/reference/database.md"


def test_every_column_is_described() -> None:
    text = PAGE.read_text("utf-8")
    for table in metadata.sorted_tables:
        section = text.split(f"\n## `{table.name}`\n", 1)[1].split("\n## ", 1)[0]
        described = re.findall(r"^\| `(\w+)` ", section, re.MULTILINE)
        assert described == [column.name for column in table.columns], table.name
