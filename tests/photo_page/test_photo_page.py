"""The page of a texted link in Chromium, during calls that really run.

Its pictures are left in out/photo-page.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from browser import Chromium, needs_chromium, photograph
from pictures import GPS_INFO, PDF, photo
from pictures import opened as picture_of
from playwright.async_api import Route, expect
from studio import Studio, opened

from gateway import limits
from gateway.agents.texts.written import written_texts
from gateway.call import events

PICTURES = Path(__file__).parents[2] / "out" / "photo-page"
LANGUAGES = ["en", "ar", "fr"]

pytestmark = [
    needs_chromium,
    pytest.mark.asyncio(loop_scope="session"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def studio(
    tmp_path_factory: pytest.TempPathFactory, chromium: Chromium
) -> AsyncIterator[Studio]:
    PICTURES.mkdir(parents=True, exist_ok=True)
    async with opened(tmp_path_factory.mktemp("photo-page"), chromium) as running:
        yield running


def file(content: bytes, kind: str = "image/jpeg") -> list[dict[str, object]]:
    return [{"name": "photo", "mimeType": kind, "buffer": content}]


def shown(studio: Studio, call_sid: str, source: str) -> int:
    found = studio.rig.said(events.PictureSent, call_sid)
    return sum(n.source == source and n.outcome == "shown" for n in found)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_photo_is_chosen_and_seen(studio: Studio, language: str) -> None:
    words = written_texts(language)
    async with studio.visit(language) as visit:
        page = visit.page
        await expect(page).to_have_title(words.title)
        await photograph(page, PICTURES / f"page-{language}.png")
        await page.get_by_label(words.take).set_input_files(file(photo(2400, 1800)))  # type: ignore[arg-type]
        await expect(page.locator("#status")).to_have_text(words.sent)
        await expect(page.locator("#picture")).to_be_visible()
        assert shown(studio, visit.stream.call_sid, "page") == 1
        await page.emulate_media(color_scheme="dark")
        await photograph(page, PICTURES / f"sent-{language}-dark.png")
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, "nothing stands out to the side"
        assert await page.evaluate("document.dir") == words.direction
    assert visit.wrong == []


async def test_the_photo_is_small_before_it_travels_and_tells_no_place(studio: Studio) -> None:
    async with studio.visit() as visit:
        async with visit.page.expect_request(lambda r: r.method == "POST") as posted:
            await visit.page.locator("#choose").set_input_files(file(photo(4000, 3000)))  # type: ignore[arg-type]
        request = await posted.value
        await expect(visit.page.locator("#status")).to_have_text(written_texts("en").sent)
        sent = request.post_data_buffer
        if sent is not None:  # Chromium does not always give a blob's bytes away
            assert b"Exif" not in sent
            assert len(sent) < 1 << 20
        assert "referer" not in await request.all_headers()
        pictures = studio.pictures()
    seen = picture_of(pictures[-1]["image_url"])
    assert seen.size == (768, 1024), "turned upright"
    assert not seen.getexif().get_ifd(GPS_INFO)


_NEVER_BEGINS = """() => {
  HTMLMediaElement.prototype.play = () => new Promise((_, refuse) => {
    document.body.dataset.begins = "";
    window.interrupt = () => refuse(new DOMException("interrupted", "AbortError"));
  });
}"""


async def test_a_camera_that_is_let_go_before_it_begins_shows_nothing(studio: Studio) -> None:
    async with studio.visit() as visit:
        page, show = visit.page, visit.page.locator("#show")
        await page.evaluate(_NEVER_BEGINS)
        await show.focus()
        await page.keyboard.down(" ")
        await expect(page.locator("body[data-begins]")).to_be_attached()
        await page.keyboard.up(" ")
        await page.evaluate("() => window.interrupt()")
        await expect(page.locator("#status")).to_have_text(written_texts("en").camera_off)
        await expect(show).to_have_attribute("aria-pressed", "false")
        assert shown(studio, visit.stream.call_sid, "camera") == 0
        assert visit.wrong == []


async def test_the_camera_is_seen_as_long_as_the_button_is_held(studio: Studio) -> None:
    words = written_texts("en")
    async with studio.visit() as visit:
        page, call_sid = visit.page, visit.stream.call_sid
        show = page.locator("#show")
        box = await show.bounding_box()
        assert box is not None
        await page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        await page.mouse.down()
        await expect(show).to_have_attribute("aria-pressed", "true")
        await studio.rig.until(lambda: shown(studio, call_sid, "camera") >= 3)
        await expect(page.locator("#status")).to_have_text(words.camera_on)
        await photograph(page, PICTURES / "camera-en-light.png")
        moved = await show.bounding_box()
        assert moved is not None
        assert abs(moved["y"] - box["y"]) < 2, "the button stays under the finger"
        await page.mouse.up()
        await expect(show).to_have_attribute("aria-pressed", "false")
        await expect(page.locator("#status")).to_have_text(words.camera_off)
        assert await page.evaluate("document.getElementById('camera').srcObject") is None
        pictures = studio.pictures()
        assert len(pictures) == 1, "the newest took the place of the others"
        assert max(picture_of(pictures[0]["image_url"]).size) <= limits.images.CAMERA_SIDE_MAX_PX

        before = shown(studio, call_sid, "camera")
        await show.focus()
        await page.keyboard.down(" ")
        await studio.rig.until(lambda: shown(studio, call_sid, "camera") > before)
        await page.keyboard.up(" ")
        await expect(show).to_have_attribute("aria-pressed", "false")
    assert visit.wrong == []
    assert studio.model.journal.of("violation") == []


async def test_a_button_that_is_pressed_again_at_once_sends_no_faster(studio: Studio) -> None:
    async with studio.visit() as visit:
        page, call_sid = visit.page, visit.stream.call_sid
        show = page.locator("#show")
        await show.focus()
        for _ in range(4):  # released while a frame is on its way
            await page.keyboard.down(" ")
            await expect(show).to_have_attribute("aria-pressed", "true")
            await page.keyboard.up(" ")
        await page.keyboard.down(" ")
        before = shown(studio, call_sid, "camera")
        await studio.rig.until(lambda: shown(studio, call_sid, "camera") >= before + 2)
        await page.keyboard.up(" ")
        await expect(show).to_have_attribute("aria-pressed", "false")
    assert visit.wrong == [], "one frame at a time, whatever the finger does"


async def test_what_cannot_be_seen_is_said(studio: Studio) -> None:
    async with studio.visit("fr") as visit:
        await visit.page.locator("#choose").set_input_files(file(PDF, "image/png"))  # type: ignore[arg-type]
        await expect(visit.page.locator("#status")).to_have_text(written_texts("fr").not_a_picture)
        await visit.page.locator("#choose").set_input_files(file(photo()))  # type: ignore[arg-type]
        await expect(visit.page.locator("#status")).to_have_text(written_texts("fr").sent)
    assert all("422" in text for text in visit.wrong)


async def test_a_line_that_breaks_and_is_taken_up_again_is_not_the_end(studio: Studio) -> None:
    async with studio.visit() as visit:
        page, answered = visit.page, 0

        async def gone_once(route: Route) -> None:
            nonlocal answered
            answered += 1
            if answered == 1:
                await route.fulfill(status=410)
            else:
                await route.continue_()

        await page.route("**/photo/*", gone_once)
        await page.locator("#choose").set_input_files(file(photo()))  # type: ignore[arg-type]
        await expect(page.locator("#status")).to_have_text(written_texts("en").failed)
        await page.locator("#choose").set_input_files(file(photo()))  # type: ignore[arg-type]
        await expect(page.locator("#status")).to_have_text(written_texts("en").sent)


async def test_the_page_says_kindly_that_it_is_over(studio: Studio) -> None:
    words = written_texts("ar")
    async with studio.visit("ar") as visit:
        page = visit.page
        await visit.stream.stop()
        await studio.rig.note(events.CallEnded, of=visit.stream.call_sid)
        await page.locator("#choose").set_input_files(file(photo()))  # type: ignore[arg-type]
        await expect(page.locator("#title")).to_have_text(words.over_title)
        await expect(page.locator("#status")).to_have_text(words.over)
        await expect(page.locator("#title")).to_be_focused()
        await expect(page.locator("#actions")).to_be_hidden()
        await page.goto(visit.url)
        await expect(page).to_have_title(words.over_title)
        await photograph(page, PICTURES / "over-ar.png")
    assert all("410" in text for text in visit.wrong)


async def test_everything_has_a_name_and_is_large_enough_for_a_thumb(studio: Studio) -> None:
    async with studio.visit() as visit:
        page = visit.page
        for name in (written_texts("en").take, written_texts("en").choose):
            await expect(page.get_by_label(name)).to_have_attribute("type", "file")
        assert await page.locator("#take").get_attribute("capture") == "environment"
        await expect(page.locator("#status")).to_have_attribute("aria-live", "polite")
        small = await page.evaluate(
            "[...document.querySelectorAll('.action')].filter((e) => "
            "e.getBoundingClientRect().height < 48).map((e) => e.textContent)"
        )
        assert small == []
        order = []
        for _ in range(3):
            await page.keyboard.press("Tab")
            order.append(await page.evaluate("document.activeElement.id"))
        assert order == ["take", "choose", "show"]


_NOT_ALLOWED = """() => {
  navigator.mediaDevices.getUserMedia = async () => {
    throw new DOMException("Permission denied", "NotAllowedError");
  };
}"""


async def test_without_a_camera_there_is_the_photo(studio: Studio) -> None:
    async with studio.visit() as visit:
        await visit.page.evaluate(_NOT_ALLOWED)
        await visit.page.locator("#show").focus()
        await visit.page.keyboard.down(" ")
        await expect(visit.page.locator("#status")).to_have_text(written_texts("en").no_camera)
        await visit.page.keyboard.up(" ")
        await visit.page.locator("#choose").set_input_files(file(photo()))  # type: ignore[arg-type]
        await expect(visit.page.locator("#status")).to_have_text(written_texts("en").sent)
