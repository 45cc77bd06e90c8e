"""Spend limits and the day's budget in a whole gateway: models without a price, refused calls."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from gateway.app import Gateway, build
from gateway.bridge.calls.live_call import LiveCall
from gateway.call import events
from gateway.call.call_info import CallInfo
from gateway.errors import NotAdmitted, PriceFileError
from gateway.protocols.realtime_server import Usage
from gateway.settings import load_settings

AGENTS = """
agents:
  desk: {{model: {model}, instructions: Be kind., {more}}}
routes: [{{to: "*", agent: desk}}]
"""
SPOKEN = msgspec.convert({"output_token_details": {"audio_tokens": 1000}}, Usage)
"""0.064 dollars."""


def rig(folder: Path, more: str = "", model: str = "gpt-realtime-2.1", **env: str) -> Gateway:
    file = folder / "agents.yaml"
    file.write_text(AGENTS.format(more=more, model=model))
    return build(load_settings({"GATEWAY_AGENTS": str(file), **env}, simulated=True))


def announce(gateway: Gateway, sid: str = "1") -> LiveCall:
    """A call that is expected; its model is not reachable, which is nobody's concern here."""
    facts = CallInfo("CA" + sid * 32, "+15550199", "+15550100", "desk", "media-streams")
    return gateway.registry.announce(facts, gateway.registry.book.agents["desk"])


@pytest.mark.parametrize("limit", ["spend_usd: 1.5", "greeting: Hello."])
def test_a_limit_that_cannot_be_held_refuses_to_start(tmp_path: Path, limit: str) -> None:
    env = {"GATEWAY_BUDGET_USD": "10"} if "greeting" in limit else {}
    with pytest.raises(PriceFileError, match=r"models\.gpt-imagined: is missing: .* agent desk"):
        rig(tmp_path, limit, "gpt-imagined", **env)
    rig(tmp_path, "greeting: Hello.", "gpt-imagined")


def test_the_operators_own_list_is_used(tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    row = "{in: 1, cached: 1, out: 1}"
    whole = f"as_of: 2026-12-01\nmodels: {{gpt-imagined: {{text: {row}, audio: {row}}}}}\n"
    prices.write_text(whole)
    rig(tmp_path, "spend_usd: 2", "gpt-imagined", GATEWAY_PRICES=str(prices))
    # Sound that costs nothing here would cost without end.
    prices.write_text(whole.replace("audio: {in: 1, cached: 1, out: 1}", "audio: {in: 1}"))
    with pytest.raises(PriceFileError, match=r"models\.gpt-imagined\.audio\.cached: is missing"):
        rig(tmp_path, "spend_usd: 2", "gpt-imagined", GATEWAY_PRICES=str(prices))
    rig(tmp_path, "greeting: Hello.", "gpt-imagined", GATEWAY_PRICES=str(prices))


async def test_a_used_up_budget_takes_no_new_call(tmp_path: Path) -> None:
    gateway = rig(tmp_path, GATEWAY_BUDGET_USD="0.1", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    async with gateway.asgi.router.lifespan_context(gateway.asgi):
        call = announce(gateway)
        gateway.events.publish(call, events.UsageCounted("gpt-realtime-2.1", SPOKEN))
        assert gateway.registry.refusal() is None
        gateway.events.publish(call, events.UsageCounted("gpt-realtime-2.1", SPOKEN))
        assert (gateway.registry.refusal(), gateway.registry.refusal("sip")) == ("budget", "budget")
        with pytest.raises(NotAdmitted, match="budget"):
            announce(gateway, "2")
        found = gateway.metrics.registry.get_sample_value
        assert found("gateway_budget_spent_ratio") == pytest.approx(1.28)
        labels = {"agent": "desk", "model": "gpt-realtime-2.1", "kind": "audio_out"}
        assert found("gateway_cost_usd_total", labels) == pytest.approx(0.128)


async def test_a_call_learns_of_its_shares_after_the_event(tmp_path: Path) -> None:
    gateway = rig(tmp_path, "spend_usd: 0.12", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    told: list[object] = []
    async with gateway.asgi.router.lifespan_context(gateway.asgi):
        call = announce(gateway)
        call.machine.handle = lambda event, _now: told.append(event) or ()  # type: ignore[method-assign]
        gateway.events.publish(call, events.UsageCounted("gpt-realtime-2.1", SPOKEN))
        gateway.events.publish(call, events.UsageCounted("gpt-realtime-2.1", SPOKEN))
        assert told == []
        await asyncio.sleep(0)
        assert [getattr(event, "share", None) for event in told] == [1.0]
        found = gateway.metrics.registry.get_sample_value
        assert found("gateway_spend_reached_total", {"agent": "desk", "step": "limit"}) == 1
