"""Function calls that run: rounds of one response, confirmation, deferral, fillers."""

from __future__ import annotations

from gateway import limits
from gateway.agents.config.tool_options import ToolOptions
from gateway.call.tools.running_calls import RunningCalls


def calls(**options: object) -> RunningCalls:
    return RunningCalls({"stock": ToolOptions.model_validate(options)})


def test_a_round_is_complete_when_each_output_is_in() -> None:
    running = calls()
    assert running.start("resp_1", "call_1", "stock", 0.0)
    running.put("resp_1", "call_2", "at once")
    assert running.complete() == []
    assert running.finish("call_1", "later", answer=False) is not None
    (entry,) = running.complete()
    assert entry.outputs == [("call_2", "at once"), ("call_1", "later")]
    assert entry.to_be_answered
    assert running.complete() == [], "each round is given out once"
    assert running.finish("call_1", "again", answer=True) is None


def test_a_round_that_the_caller_cut_off_is_not_answered() -> None:
    running = calls(on_barge_in="cancel")
    running.start("resp_1", "call_1", "stock", 0.0)
    assert [one.call_id for one in running.cut_off()] == ["call_1"]
    running.finish("call_1", "cancelled", answer=False)
    assert not running.complete()[0].to_be_answered


def test_a_confirmed_function_needs_the_same_arguments_after_a_turn() -> None:
    running = calls(confirm=True)
    assert not running.confirmed("stock", "{}")
    assert not running.confirmed("stock", "{}"), "the caller has said nothing since"
    running.turn_taken()
    assert not running.confirmed("stock", '{"n":2}'), "other arguments"
    running.turn_taken()
    assert running.confirmed("stock", '{"n":2}')
    assert not running.confirmed("stock", '{"n":2}'), "once for each confirmation"


def test_a_confirmation_that_another_agent_asked_for_is_void() -> None:
    running = calls(confirm=True)
    assert not running.confirmed("stock", "{}")
    running.turn_taken()
    running.equip({"stock": ToolOptions(confirm=True)})
    assert not running.confirmed("stock", "{}"), "asked and answered"
    running.equip({"stock": ToolOptions(confirm=True)})
    running.turn_taken()
    assert not running.confirmed("stock", "{}"), "asked only"


def test_a_deferred_function_is_not_at_work_and_its_time_begins_with_the_release() -> None:
    running = calls()
    running.start("resp_1", "call_1", "stock", 0.0)
    running.defer("call_1", '{"n":1}')
    assert (running.running, running.at_work) == (("call_1",), ())
    assert running.filler_due() is None
    assert running.release("call_1", 5.0) == ("stock", '{"n":1}')
    finished = running.finish("call_1", "three", answer=True)
    assert finished is not None
    assert finished.ran_s(7.0) == 2.0


def test_each_wait_is_filled_once() -> None:
    running = calls(filler_after_ms=1000)
    running.start("resp_1", "call_1", "stock", 0.0)
    assert running.filler_due() == 1.0
    assert running.filler(0.9) is None
    filled = running.filler(1.0)
    assert filled is not None
    assert filled.call_id == "call_1"
    assert running.filler_due() is None


def test_no_more_than_so_many_at_once() -> None:
    running = calls()
    for n in range(limits.tools.TOOLS_AT_ONCE_MAX):
        assert running.start("resp_1", f"call_{n}", "stock", 0.0)
    assert not running.start("resp_1", "one more", "stock", 0.0)
    running.finish("call_0", "", answer=True)
    assert not running.start("resp_1", "call_1", "stock", 0.0), "it runs already"
    assert running.start("resp_1", "one more", "stock", 0.0)


def test_a_confirmation_is_of_one_time_only() -> None:
    running = calls(confirm=True)
    assert not running.confirmed("stock", "{}")
    running.turn_taken()
    assert running.confirmed("stock", "{}")
    running.turn_taken()
    assert not running.confirmed("stock", "{}"), "it is asked again"
