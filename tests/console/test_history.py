"""Ten thousand records in the history of the console, in Chromium."""

from __future__ import annotations

from pathlib import Path

from browser import needs_chromium
from database_end import CALLER, DatabaseEnd, ended_call
from playwright.async_api import expect
from sqlalchemy import Connection, insert, select
from stage import TOKEN, opened

from gateway.ops.database.schema import calls

pytestmark = needs_chromium
OPENED, COUNT = 700, 10_000
"""Calls that the pages of this test show, and all that there are."""
_MINUTE_US = 60_000_000


def fill(end: DatabaseEnd, connection: Connection) -> None:
    """Write calls, the newest first; those that are never opened are copies of one row."""
    for number in range(OPENED):
        began = f"2026-09-30T{23 - number // 60:02}:{59 - number % 60:02}:00.000+00:00"
        record = ended_call(number, began, agent="front-desk")
        end.history.apply(connection, end.history.ended(record, CALLER).data)
    oldest = select(calls).order_by(calls.c.began_at).limit(1)
    row = dict(connection.execute(oldest).mappings().one())
    copies = [
        row
        | {
            "id": f"CA{number:032}",
            "began_at": row["began_at"] - (number - OPENED + 1) * _MINUTE_US,
            "ended_at": row["ended_at"] - (number - OPENED + 1) * _MINUTE_US,
        }
        for number in range(OPENED, COUNT)
    ]
    connection.execute(insert(calls), copies)


async def test_the_history_is_paged_through(tmp_path: Path) -> None:
    end = DatabaseEnd(tmp_path / "data")
    await end.database.write(lambda connection: None)
    end.database.run(lambda connection: fill(end, connection), writes=True)
    await end.close()
    async with opened(tmp_path) as theatre:
        page = await theatre.page()
        await theatre.enter(page, TOKEN)
        cards = page.locator("#ended .card")
        await expect(cards).to_have_count(200, timeout=30_000)
        for shown in (400, 600):
            await page.get_by_role("button", name="Earlier calls").click()
            await expect(cards).to_have_count(shown, timeout=30_000)
        await cards.last.click()
        await expect(page.locator("#who")).to_have_text("front-desk")
