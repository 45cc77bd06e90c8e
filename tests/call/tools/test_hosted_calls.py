"""Open calls of hosted tools: when they begin, wait, run too long, and end."""

from __future__ import annotations

import pytest

from gateway import limits
from gateway.agents.config.mcp import McpServer
from gateway.agents.config.tool_options import ToolOptions
from gateway.call.tools.hosted_calls import HostedCalls
from gateway.call.tools.pending_approvals import PendingApproval
from gateway.protocols import realtime_server as model

SHOP = McpServer(
    via="openai", url="https://shop.example.com/", timeout_s=20, filler_after_ms=2000, hold=True
)
NOW = 100.0


def named(
    item_id: str = "item_1", label: str | None = "shop", name: str | None = "find"
) -> model.Item:
    return model.Item("mcp_call", id=item_id, server_label=label, name=name)


def calls(*item_ids: str) -> HostedCalls:
    hosted = HostedCalls({"shop": SHOP})
    for item_id in item_ids:
        hosted.named(named(item_id))
        hosted.begin(item_id, NOW)
    return hosted


def approval(name: str = "find", label: str = "shop", approval_id: str = "a1") -> PendingApproval:
    return PendingApproval(name, ToolOptions(), 0.0, label, approval_id, 30.0, lambda *_: None)


def test_a_call_begins_once_and_has_the_options_of_its_server() -> None:
    hosted = HostedCalls({"shop": SHOP})
    assert hosted.begin("item_1", NOW) is None, "its name is not known yet"
    hosted.named(named())
    call = hosted.begin("item_1", NOW)
    assert call is not None
    assert (call.name, call.label, call.options) == ("find", "shop", SHOP)
    assert (call.fill_at, call.over_at) == (NOW + 2, NOW + 20)
    assert call.function == "shop_find"
    assert hosted.begin("item_1", NOW) is None
    assert (hosted.working, hosted.running) == (True, True)


@pytest.mark.parametrize(("label", "name"), [("other", "find"), (None, None)])
def test_a_server_that_the_agent_does_not_have_is_unknown(
    label: str | None, name: str | None
) -> None:
    hosted = HostedCalls({"shop": SHOP})
    hosted.named(named(label=label, name=name))
    call = hosted.begin("item_1", NOW)
    assert call is not None
    assert (call.label, call.name) == ("unknown", name or "unknown")
    assert call.options == ToolOptions()


def test_an_item_without_an_id_is_nobody_s() -> None:
    hosted = HostedCalls({"shop": SHOP})
    hosted.named(model.Item("mcp_call", server_label="shop", name="find"))
    assert hosted.begin("", NOW) is None


def test_one_call_too_many_is_not_opened() -> None:
    most = limits.mcp.CALLS_MAX
    hosted = calls(*(f"item_{n}" for n in range(most + 1)))
    assert len(hosted.calls) == most
    assert hosted.end("item_0") is not None
    assert hosted.begin(f"item_{most}", NOW) is not None


def test_a_call_that_has_ended_does_not_begin_again() -> None:
    hosted = calls("item_1")
    assert hosted.end("item_1") is not None
    assert hosted.end("item_1") is None
    assert hosted.begin("item_1", NOW) is None
    assert not hosted.working


def test_an_output_is_counted_at_the_first_of_its_events() -> None:
    hosted = calls("item_1")
    assert hosted.first_output("item_1")
    assert not hosted.first_output("item_1")
    assert hosted.first_output("item_2")


# --- Approvals ---


def test_a_call_that_waits_for_an_approval_neither_runs_nor_is_filled() -> None:
    hosted = calls("item_1")
    hosted.defer(approval())
    call = hosted.deferred("a1")
    assert call is hosted.calls["item_1"]
    assert not hosted.running
    assert hosted.working
    assert hosted.due() is None
    call.runs(NOW + 10)
    assert hosted.running
    assert hosted.deferred("a1") is None
    assert (call.since, call.over_at, call.fill_at) == (NOW + 10, NOW + 30, NOW + 12)


def test_two_requests_are_for_two_calls_of_one_tool() -> None:
    hosted = calls("item_1", "item_2")
    hosted.defer(approval(approval_id="a1"))
    hosted.defer(approval(approval_id="a2"))
    waiting = [hosted.deferred("a1"), hosted.deferred("a2")]
    assert [call and call.item_id for call in waiting] == ["item_1", "item_2"]


@pytest.mark.parametrize(("name", "label"), [("buy", "shop"), ("find", "bank")])
def test_a_request_for_another_tool_holds_nothing_back(name: str, label: str) -> None:
    hosted = calls("item_1")
    hosted.defer(approval(name, label))
    assert hosted.running


# --- Time ---


def test_a_failure_waits_a_moment_for_its_reason() -> None:
    hosted = calls("item_1")
    hosted.calls["item_1"].failed_at = NOW + 1
    assert hosted.calls["item_1"].over_at == NOW + 1 + limits.mcp.GO_ON_GRACE_S


def test_the_earliest_of_everything_is_due() -> None:
    hosted = calls("item_1", "item_2")
    hosted.calls["item_2"].fill_at = NOW + 1.5
    assert hosted.due() == NOW + 1.5
    hosted.go_on_at = NOW + 1
    assert hosted.due() == NOW + 1
    hosted.settle_debt()
    assert hosted.go_on_at is None


def test_the_hold_tone_follows_the_words() -> None:
    hosted = calls("item_1")
    assert hosted.filler(NOW + 1.9, quiet=True) is None
    assert not hosted.holding
    assert hosted.filler(NOW + 2, quiet=False) is None, "somebody speaks"
    later = hosted.calls["item_1"].fill_at
    assert later > NOW + 2
    assert hosted.filler(later, quiet=True) is hosted.calls["item_1"]
    assert hosted.holding


def test_another_agent_has_other_servers() -> None:
    hosted = HostedCalls({"shop": SHOP})
    assert hosted.server("shop") is SHOP
    hosted.serve({})
    assert hosted.server("shop") is None
    assert hosted.server(None) is None
