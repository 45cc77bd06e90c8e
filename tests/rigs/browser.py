"""Chromium, in which the pages are looked at; tests of it are marked `needs_chromium`."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser, Error, Page, async_playwright, expect

_SHELL: Final = "chromium-headless-shell"
"""Chromium without what a person at a desktop has, and tests have not: half of the work."""
CHROMIUM: Final = shutil.which(_SHELL) or shutil.which("chromium") or _SHELL
_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A camera and a microphone, for every page that asks: there is nobody to allow it.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)

_PICTURE_TRIES: Final = 5
PATIENCE_MS: Final = 30_000
expect.set_options(timeout=PATIENCE_MS)

needs_chromium = pytest.mark.needs(CHROMIUM)


@dataclass(frozen=True)
class Chromium:
    """Shared by all tests of a process: its start costs as much as five pages."""

    browser: Browser
    microphone: Path
    """A WAV file that is played into each microphone from the moment when it is opened."""

    @contextlib.asynccontextmanager
    async def lent(self) -> AsyncIterator[Browser]:
        """Windows that tests have left open are closed: a gateway waits for them when it stops."""
        try:
            yield self.browser
        finally:
            for context in self.browser.contexts:
                await context.close()


async def photograph(page: Page, file: Path, *, full_page: bool = False) -> None:
    """Take a picture of a page, for people to look at.

    Chromium sometimes has no frame to take on a busy machine, and says so: it is asked again.
    """
    for tries in range(_PICTURE_TRIES, 0, -1):
        try:
            await page.screenshot(path=file, full_page=full_page)
            return
        except Error as error:
            if "Unable to capture screenshot" not in error.message or tries == 1:
                raise


@contextlib.asynccontextmanager
async def running_chromium(folder: Path) -> AsyncIterator[Chromium]:
    microphone = folder / "microphone.wav"
    flags = (*_FLAGS, f"--use-file-for-fake-audio-capture={microphone}")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=flags, headless=True
        )
        yield Chromium(browser, microphone)
        await browser.close()
