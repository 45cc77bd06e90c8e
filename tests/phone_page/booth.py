"""A gateway, and Chromium as a telephone whose microphone plays a file."""

from __future__ import annotations

import contextlib
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from browser import PATIENCE_MS, Chromium
from http_end import HttpEnd, http_end
from playwright.async_api import Browser, Page
from running_gateway import GatewayRig, running_gateway

from gateway.call import events
from gateway.simulator.openai.main import ModelServer, running_model
from gateway.simulator.openai.realtime.script import Script
from gateway.tuning import Tuning

TOKEN: Final = "a-token-of-the-operators"
AUTHORIZED: Final = {"Authorization": f"Bearer {TOKEN}"}
SPOKEN_HZ: Final = 700
AGENTS: Final = """
agents:
  desk:
    greeting: Hello, this is the desk.
    instructions: Be kind.
    tools: [end_call, transfer]
    record: transcript
    transfers: {anna: {to: "+15550142"}}
    turn_detection: {type: server_vad, silence_duration_ms: 300}
  narrow: {instructions: Be kind., audio: pcmu, max_calls: 1}
  dialect: {instructions: Be kind., language: zh-yue}
  still: {instructions: Be kind., greeting: "Hello, it is a fine day.", turn_detection: none}
routes:
  - {to: "+15550102", agent: dialect}
  - {to: "+15550103", agent: still}
  - {to: "+15550101", agent: narrow}
  - {to: "*", agent: desk}
"""


@dataclass
class Visit:
    page: Page
    wrong: list[str] = field(default_factory=list)


@dataclass
class Booth:
    rig: GatewayRig
    model: ModelServer
    browser: Browser
    site: HttpEnd
    """A site that may show the phone in its pages, at `site_url`."""
    site_url: str

    async def link(self, agent: str = "desk", **more: Any) -> str:
        """As an operator makes it, at the address where this gateway really is."""
        answer = await self.rig.client.post(
            "/api/phone", json={"agent": agent, **more}, headers=AUTHORIZED
        )
        assert answer.status_code == 201, answer.text
        return self.rig.url + "/phone#" + answer.json()["url"].partition("#")[2]

    @contextlib.asynccontextmanager
    async def visit(self, url: str, **view: Any) -> AsyncIterator[Visit]:
        shape = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2} | view
        # A page that moves is painted sixty times a second, by the processor.
        shape = {"reduced_motion": "reduce"} | shape
        context = await self.browser.new_context(**shape)
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        visit = Visit(page)
        noted = visit.wrong.append
        page.on("console", lambda m: noted(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: noted(str(error)))
        own = (self.rig.url, self.rig.url.replace("http", "ws"), "data:", "blob:")
        page.on("request", lambda r: None if r.url.startswith(own) else noted(r.url))
        try:
            await page.goto(url)
            yield visit
        finally:
            await context.close()

    async def begin(self, page: Page) -> str:
        """Presses Call; the CallSid, once the caller is there."""
        before = len(self.rig.said(events.CallerConnected))
        await page.get_by_role("button", name="Call").click()
        await self.rig.note(events.CallerConnected, before + 1)
        (*_, call) = self.rig.gateway.registry.calls
        return call.facts.call_sid


def sweep(file: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Four seconds of rising tones up to 9 kHz, again and again; returned at 24 kHz."""
    at = np.arange(4 * 48_000) / 48_000
    phase = 2 * np.pi * (200 * at + (9000 - 200) / 8 * at**2)
    sound = 9_000 * np.sin(phase) * (0.6 + 0.4 * np.sin(2 * np.pi * 3.1 * at))
    _write(file, sound.astype(np.int16))
    return sound[::2]


def microphone(file: Path) -> None:
    """A second of silence, a second and a half of a tone, and silence: again and again."""
    at = np.arange(72_000) / 48_000
    tone = (12_000 * np.sin(2 * np.pi * SPOKEN_HZ * at)).astype(np.int16)
    sound = np.concatenate([np.zeros(48_000, np.int16), tone, np.zeros(168_000, np.int16)])
    _write(file, sound)


def _write(file: Path, sound: np.ndarray[Any, np.dtype[np.int16]]) -> None:
    with wave.open(str(file), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(48_000)
        out.writeframes(sound.tobytes())


@contextlib.asynccontextmanager
async def opened(folder: Path, chromium: Chromium, script: dict[str, Any]) -> AsyncIterator[Booth]:
    agents = folder / "agents.yaml"
    agents.write_text(AGENTS, "utf-8")
    tuning = Tuning(phone_begins_burst=1000)  # tests are quicker than people
    async with (
        http_end() as site,
        running_model(Script.model_validate(script)) as model,
    ):
        site_url = site.url.replace("127.0.0.1", "localhost")
        settings = {
            "GATEWAY_ADMIN_TOKEN": TOKEN,
            "GATEWAY_DATA_DIR": str(folder / "data"),
            "GATEWAY_PHONE_ORIGINS": site_url,
        }
        async with (
            running_gateway(agents, model, tuning, **settings) as rig,
            chromium.lent() as browser,
        ):
            yield Booth(rig, model, browser, site, site_url)
