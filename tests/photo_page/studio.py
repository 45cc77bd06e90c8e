"""A gateway with callers on the line, and Chromium as the telephone in their hand."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from awake_clock import machine_time
from browser import PATIENCE_MS, Chromium
from gateway_calls import Stream
from media_store import MediaStore, media_store
from playwright.async_api import Browser, Page
from running_gateway import ACCOUNT, GatewayRig, running_gateway

from gateway.bridge.calls.live_call import LiveCall
from gateway.call import events
from gateway.simulator.openai.main import ModelServer, running_model
from gateway.simulator.openai.realtime.script import Script
from gateway.tools.python import ToolContext
from gateway.tuning import Tuning

NUMBERS: Final = {"en": "+15550100", "ar": "+15550101", "fr": "+15550102"}
AGENTS: Final = """
agents:
  desk: {instructions: Ask for a photo., tools: [request_photo]}
  arabic: {language: ar-EG, instructions: Ask for a photo., tools: [request_photo]}
  accueil: {language: fr, instructions: Demande une photo., tools: [request_photo]}
routes:
  - {to: "+15550100", agent: desk}
  - {to: "+15550101", agent: arabic}
  - {to: "+15550102", agent: accueil}
"""


@dataclass
class Visit:
    """One call, the page of its link, and what went wrong in the page."""

    stream: Stream
    call: LiveCall
    page: Page
    url: str
    wrong: list[str] = field(default_factory=list)


@dataclass
class Studio:
    rig: GatewayRig
    model: ModelServer
    store: MediaStore
    browser: Browser

    @contextlib.asynccontextmanager
    async def visit(self, language: str = "en", **view: Any) -> AsyncIterator[Visit]:
        async with self.rig.carrier.call(NUMBERS[language]) as stream, stream.breathing():
            await self.rig.note(events.ModelReady, of=stream.call_sid)
            call = self.rig.gateway.registry.media_call(stream.call_sid)
            assert call is not None
            visit = Visit(stream, call, await self._page(view), await self._link(call))
            self._watch(visit)
            await visit.page.goto(visit.url)
            try:
                yield visit
            finally:
                await visit.page.context.close()

    async def _page(self, view: dict[str, Any]) -> Page:
        phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
        context = await self.browser.new_context(**phone, device_scale_factor=2, **view)
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        return page

    async def _link(self, call: LiveCall) -> str:
        """As the model would have it texted, at the address where this gateway really is."""
        facts = call.facts
        context = ToolContext(facts.call_sid, facts.caller, facts.dialled, facts.agent, facts.key)
        known = len(self.store.texts)
        assert (await call.agents.toolbox.run("request_photo", "{}", context)).outcome == "ok"
        found = re.search(r"/photo/\S+$", (await self.store.text(known + 1))["Body"])
        assert found
        return self.rig.url + found[0]

    def _watch(self, visit: Visit) -> None:
        page, wrong = visit.page, visit.wrong
        page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else 0)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        own = (self.rig.url, "blob:")
        page.on("request", lambda r: None if r.url.startswith(own) else wrong.append(r.url))

    def pictures(self) -> list[dict[str, Any]]:
        """What the model can see in the newest call."""
        driver = list(self.model.drivers.values())[-1]
        items = driver.session._responder.conversation.items
        parts = (part for item in items if item.kind == "user" for part in item.body["content"])
        return [part for part in parts if part["type"] == "input_image"]


@contextlib.asynccontextmanager
async def opened(folder: Path, chromium: Chromium) -> AsyncIterator[Studio]:
    agents = folder / "agents.yaml"
    agents.write_text(AGENTS, "utf-8")
    # The page keeps its pace by the machine's time: by a clock without standstills it is too fast.
    tuning = Tuning(photo_clock=machine_time)
    async with (
        media_store(ACCOUNT) as store,
        running_model(Script(speed=500, think_ms=0)) as model,
        running_gateway(agents, model, tuning, TWILIO_BASE_URL=store.url) as rig,
        chromium.lent() as browser,
    ):
        yield Studio(rig, model, store, browser)
