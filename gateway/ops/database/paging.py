"""Pages of a query, with a look at whether anything follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row, Select


def page_of(
    connection: Connection, query: Select[Any], most: int
) -> tuple[Sequence[Row[Any]], Row[Any] | None]:
    """Return the first rows of a query, and the last of them where others follow."""
    # One more than is shown says whether there is a next page.
    rows = connection.execute(query.limit(most + 1)).all()
    return rows[:most], rows[most - 1] if len(rows) > most else None
