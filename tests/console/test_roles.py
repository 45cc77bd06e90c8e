"""The console as a viewer, an operator and an admin have it; filters; history; parked events.

Its pictures are left in out/console.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from browser import Chromium, needs_chromium, photograph
from database_end import CALLER, DatabaseEnd, ended_call
from http_end import HttpEnd, http_end
from playwright.async_api import Page, Route, expect
from sqlalchemy import Connection
from stage import Theatre, opened

from gateway.call import events
from gateway.call.endings import Ending
from gateway.ops.records.record import RecordLine

PICTURES = Path(__file__).parents[2] / "out" / "console"
PAGE = Path(__file__).parents[2] / "gateway/web/browser/page/console.html"
SECRET = "whsec_bmV3IHNlY3JldA=="
ROLES = {role: f"a-token-of-the-{role}s-and-long" for role in ("viewer", "operator", "admin")}
PATIENT = 25_000
WORDS = "My cat is called Socrates."

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="session")]


def fill(end: DatabaseEnd, connection: Connection) -> None:
    """Twelve calls of another month."""
    for number in range(12):
        record = ended_call(
            number,
            f"2026-08-{1 + number:02}T12:00:00.000+00:00",
            agent="archive" if number % 3 == 0 else "front-desk",
            path="sip" if number == 4 else "media-streams",
            ending="media_broken" if number == 5 else "caller_hung_up",
            well=number != 5,
            transcript=[RecordLine(0.0, "caller", WORDS)],
        )
        caller = "+15550999" if number == 6 else CALLER
        end.history.apply(connection, end.history.ended(record, caller).data)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def receiver() -> AsyncIterator[HttpEnd]:
    async with http_end() as end:
        end.answers["/events"] = (410, {}, b"")
        yield end


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def theatre(
    tmp_path_factory: pytest.TempPathFactory, receiver: HttpEnd, chromium: Chromium
) -> AsyncIterator[Theatre]:
    PICTURES.mkdir(parents=True, exist_ok=True)
    folder = tmp_path_factory.mktemp("roles")
    end = DatabaseEnd(folder / "data")
    await end.database.write(lambda connection: None)
    end.database.run(lambda connection: fill(end, connection), writes=True)
    await end.close()
    more = {
        "GATEWAY_TOKENS": ",".join(f"nora-{role}:{role}:{token}" for role, token in ROLES.items()),
        "GATEWAY_EVENTS_URL": f"{receiver.url}/events",
        "GATEWAY_EVENTS_SECRET": SECRET,
    }
    async with opened(folder, chromium, **more) as running:
        yield running


async def entered(theatre: Theatre, role: str, wrong: list[str], width: int = 1440) -> Page:
    page = await theatre.page(width=width)
    await enter(theatre, page, role, wrong)
    return page


async def enter(theatre: Theatre, page: Page, role: str, wrong: list[str]) -> None:
    page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    await theatre.enter(page, ROLES[role])
    await expect(page.locator("#operator")).to_have_text(f"nora-{role}, {role}")


async def test_each_role_sees_what_it_may_do(theatre: Theatre) -> None:
    wrong: list[str] = []
    pages = {role: await entered(theatre, role, wrong) for role in ROLES}
    async with theatre.call() as call_sid:
        for role, page in pages.items():
            await page.locator(f'#live [data-id="{call_sid}"] button').click(timeout=PATIENT)
            await expect(page.locator("#state")).to_have_text("live", timeout=PATIENT)
            for control in ("#actions", "#hangup", "#invite"):
                await expect(page.locator(control)).to_be_visible(visible=role != "viewer")
            await photograph(page, PICTURES / f"live-{role}.png")
    for role, page in pages.items():
        await page.locator('#ended [data-id="CA00000000000000000000000000000003"] button').click()
        await expect(page.locator("#hangup")).to_be_hidden()
        if role == "viewer":
            await expect(page.locator("#transcript-none")).to_have_text("Viewers see no words.")
            assert WORDS not in await page.content()
        else:
            await expect(page.locator("#transcript")).to_contain_text(WORDS)
        await photograph(page, PICTURES / f"ended-{role}.png")
        await page.context.close()
    assert wrong == [], "nothing was asked for that is refused"


async def test_the_list_is_filtered(theatre: Theatre) -> None:
    wrong: list[str] = []
    page = await entered(theatre, "viewer", wrong)
    cards = page.locator("#ended .card")
    await page.get_by_text("Filter", exact=True).click()

    async def shows(count: int, **fields: str) -> None:
        await page.get_by_role("button", name="Clear").click()
        for name, value in fields.items():
            field = page.locator(f"#filter-{name}")
            if name in ("state", "agent", "path", "ending"):
                await field.select_option(value)
            else:
                await field.fill(value)
        await page.get_by_role("button", name="Show", exact=True).click()
        await expect(cards).to_have_count(count)

    august = {"until": "2026-08-31T00:00"}
    await shows(12, **august)
    await shows(4, agent="archive", **august)
    await shows(1, path="sip", **august)
    await shows(1, ending="media_broken")
    await shows(1, caller="+15550999")
    await shows(3, since="2026-08-10T00:00", **august)
    await photograph(page, PICTURES / "filter-1440.png")
    await shows(0, state="live")
    async with theatre.call() as call_sid:
        # A call that begins is asked about: the gateway knows whether it is among them.
        await expect(page.locator(f'#live [data-id="{call_sid}"]')).to_be_visible(timeout=PATIENT)
    await shows(0, caller="+15550998")
    async with (
        page.expect_response("**/api/calls?**", timeout=PATIENT),
        theatre.call() as call_sid,
    ):
        await theatre.rig.note(events.CallerConnected, of=call_sid)
    await expect(page.locator(f'[data-id="{call_sid}"]')).to_have_count(0)
    await page.get_by_role("button", name="Clear").click()
    await expect(
        page.locator('#ended [data-id="CA00000000000000000000000000000003"]')
    ).to_be_visible()
    assert wrong == []
    await page.context.close()


async def test_the_history_is_paged_through(theatre: Theatre) -> None:
    """Pages of five; of ten thousand calls: tests/ops/records/test_history.py."""
    wrong: list[str] = []
    page = await theatre.page()
    await page.add_init_script(_COUNT_FORMATTERS)
    await page.route("**/api/calls?*", smaller)
    await enter(theatre, page, "operator", wrong)
    cards, earlier = page.locator("#ended .card"), page.get_by_role("button", name="Earlier calls")
    await page.get_by_text("Filter", exact=True).click()
    await page.locator("#filter-until").fill("2026-08-31T00:00")
    await page.get_by_role("button", name="Show", exact=True).click()
    await expect(cards).to_have_count(5)
    for count in (10, 12):
        await earlier.click()
        await expect(cards).to_have_count(count)
    await expect(earlier).to_be_hidden()
    await cards.last.click()
    await expect(page.locator("#transcript")).to_contain_text(WORDS)
    formatters = await page.evaluate("formatters")
    assert formatters == 0, "each takes a millisecond, and an event paints hundreds of cards"
    assert wrong == []
    await page.context.close()


async def smaller(route: Route) -> None:
    """Pages of five of what is filtered, and of four of what is not: they can be told apart."""
    asked = route.request.url
    await route.continue_(url=asked.replace("limit=200", f"limit={5 if 'until' in asked else 4}"))


async def test_an_answer_that_is_late_does_not_come_into_another_list(theatre: Theatre) -> None:
    wrong: list[str] = []
    page = await theatre.page()
    let_go = asyncio.Event()

    async def late(route: Route) -> None:
        if "cursor" in route.request.url:
            await let_go.wait()
        await smaller(route)

    await page.route("**/api/calls?*", late)
    await enter(theatre, page, "operator", wrong)
    cards, earlier = page.locator("#ended .card"), page.get_by_role("button", name="Earlier calls")
    await expect(cards).to_have_count(4)
    await page.get_by_text("Filter", exact=True).click()
    await page.locator("#filter-until").fill("2026-08-31T00:00")
    async with page.expect_response("**/api/calls?*cursor*"):
        await earlier.click()
        await page.get_by_role("button", name="Show", exact=True).click()
        await expect(cards).to_have_count(5)
        let_go.set()
    await expect(earlier).to_be_enabled()
    await expect(cards).to_have_count(5)
    for count in (10, 12):
        await earlier.click()
        await expect(cards).to_have_count(count)
    assert wrong == []
    await page.context.close()


_COUNT_FORMATTERS = """
window.formatters = 0;
for (const kind of [Date, Number]) {
  const format = kind.prototype.toLocaleString;
  kind.prototype.toLocaleString = function (...how) {
    formatters++;
    return format.apply(this, how);
  };
}
"""


async def test_parked_events_are_listed_and_sent_again(theatre: Theatre, receiver: HttpEnd) -> None:
    wrong: list[str] = []
    for _ in range(2):
        async with theatre.call() as call_sid:
            await theatre.rig.note(events.CallerConnected, of=call_sid)
    await parked(theatre, 4)
    viewer = await entered(theatre, "viewer", wrong)
    await viewer.get_by_role("button", name="Events").click()
    listed = viewer.locator("#deliveries-list li")
    await expect(listed.filter(has_text="call.started").first).to_be_visible()
    await expect(listed.first).to_contain_text("the receiver answered 410")
    await expect(viewer.get_by_role("button", name="again")).to_have_count(0)
    await viewer.context.close()
    page = await entered(theatre, "operator", wrong, width=390)
    await page.get_by_role("button", name="Events").click()
    listed = page.locator("#deliveries-list li")
    await expect(listed.first).to_be_visible()
    await photograph(page, PICTURES / "events-390.png")
    receiver.answers.clear()
    before, count = len(receiver.seen), await listed.count()
    await listed.first.get_by_role("button").click()
    await expect(listed).to_have_count(count - 1)
    await page.get_by_role("button", name="Send all of these again").click()
    await expect(listed).to_have_count(0)
    async with asyncio.timeout(30):
        while len(receiver.seen) < before + count:  # noqa: ASYNC110 - the far end does not say
            await asyncio.sleep(0.05)
    assert wrong == []
    await page.context.close()


async def parked(theatre: Theatre, least: int) -> None:
    """Wait for so many events of which the receiver wants to hear no more."""
    headers = {"Authorization": f"Bearer {ROLES['viewer']}"}
    async with asyncio.timeout(30):
        while True:
            answer = await theatre.rig.client.get("/api/deliveries?state=parked", headers=headers)
            if len(answer.json()["deliveries"]) >= least:
                return
            await asyncio.sleep(0.05)


async def test_every_ending_can_be_chosen() -> None:
    page = PAGE.read_text("utf-8")
    assert [one for one in Ending if f'<option value="{one.value}">' not in page] == []
