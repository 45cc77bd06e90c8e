"""Chromium, in which the pages are looked at; tests of it are marked `needs_chromium`."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import AsyncIterator
from typing import Final

import pytest
from playwright.async_api import Browser, async_playwright, expect

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
)

PATIENCE_MS: Final = 30_000
expect.set_options(timeout=PATIENCE_MS)

needs_chromium = pytest.mark.needs(CHROMIUM)


@contextlib.asynccontextmanager
async def chromium(*flags: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*_FLAGS, *flags], headless=True
        )
        yield browser
        await browser.close()
