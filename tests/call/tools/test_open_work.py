"""Open work of a call: what it waits for, and where outputs go."""

from __future__ import annotations

import json
from typing import Any

import pytest
from call.play import an_agent

from gateway.agents.config.tool_options import FunctionTool, HttpCall, ToolOptions
from gateway.call import commands as do
from gateway.call import events
from gateway.call.context import CallContext
from gateway.call.state_machines import LinkState
from gateway.call.timers import Timer
from gateway.call.tools.open_work import OpenWork
from gateway.call.tools.pending_approvals import PendingApproval
from gateway.protocols import realtime_server as model

STOCK = FunctionTool(
    description="Looks up.",
    parameters={"type": "object", "properties": {}},
    http=HttpCall(url="https://api.example.com/"),
    hold=True,
)


class Desk:
    """The work of a call at 100.0 s, whose session hears us unless said otherwise."""

    def __init__(self, *, ready: bool = True, session_lives_on: bool = False) -> None:
        agent = an_agent(
            tools=["stock"],
            functions={"stock": STOCK},
            mcp={"shop": {"via": "openai", "url": "https://shop.example.com/"}},
        )
        self.ctx = CallContext(agent, lambda: "event_1", 100.0)
        if ready:
            for step in (LinkState.CONFIGURING, LinkState.READY):
                self.ctx.link = step
        self.work = OpenWork(self.ctx, ["stock"], session_lives_on=session_lives_on)

    def starts(self, call_id: str = "call_1", response_id: str = "resp_1") -> None:
        self.work.running.start(response_id, call_id, "stock", self.ctx.now)

    def sent(self) -> list[dict[str, Any]]:
        return [json.loads(out.data) for out in self.ctx.take() if isinstance(out, do.SendToModel)]

    def outputs(self) -> list[tuple[str, str]]:
        items = [message["item"] for message in self.sent() if "item" in message]
        return [(item["call_id"], item["output"]) for item in items if "output" in item]


def asks(work: OpenWork, call_id: str | None, now: float = 100.0) -> PendingApproval:
    approval = PendingApproval(
        "find", ToolOptions(hold=True), 0.0, "shop", "a1", 30.0, lambda *_: None, call_id
    )
    work.approvals.ask(approval, now)
    return approval


def hosted(work: OpenWork) -> None:
    work.hosted.named(model.Item("mcp_call", id="item_1", server_label="shop", name="find"))
    work.hosted.begin("item_1", 100.0)


# --- What a call waits for ---


def test_nothing_is_open_at_first() -> None:
    work = Desk().work
    assert (work.working, work.under_way, work.hold_tone_due, work.goes_with_session) == (
        False,
    ) * 4


def test_a_function_is_work_that_the_end_waits_for_and_no_session_takes_away() -> None:
    desk = Desk()
    desk.starts()
    assert (desk.work.working, desk.work.under_way) == (True, True)
    assert not desk.work.goes_with_session


def test_a_function_that_waits_for_an_approval_does_not_hold_the_end_up() -> None:
    desk = Desk()
    desk.starts()
    desk.work.running.defer("call_1", "{}")
    assert (desk.work.working, desk.work.under_way) == (True, False)


def test_a_hosted_call_goes_with_its_session() -> None:
    desk = Desk()
    hosted(desk.work)
    assert (desk.work.working, desk.work.under_way, desk.work.goes_with_session) == (True,) * 3


def test_an_output_of_a_hosted_call_that_is_owed_is_waited_for() -> None:
    desk = Desk()
    desk.work.hosted.go_on_at = 101.0
    assert (desk.work.working, desk.work.under_way) == (False, True)


@pytest.mark.parametrize(("call_id", "goes"), [(None, True), ("call_1", False)])
def test_a_request_of_the_model_s_server_goes_with_its_session(
    call_id: str | None, goes: bool
) -> None:
    desk = Desk()
    asks(desk.work, call_id)
    assert (desk.work.working, desk.work.under_way) == (True, False)
    assert desk.work.goes_with_session is goes


