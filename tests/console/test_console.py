"""The console in Chromium, before calls that really run. Its pictures are left in out/console."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from browser import Chromium, needs_chromium, photograph
from PIL import Image
from playwright.async_api import Page, Route, expect
from running_gateway import PUBLIC_URL
from stage import TOKEN, Theatre, opened

from gateway.call import events
from gateway.call.endings import Ending
from gateway.web.browser.console import HEADERS

PICTURES = Path(__file__).parents[2] / "out" / "console"
SIZES = [(1440, 900), (390, 844)]
SCHEMES = ["light", "dark"]
PATIENT = 25_000
"""Milliseconds for a call to get on, on a busy machine."""

pytestmark = [
    needs_chromium,
    pytest.mark.asyncio(loop_scope="session"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("console")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def theatre(folder: Path, chromium: Chromium) -> AsyncIterator[Theatre]:
    PICTURES.mkdir(parents=True, exist_ok=True)
    async with opened(folder, chromium) as running:
        yield running


async def watched(theatre: Theatre, **view: Any) -> tuple[Page, list[str]]:
    """A page, and whatever went wrong in it: an error, or a request to anywhere else."""
    page = await theatre.page(**view)
    wrong: list[str] = []
    page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request",
        lambda r: None if r.url.startswith((theatre.rig.url, "data:")) else wrong.append(r.url),
    )
    return page, wrong


async def test_only_who_has_the_token_comes_in(theatre: Theatre) -> None:
    page, wrong = await watched(theatre)
    await theatre.enter(page, "another")
    await expect(page.get_by_role("alert")).to_have_text("This is not the token.")
    assert all("401" in text for text in wrong)
    await photograph(page, PICTURES / "sign-in-1440-light.png")
    await page.get_by_label("Token").fill(TOKEN)
    await page.keyboard.press("Enter")
    await expect(page.locator("#link")).to_have_text("connected")
    assert TOKEN not in page.url
    assert await page.evaluate("sessionStorage.getItem('token')") == TOKEN
    await page.reload()
    await expect(page.locator("#link")).to_have_text("connected")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_label("Token")).to_be_focused()
    assert await page.evaluate("sessionStorage.length") == 0
    await page.context.close()


async def test_a_console_in_which_nothing_happens_lets_the_machine_rest(theatre: Theatre) -> None:
    page, _ = await watched(theatre, moves=True)
    await page.clock.install()
    await theatre.enter(page)
    await expect(page.locator("#link")).to_have_text("connected")
    await page.clock.run_for(1000)
    await page.evaluate(_COUNT_FRAMES)
    await page.clock.run_for(10_000)
    assert await page.evaluate("frames_asked") == 0
    async with theatre.call():
        await expect(page.locator("#live li")).to_have_count(1, timeout=PATIENT)
        await page.clock.run_for(1000)
        assert await page.evaluate("frames_asked") > 10, "a call moves"
    await page.context.close()


_COUNT_FRAMES = """() => {
  window.frames_asked = 0;
  const ask = window.requestAnimationFrame;
  window.requestAnimationFrame = (paint) => { frames_asked++; return ask(paint); };
}"""


async def test_the_page_may_do_nothing_but_what_it_does(theatre: Theatre) -> None:
    for path in (
        "/console",
        "/console/console.css",
        "/console/console.js",
        "/console/deliveries.js",
        "/console/filters.js",
        "/console/recording.js",
    ):
        response = await theatre.rig.client.get(path)
        assert response.status_code == 200
        for name, value in HEADERS.items():
            assert response.headers[name] == value
        assert "://" not in response.text, "an address of somebody else's"
    policy = HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


async def shown_in_each_way(page: Page) -> AsyncIterator[str]:
    """The page in each size and each scheme; their names."""
    for width, height in SIZES:
        await page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            yield f"{width}-{scheme}"


async def test_a_call_is_seen_as_it_happens(theatre: Theatre) -> None:
    """Who speaks, what was said, how long the caller waited, in each size and scheme."""
    page, wrong = await watched(theatre, moves=True)
    await theatre.enter(page)
    async with theatre.call() as call_sid:
        live = page.locator(f'#live [data-id="{call_sid}"] button')
        await expect(live).to_be_visible(timeout=PATIENT)
        await page.evaluate(_WATCH_FLOOR)
        await live.click()
        await expect(page.locator("#who")).to_have_text("front-desk")
        before = await _ink(page)
        async with theatre.call("+15550101") as another:
            await expect(page.locator(f'#live [data-id="{another}"] button')).to_be_visible()
            await expect(page.locator("#live li")).to_have_count(2)
        await expect(page.locator("#turns li")).to_have_count(2, timeout=PATIENT)
        await expect(page.locator("#transcript .caller")).not_to_have_count(0)
        seen = set(await page.evaluate("seen"))
        assert {"Nobody speaks", "The agent speaks", "The caller speaks"} <= seen
        assert await _ink(page) != before, "the picture moves"
        arabic = page.locator("#transcript p", has_text="نعم")
        await expect(arabic).to_be_visible(timeout=PATIENT)
        direction = "e => [getComputedStyle(e).direction, getComputedStyle(e).textAlign]"
        assert await arabic.evaluate(direction) == ["rtl", "start"]
        async for way in shown_in_each_way(page):
            await photograph(page, PICTURES / f"call-{way}.png", full_page=True)
            wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, "nothing stands out to the side"
    await expect(page.locator("#state")).not_to_have_text("live", timeout=PATIENT)
    await expect(page.locator("#actions")).to_be_hidden()
    await expect(page.locator("#transcript li").first).to_be_visible()
    await photograph(page, PICTURES / "ended-390-dark.png")
    assert wrong == []
    await page.context.close()


async def test_a_call_of_which_only_a_part_is_known_is_not_shown(theatre: Theatre) -> None:
    """An event can come before the list, or for a call that the gateway has forgotten."""
    summary = {"id": "CA1", "agent": "front-desk", "state": "talking", "path": "media"}
    summary |= {"direction": "inbound", "caller": "+4930901820", "dialled": "+15550100"}
    summary |= {"model": "gpt-realtime", "began_at": "2026-11-02T09:00:00Z", "arrived_s": 0.0}
    summary |= {"barge_ins": 0, "tokens": 0, "cost_usd": None}
    spoke = {"call": "CA1", "part": "timeline", "value": {"who": "model", "from_s": 1, "to_s": 2}}
    streams = [[spoke], [{"call": "CA1", "part": "summary", "value": summary}], [spoke], [spoke]]
    tried, chosen = 0, asyncio.Event()

    async def stream(route: Route) -> None:
        nonlocal tried
        told, tried = streams[min(tried, len(streams) - 1)], tried + 1
        if tried == len(streams) - 1:
            await chosen.wait()  # it takes the card away, which is chosen before
        body = "".join(f"data: {json.dumps(one)}\n\n" for one in told)
        await route.fulfill(body=body, content_type="text/event-stream")

    page, wrong = await watched(theatre)
    await page.route("**/api/events", stream)
    await theatre.enter(page)
    card = page.locator('#live [data-id="CA1"] button')
    await expect(page.locator("#link")).to_have_text("connection lost")
    await expect(card).to_have_count(0)
    await card.click(timeout=PATIENT)  # with the second try
    await expect(page.locator("#who")).to_have_text("front-desk")
    chosen.set()
    await expect(card).to_have_count(0, timeout=PATIENT)  # with the third
    await expect(page.locator("#nothing")).to_be_visible()
    while tried < len(streams):
        await page.wait_for_event("response", lambda answer: "/api/events" in answer.url)
    assert [text for text in wrong if "404" not in text] == []
    await page.context.close()


_WATCH_FLOOR = """() => {
  window.seen = [];
  const floor = document.getElementById('floor');
  new MutationObserver(() => seen.push(floor.textContent))
    .observe(floor, { childList: true, characterData: true, subtree: true });
}"""


async def _ink(page: Page) -> str:
    return str(await page.evaluate("document.getElementById('score').toDataURL()"))


async def test_an_operator_acts(theatre: Theatre) -> None:
    """By keyboard: a line, a picture, a number that is none, and the end."""
    quiet = [
        {"hear": {"until_silence_ms": 400}},
        {"hear": {"until_silence_ms": 30_000, "timeout_s": 60}},
    ]
    page, wrong = await watched(theatre)
    await theatre.enter(page)
    await expect(page.locator("#link")).to_have_text("connected")
    async with theatre.call(steps=quiet) as call_sid:
        card = page.locator(f'#live [data-id="{call_sid}"] button')
        await card.focus(timeout=PATIENT)
        await page.keyboard.press("Enter")
        await expect(page.locator("#state")).to_have_text("live", timeout=PATIENT)
        await page.get_by_label("Have the agent say a line").fill("The office is closed today.")
        await page.keyboard.press("Enter")
        await expect(page.locator("#status")).to_have_text("The agent says it next.")
        said = page.locator("#transcript .model", has_text="The office is closed today.")
        await expect(said).to_be_visible(timeout=PATIENT)

        buffer = io.BytesIO()
        Image.new("RGB", (64, 48), "teal").save(buffer, "PNG")
        picture = {"name": "part.png", "mimeType": "image/png", "buffer": buffer.getvalue()}
        await page.get_by_label("Show the agent a picture").set_input_files([picture])  # type: ignore[list-item]
        await page.get_by_role("button", name="Show", exact=True).click()
        await expect(page.locator("#status")).to_have_text("The agent looks at it.")

        await page.get_by_label("Transfer to").fill("nobody")
        await page.keyboard.press("Enter")
        await expect(page.locator("#status")).to_contain_text("manager")
        assert await page.locator("#targets option").get_attribute("value") == "manager"

        await page.get_by_role("button", name="Hang up").click()
        await photograph(page, PICTURES / "hang-up-1440-light.png")
        await page.keyboard.press("Escape")
        await expect(page.locator("#state")).to_have_text("live")
        await page.get_by_role("button", name="Hang up").click()
        await page.get_by_role("dialog").get_by_role("button", name="Hang up").click()
        await expect(page.locator("#state")).to_have_text("operator hung up", timeout=PATIENT)
        ended = theatre.rig.said(events.CallEnded)[-1]
        assert ended.ending is Ending.OPERATOR_HUNG_UP
    assert all("422" in text for text in wrong), wrong
    await page.keyboard.press("Escape")
    await expect(page.locator("#nothing")).to_be_visible()
    await page.context.close()


QUIET = [
    {"hear": {"until_silence_ms": 400}},
    {"hear": {"until_silence_ms": 30_000, "timeout_s": 60}},
]
SMITH = '{"name": "Smith <b>", "day": "2026-11-30"}'


async def test_an_operator_allows_one_tool_and_not_another(theatre: Theatre) -> None:
    """By keyboard the first, by hand the second; on a telephone it fits as well."""
    page, wrong = await watched(theatre)
    small, _ = await watched(theatre, width=390, height=844, scheme="dark")
    for one in (page, small):
        await theatre.enter(one)
        await expect(one.locator("#link")).to_have_text("connected")
    async with theatre.call("+15550102", steps=QUIET) as call_sid:
        await page.locator(f'#live [data-id="{call_sid}"] button').click(timeout=PATIENT)
        await expect(page.locator("#state")).to_have_text("live", timeout=PATIENT)
        region = page.get_by_role("region", name="Tool approvals")
        await expect(region).to_be_hidden()
        await theatre.rig.note(events.FirstAudioSent, of=call_sid)
        theatre.request_approval("mcpr_1", "cancel_appointment", SMITH)
        await expect(region).to_be_visible()
        await expect(region).to_contain_text("cancel_appointment of diary")
        await expect(region.locator("pre")).to_have_text(re.compile(r'"Smith <b>"'))
        await expect(region.locator(".left")).to_have_text(re.compile(r"^(2\d|30) s left"))
        card = page.locator(f'#live [data-id="{call_sid}"]')
        await expect(card).to_contain_text("Tool approval pending")
        await small.locator(f'#live [data-id="{call_sid}"] button').click()
        await expect(small.get_by_role("button", name="Approve")).to_be_visible()
        wide = await small.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, "nothing stands out to the side"
        for one, name in ((page, "1440-light"), (small, "390-dark")):
            await photograph(one, PICTURES / f"approval-{name}.png", full_page=True)
            assert await one.evaluate(_CONTRAST) == []
        theatre.request_approval("mcpr_2", "move_appointment", "no json")
        await expect(region.get_by_role("group")).to_have_count(2)

        await region.get_by_role("button", name="Approve").first.focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("#status")).to_have_text("Approved.")
        await expect(region.get_by_role("group")).to_have_count(1)
        await expect(region.get_by_role("button", name="Approve")).to_be_focused()
        await region.get_by_role("button", name="Deny").click()
        await expect(region).to_be_hidden()
        await expect(small.get_by_role("button", name="Approve")).to_be_hidden()
        answers = theatre.rig.said(events.ApprovalResolved, call_sid)
        assert [(one.approval_id, one.outcome) for one in answers] == [
            ("mcpr_1", "approved"),
            ("mcpr_2", "denied"),
        ]
    assert wrong == []
    await page.context.close()
    await small.context.close()


async def test_an_operator_makes_a_link_to_call_by(theatre: Theatre) -> None:
    page, wrong = await watched(theatre)
    await theatre.enter(page)
    await page.get_by_role("button", name="Phone").click()
    await page.locator("#phone-agent").select_option("arabic-desk")
    await page.get_by_label("Works for").select_option("a day")
    await page.get_by_role("button", name="Make a link").click()
    await expect(page.locator("#phone-status")).to_contain_text("It works until")
    url = await page.get_by_label("Link").input_value()
    assert url.startswith(f"{PUBLIC_URL}/phone#")
    assert await page.get_by_role("link", name="Open").get_attribute("href") == url
    await photograph(page, PICTURES / "link.png")
    await page.locator("#phone-agent").select_option("clinic")
    await expect(page.get_by_role("link", name="Open")).to_be_hidden()
    await page.get_by_role("button", name="Close").click()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("button", name="Phone")).to_be_hidden()
    assert wrong == []
    await page.context.close()


async def test_agents_that_become_known_late_are_offered_all_the_same(theatre: Theatre) -> None:
    page, _ = await watched(theatre)
    answered, asked = asyncio.Event(), 0

    async def late(route: Route) -> None:
        nonlocal asked
        asked += 1
        if asked > 1:  # the first looks whether the token is right
            await answered.wait()
        await route.continue_()

    await page.route("**/api/agents", late)
    await theatre.enter(page)
    await page.get_by_role("button", name="Phone").click()
    await expect(page.locator("#phone-agent option")).to_have_count(0)
    answered.set()
    await page.locator("#phone-agent").select_option("clinic")
    await page.context.close()


async def test_arrows_need_no_first_focus_and_the_call_sid_is_copied(theatre: Theatre) -> None:
    page, _ = await watched(theatre)
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await theatre.enter(page)
    first = page.locator(".card").first
    await expect(first).to_be_visible()
    await page.evaluate("document.activeElement.blur()")
    await page.keyboard.press("ArrowDown")
    await expect(first).to_be_focused()
    await page.keyboard.press("Enter")
    await page.locator("#sid").click()
    await expect(page.locator("#sid-copied")).to_have_text("Copied.")
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied == await page.locator("#sid").text_content()
    await page.context.close()


async def test_everything_has_a_name_and_can_be_reached(theatre: Theatre) -> None:
    page, _ = await watched(theatre, width=390, height=844)
    await theatre.enter(page)
    await expect(page.locator("#ended button").first).to_be_visible()
    await page.locator("#ended button").first.click()
    await expect(page.locator("#call")).to_be_focused()
    nameless = await page.evaluate(
        """() => [...document.querySelectorAll('button, input, textarea, canvas, section, nav')]
          .filter((e) => e.checkVisibility() && !(e.labels?.length || e.textContent.trim()
            || e.getAttribute('aria-label') || e.getAttribute('aria-labelledby')
            || e.getAttribute('aria-hidden')))
          .map((e) => e.outerHTML)"""
    )
    assert nameless == []
    small = await page.evaluate(
        """() => [...document.querySelectorAll('button')].filter((e) => e.checkVisibility())
          .filter((e) => e.getBoundingClientRect().height < 36).map((e) => e.textContent)"""
    )
    assert small == []
    await page.get_by_role("button", name="Calls").click()
    await expect(page.locator("#calls")).to_be_visible()
    await page.context.close()


async def test_text_can_be_read(theatre: Theatre) -> None:
    """WCAG 2.2 AA: 4.5 to 1 between each text and what it stands on."""
    page, _ = await watched(theatre)
    await theatre.enter(page)
    await page.locator("#ended button").first.click()
    async for way in shown_in_each_way(page):
        assert await page.evaluate(_CONTRAST) == [], way
    await page.context.close()


_CONTRAST = """() => {
  const pen = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const rgb = (colour) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = colour;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b]
    .map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (e) => {
    for (; e; e = e.parentElement) {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  return [...document.querySelectorAll('body *')]
    .filter((e) => e.checkVisibility() && !e.classList.contains('unseen')
      && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .map((e) => {
      const [a, b] = [light(rgb(getComputedStyle(e).color)), light(ground(e))];
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.outerHTML.slice(0, 80)];
    })
    .filter(([ratio]) => ratio < 4.5);
}"""


async def test_a_recording_is_heard_beside_its_words(theatre: Theatre) -> None:
    """Its waveform, what is missing of it, and words that lead to their moment."""
    page, wrong = await watched(theatre)
    await theatre.enter(page)
    rig = theatre.rig
    told = len(rig.said(events.RecordingStarted)) + 1
    steps = [
        {"hear": {"until_silence_ms": 500, "at_least_ms": 1500}},
        {"say": "When are you open?"},
        {"hear": {"until_silence_ms": 400}},
        "hang_up",
    ]
    async with theatre.call("+15550103", steps=steps) as call_sid:
        await page.locator(".card").filter(has_text="archive").first.click(timeout=PATIENT)
        await rig.note(events.RecordingStarted, told)
        await page.get_by_role("button", name="Pause the recording").click()
        await expect(page.locator("#status")).to_have_text("Nothing is recorded now.")
        await rig.note(events.TurnMeasured, of=call_sid)
        await page.get_by_role("button", name="Resume it").click()
        await expect(page.locator("#status")).to_have_text("The call is recorded again.")
        await rig.note(events.CallEnded, of=call_sid)
    player = page.get_by_role("region", name="Recording", exact=True)
    await expect(player).to_be_visible(timeout=PATIENT)
    await expect(page.locator("#recording-status")).to_contain_text("Not recorded: paused from")
    await expect(page.get_by_role("slider")).to_have_attribute(
        "aria-valuetext", re.compile("0:00 of")
    )
    last = page.locator("#transcript li").last
    await last.click()
    await expect(page.get_by_role("slider")).not_to_have_attribute("aria-valuenow", "0")
    await page.get_by_role("button", name="Pause", exact=True).click()
    at = int(await page.get_by_role("slider").get_attribute("aria-valuenow") or 0)
    await page.get_by_role("slider").focus()
    await page.keyboard.press("ArrowLeft")
    await expect(page.get_by_role("slider")).not_to_have_attribute("aria-valuenow", str(at))
    async for way in shown_in_each_way(page):
        await page.locator("#recording").scroll_into_view_if_needed()
        await photograph(page, PICTURES / f"recording-{way}.png")
    assert [text for text in wrong if not text.startswith("blob:")] == []
    await page.context.close()
