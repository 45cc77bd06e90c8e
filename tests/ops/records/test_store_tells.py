"""What running calls tell others: watchers, other processes, the outbox, the database."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.call import events
from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.call.privacy.call_privacy import CallPrivacy
from gateway.ops.database.write_behind import Write
from gateway.ops.records.event_stream import EventStream
from gateway.ops.records.history import CallFilter, EndedEvent
from gateway.ops.records.live_changes import LiveChanges
from gateway.ops.records.store import RecordStore

FACTS = CallInfo("CA1", "+15551230042", "+15550100", "desk", "media-streams")
OUT = CallInfo("CA2", "+15551230042", "+15550100", "desk", "media-streams", direction="outbound")
EVENT = EndedEvent("msg_1", 5, 7)
BEGAN = 1_790_000_000.25
RESULT = {"type": "object", "properties": {"reason": {"type": "string"}}}


@dataclass
class Told:
    """A store whose database and outbox are lists."""

    added: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)
    outlines: list[tuple[str, Ending, Mapping[str, Any]]] = field(default_factory=list)
    writes: list[tuple[Write, Callable[[], None] | None]] = field(default_factory=list)
    kept: list[tuple[str, int | None, EndedEvent | None]] = field(default_factory=list)
    now: float = 500.0

    def __post_init__(self) -> None:
        self.event_stream, self.changes = EventStream(), LiveChanges(shared=True)
        history: Any = SimpleNamespace(ended=self._ended, find=self._find)
        writes: Any = SimpleNamespace(
            add=lambda write, written=None: self.writes.append((write, written))
        )
        self.records = RecordStore(
            self.event_stream,
            history,
            writes,
            self,
            self.changes,
            lambda: self.now,
            lambda: BEGAN,
        )

    def _ended(self, record: Any, caller: str, delete_at: int | None, event: Any) -> Write:
        assert caller == FACTS.caller
        self.kept.append((record.id, delete_at, event))
        return Write("call", b"")

    async def _find(self, _call_id: str) -> None:
        """Nothing is in the database."""

    # The outbox.

    def ended(self, _call: CallInfo, _ending: Ending) -> EndedEvent | None:
        return EVENT

    def end_outline(self, call: CallInfo, ending: Ending, outline: Mapping[str, Any]) -> None:
        self.outlines.append((call.key, ending, outline))

    def add(self, event_type: Any, call: CallInfo, data: Mapping[str, Any]) -> None:
        self.added.append((event_type, call.key, data))

    def call(self, facts: CallInfo = FACTS, **keys: Any) -> None:
        self.records.open(
            facts,
            Agent.model_validate(
                {"name": "desk", "instructions": "Answer.", "record": "metadata", **keys}
            ),
        )

    def tell(self, *told: events.CallEvent, facts: CallInfo = FACTS) -> None:
        for one in told:
            self.records.on_event(facts, one)


@pytest.fixture
def told() -> Told:
    return Told()


def ended(ending: Ending = Ending.CALLER_HUNG_UP) -> events.CallEnded:
    return events.CallEnded(ending, "", True, 10.0, (), 0, 0, 0)


MESSAGE = events.MessageTaken("Call me.", "Lee", "+15550123")


def test_a_call_that_is_placed_keeps_its_record_and_one_that_comes_in_gets_a_new_one(
    told: Told,
) -> None:
    for facts, tokens in ((FACTS, 0), (OUT, 1)):
        told.call(facts)
        told.tell(events.ToolCalled("look"), facts=facts)
        told.call(facts)
        record = told.records.find_live(facts.key)
        assert record is not None
        assert (record.tools, record.direction) == (tokens, facts.direction)


async def test_watchers_see_that_a_call_was_announced_and_what_changes(told: Told) -> None:
    watching = told.event_stream.subscribe()
    assert watching is not None
    told.call()
    told.now += 1.5
    told.tell(events.ToolCalled("look"), events.KeyPressed())
    seen = [json.loads(await watching.next(5.0) or b"") for _ in range(4)]
    assert [(one["part"], one["at_s"]) for one in seen] == [
        ("summary", 0.0),
        ("privacy", 0.0),
        ("tool_calls", 1.5),
        ("summary", 1.5),
    ]
    assert await watching.next(0.001) is None


def test_other_processes_are_told_what_changed_and_nothing_else(told: Told) -> None:
    told.call()
    assert told.changes.take() == set()
    told.tell(events.KeyPressed())
    assert told.changes.take() == set()
    told.tell(events.ToolCalled("look"))
    assert told.changes.take() == {"CA1"}
    told.tell(ended())
    assert told.changes.take() == {"CA1"}
    assert told.changes.lately_ended(told.now)["CA1"].at_s == 500.0


@pytest.mark.parametrize("policy", ["none", "metadata"])
def test_the_outbox_gets_start_message_and_end(told: Told, policy: str) -> None:
    told.call(record=policy)
    told.tell(events.CallerConnected(0.2), MESSAGE, ended())
    began = {"began_at": "2026-09-21T14:13:20.250+00:00"}
    message = {"text": "Call me.", "name": "Lee", "callback": "+15550123"}
    if policy == "none":
        assert told.added == [("call.started", "CA1", began)]
        outline = {**began, "seconds": 10.0, "ending": "caller_hung_up", "well": True}
        assert told.outlines == [("CA1", Ending.CALLER_HUNG_UP, outline)]
        assert (told.kept, told.writes) == ([], [])
    else:
        assert told.added == [("call.started", "CA1", began), ("message.taken", "CA1", message)]
        assert told.kept == [("CA1", None, EVENT)]
        assert told.outlines == []


@pytest.mark.parametrize(
    ("first", "resumed", "writes"),
    [("none", False, 0), ("none", True, 1), ("metadata", False, 1)],
)
def test_what_others_have_kept_of_a_call_that_keeps_nothing_goes(
    told: Told, first: Any, resumed: bool, writes: int
) -> None:
    agent = Agent.model_validate({"name": "desk", "instructions": "Answer."})
    told.records.open(FACTS, agent, CallPrivacy(first), resumed=resumed)
    told.tell(events.PrivacyChanged(CallPrivacy("none")), MESSAGE, ended())
    assert [write.kind for write, _ in told.writes] == ["unkept"] * writes
    assert told.added == []


def test_a_call_is_deleted_after_the_days_of_its_agent(told: Told) -> None:
    told.call(retain_days=3)
    told.tell(ended())
    ((_, delete_at, _),) = told.kept
    assert delete_at == round((BEGAN + 3 * 86_400) * 1_000_000)


async def test_a_call_that_is_written_is_asked_of_the_database(told: Told) -> None:
    told.call()
    told.tell(ended())
    ((_, written),) = told.writes
    assert written is not None
    assert (await told.records.find_ended("CA1")) is not None
    told.call()  # another stream of the call, which ends too, before the first was written
    told.tell(ended())
    written()
    record = await told.records.find_ended("CA1")
    assert record is not None, "the second part is not written yet"
    told.writes[1][1]()  # type: ignore[misc] # as above
    assert await told.records.find_ended("CA1") is None


async def test_so_many_ended_calls_are_kept_in_memory(told: Told) -> None:
    """Those that ended first are in the spool by then."""
    most = limits.records.RECORDS_KEPT_MAX
    for number in range(most + 1):
        facts = CallInfo(f"CA{number}", FACTS.caller, "", "desk", "media-streams")
        told.call(facts)
        told.tell(ended(), facts=facts)
    assert await told.records.find_ended("CA1") is not None
    assert await told.records.find_ended(f"CA{most}") is not None
    assert await told.records.find_ended("CA0") is None


def filed() -> events.ResultFiled:
    return events.ResultFiled("filed", "", 1, {"reason": "invoice"}, {}, ())


async def test_a_result_is_told_once_to_all(told: Told) -> None:
    told.call(result=RESULT)
    told.tell(ended())
    watching = told.event_stream.subscribe()
    assert watching is not None
    told.tell(events.KeyPressed(), filed(), filed())
    (event,) = told.added
    assert (event[0], event[1], event[2]["result"].fields) == (
        "call.result",
        "CA1",
        {"reason": "invoice"},
    )
    assert [write.kind for write, _ in told.writes] == ["call", "result"]
    assert json.loads(await watching.next(5.0) or b"")["part"] == "result"
    assert await watching.next(0.001) is None
    record = await told.records.find_ended("CA1")
    assert record is not None
    assert record.result is not None


def test_of_more_results_than_that_the_first_are_not_waited_for(told: Told) -> None:
    most = limits.records.LATE_CALLS_MAX
    calls = [CallInfo(f"CA{n}", FACTS.caller, "", "desk", "sip") for n in range(most + 1)]
    for facts in calls:
        told.call(facts, result=RESULT)
        told.tell(ended(), facts=facts)
    for facts in calls:
        told.tell(filed(), facts=facts)
    assert [key for _, key, _ in told.added] == [facts.key for facts in calls[1:]]


def test_running_calls_are_listed_newest_first_and_by_what_is_wanted(told: Told) -> None:
    for number, agent in enumerate(("desk", "sales", "desk")):
        caller = f"+1555000{number}"
        told.call(CallInfo(f"CA{number}", caller, "", agent, "media-streams"))
    listed = told.records.live
    assert [one.id for one in listed()] == ["CA2", "CA1", "CA0"]
    assert [one.id for one in listed(CallFilter(agent="desk"))] == ["CA2", "CA0"]
    assert [one.id for one in listed(CallFilter(caller="+1 555 0001"))] == ["CA1"]
    assert list(told.records.live_callers()) == ["CA2", "CA1", "CA0"]


async def test_when_the_process_stops_watchers_are_sent_home(told: Told) -> None:
    assert told.event_stream.subscribe() is not None
    told.records.close()
    assert not told.event_stream.watched