def test_a_caller_who_types_and_a_long_pause_are_work() -> None:
    desk = Desk()
    desk.ctx.caller.typing = True
    assert desk.work.working
    desk.ctx.caller.typing = False
    desk.ctx.responses.long_pause = True
    assert (desk.work.working, desk.work.hold_tone_due) == (True, True)


def test_the_hold_tone_is_due_once_a_wait_was_filled() -> None:
    desk = Desk()
    desk.starts()
    assert not desk.work.hold_tone_due
    assert desk.work.running.filler(100.0 + STOCK.filler_after_ms / 1000) is not None
    assert desk.work.hold_tone_due
    other = Desk()
    asks(other.work, None)
    assert not other.work.hold_tone_due
    other.work.approvals.filler(1e9, quiet=True)
    assert other.work.hold_tone_due


# --- Outputs ---


def test_the_outputs_of_one_response_go_in_together() -> None:
    desk = Desk()
    desk.starts("call_1")
    desk.starts("call_2")
    desk.ctx.now = 102.5
    desk.work.finish("call_1", "one", "ok", answer=True)
    desk.work.hand_in()
    assert desk.ctx.take() == [events.ToolCompleted("stock", "ok", 2.5)]
    assert Timer.FILLER in desk.ctx.timers
    desk.work.finish("call_2", "two", "error", answer=True)
    desk.work.hand_in()
    assert desk.outputs() == [("call_1", "one"), ("call_2", "two")]
    assert Timer.FILLER not in desk.ctx.timers
    assert desk.ctx.responses.due


def test_a_function_that_was_cut_off_asks_for_no_answer() -> None:
    desk = Desk()
    desk.starts()
    desk.work.finish("call_1", "cancelled", "cancelled", answer=False)
    desk.work.hand_in()
    assert desk.outputs() == [("call_1", "cancelled")]
    assert not desk.ctx.responses.due


def test_an_output_that_nobody_waits_for_is_dropped() -> None:
    desk = Desk()
    desk.work.finish("call_9", "late", "ok", answer=True)
    desk.work.answer_apart("call_9", "late", "ok")
    desk.work.hand_in()
    assert desk.ctx.take() == []


def test_an_answer_apart_does_not_wait_for_the_others() -> None:
    desk = Desk()
    desk.starts("call_1")
    desk.starts("call_2")
    desk.work.answer_apart("call_1", "one", "ok")
    assert desk.outputs() == [("call_1", "one")]
    assert not desk.ctx.responses.due
    desk.work.finish("call_2", "two", "ok", answer=True)
    desk.work.hand_in()
    assert desk.outputs() == [("call_2", "two")]


@pytest.mark.parametrize(("lives_on", "sent"), [(True, [("call_1", "one")]), (False, [])])
def test_an_output_without_a_session_waits_for_the_one_that_asked(
    lives_on: bool, sent: list[tuple[str, str]]
) -> None:
    """Another session learns of it from the history."""
    desk = Desk(ready=False, session_lives_on=lives_on)
    desk.work.answer("call_1", "one")
    assert desk.sent() == []
    desk.ctx.link = LinkState.READY
    assert desk.work.send_unsent() is lives_on
    assert desk.outputs() == sent
    assert not desk.work.send_unsent()


@pytest.mark.parametrize("lives_on", [True, False])
def test_outputs_of_another_process_are_given_to_the_session_that_waits(lives_on: bool) -> None:
    desk = Desk(session_lives_on=lives_on)
    desk.work.interrupted([("call_1", "not known")])
    assert desk.work.send_unsent() is lives_on


def test_another_agent_has_other_tools() -> None:
    desk = Desk()
    assert "stock" in desk.work.running
    desk.ctx.agent = an_agent()
    desk.work.equip([])
    assert "stock" not in desk.work.running
    assert desk.work.hosted.server("shop") is None
