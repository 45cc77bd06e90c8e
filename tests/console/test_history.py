"""A history of more pages than are shown on the console, in Chromium."""

from __future__ import annotations

from pathlib import Path

from browser import needs_chromium
from database_end import CALLER, DatabaseEnd, ended_call
from playwright.async_api import expect
from sqlalchemy import Connection
from stage import TOKEN, opened

pytestmark = needs_chromium
COUNT = 1_200


def fill(end: DatabaseEnd, connection: Connection) -> None:
    for number in range(COUNT):
        began = f"2026-09-{1 + number // 1000:02}T{number // 60 % 24:02}:{number % 60:02}:00.000Z"
        record = ended_call(number, began.replace("Z", "+00:00"), agent="front-desk")
        end.history.apply(connection, end.history.ended(record, CALLER).data)


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
