"""A gateway with calls that really run, and Chromium to look at them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from browser import PATIENCE_MS, Chromium
from gateway_calls import TOKEN as TWILIO_TOKEN
from playwright.async_api import Browser, Page
from running_gateway import ACCOUNT, PUBLIC_URL, GatewayRig, running_gateway

from gateway.simulator.caller.gateway_process import free_port
from gateway.simulator.openai.main import ModelServer, running_model
from gateway.simulator.openai.realtime.script import Script
from gateway.simulator.rehearsal import runner
from gateway.simulator.scenario.schema import Scenario
from gateway.simulator.twilio.webhooks import Account, GatewayAddress

TOKEN: Final = "a-token-of-the-operators"
AGENTS: Final = """
agents:
  front-desk:
    greeting: Good morning, front desk.
    instructions: Answer the telephone.
    tools: [end_call, transfer]
    transfers: {manager: {to: "+15550177"}}
    transcription: {model: gpt-transcribe}
    record: transcript
  arabic-desk:
    language: ar
    greeting: صباح الخير.
    instructions: Answer in Arabic.
    transcription: {model: gpt-transcribe}
    record: metadata
  archive:
    greeting: Archive, good morning.
    instructions: Answer the telephone.
    transcription: {model: gpt-transcribe}
    record: transcript
    recording: {consent: This call is recorded.}
  clinic:
    greeting: Hillside clinic.
    instructions: You move appointments.
    transcription: {model: gpt-transcribe}
    mcp:
      diary: {via: openai, url: "http://127.0.0.1:9/mcp", approval: operator}
routes:
  - {to: "+15550100", agent: front-desk}
  - {to: "+15550102", agent: clinic}
  - {to: "+15550103", agent: archive}
  - {to: "+15550101", agent: arabic-desk}
"""
SCRIPT: Final = {
    "turns": [
        [{"say": "Certainly. We are open from nine to six, and on Saturdays until noon."}],
        [{"say": "نعم، نحن نفتح يوم السبت أيضا حتى الثانية عشرة."}],
    ],
    "think_ms": 180,
}
SCENARIO: Final = {
    "name": "console",
    "steps": [
        {"hear": {"until_silence_ms": 400}},
        {"say": "When are you open?"},
        {"interrupt": {"after_ms": 1200, "say": "And on Saturdays?"}},
        {"hear": {"until_silence_ms": 400}},
        "hang_up",
    ],
    "max_s": 90,
}


@dataclass
class Theatre:
    rig: GatewayRig
    twilio: runner.SimulatedCarrier
    browser: Browser
    model: ModelServer

    def request_approval(self, approval_id: str, tool: str, arguments: str) -> None:
        """The model of the one call that runs wants to use a tool of the diary's."""
        (driver,) = self.model.drivers.values()
        item = {"id": approval_id, "type": "mcp_approval_request", "server_label": "diary"}
        item |= {"name": tool, "arguments": arguments}
        driver.do(lambda: driver.session.emit("conversation.item.done", item=item))

    @contextlib.asynccontextmanager
    async def call(self, to: str = "+15550100", **changes: object) -> AsyncIterator[str]:
        """A call that goes on by itself; its CallSid."""
        known = set(self.twilio.api.calls)
        document = SCENARIO | {"call": {"from": "+4930901820", "to": to}} | changes
        talking = asyncio.create_task(
            runner.rehearse(self.twilio, Scenario.model_validate(document))
        )
        while not (new := set(self.twilio.api.calls) - known):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
        try:
            yield new.pop()
        finally:
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)

    async def page(
        self, width: int = 1440, height: int = 900, scheme: str = "light", *, moves: bool = False
    ) -> Page:
        """A window. One that `moves` is painted thirty times a second, by the processor."""
        context = await self.browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            has_touch=width < 500,
            device_scale_factor=2 if width < 500 else 1,
            reduced_motion="no-preference" if moves else "reduce",
        )
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        return page

    async def enter(self, page: Page, token: str = TOKEN) -> None:
        await page.goto(f"{self.rig.url}/console")
        await page.get_by_label("Token").fill(token)
        await page.get_by_role("button", name="Open the console").click()


@contextlib.asynccontextmanager
async def opened(folder: Path, chromium: Chromium, **environ: str) -> AsyncIterator[Theatre]:
    agents = folder / "agents.yaml"
    agents.write_text(AGENTS, "utf-8")
    rest_port, account = free_port(), Account(ACCOUNT, TWILIO_TOKEN)
    more = {
        "GATEWAY_ADMIN_TOKEN": TOKEN,
        "GATEWAY_DATA_DIR": str(folder / "data"),
        # Tests have calls of fixed dates, whatever the day is.
        "GATEWAY_RETAIN_DAYS": "36500",
        "TWILIO_BASE_URL": f"http://127.0.0.1:{rest_port}",
        **environ,
    }
    async with (
        running_model(Script.model_validate(SCRIPT), voice="on") as model,
        running_gateway(agents, model, **more) as rig,
        runner.carrier(account, GatewayAddress(rig.url, PUBLIC_URL), rest_port=rest_port) as twilio,
        chromium.lent() as browser,
    ):
        yield Theatre(rig, twilio, browser, model)
