"""Records of a call while it runs, and what is left of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from database_end import DatabaseEnd, ended_call, open_database

from gateway.agents.config.agent import Agent
from gateway.call import events
from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.call.privacy.call_privacy import CallPrivacy
from gateway.errors import DatabaseAway
from gateway.ops.records.event_stream import EventStream
from gateway.ops.records.history import CallFilter, Position
from gateway.ops.records.live_changes import LiveChanges
from gateway.ops.records.record import CallRecord, CallSummary, privacy_of
from gateway.ops.records.store import RecordStore
from gateway.protocols.realtime_server import Usage

FACTS = CallInfo("CA" + "7" * 32, "+15551230042", "+15550100", "desk", "media-streams")
BEGAN = 1_790_000_000.25


def agent(**keys: Any) -> Agent:
    return Agent.model_validate({"name": "desk", "instructions": "Answer.", **keys})


@dataclass
class Office:
    """Records with a clock that stands still, on a database of the test's."""

    end: DatabaseEnd
    now: float = 500.0

    def __post_init__(self) -> None:
        self.event_stream = EventStream()
        self.records = RecordStore(
            self.event_stream,
            self.end.history,
            self.end.writes,
            self.end.outbox,
            LiveChanges(shared=False),
            lambda: self.now,
            lambda: BEGAN,
        )

    def call(self, policy: Any = "metadata", facts: CallInfo = FACTS, **keys: Any) -> None:
        self.records.open(facts, agent(record=policy, **keys))

    def tell(self, *told: events.CallEvent, after_s: float = 0.0, facts: CallInfo = FACTS) -> None:
        self.now += after_s
        for note in told:
            self.records.on_event(facts, note)

    async def record(self, key: str = FACTS.key) -> CallRecord:
        found = await self.records.find(key)
        assert found is not None
        return found

    async def ended(self, most: int = 100) -> list[CallSummary]:
        return (await self.records.ended(CallFilter(), most)).calls


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with open_database(tmp_path) as end:
        writing = asyncio.create_task(end.writes.run())
        yield Office(end)
        writing.cancel()


def turn(number: int = 1, wait_s: float = 0.6) -> events.TurnMeasured:
    return events.TurnMeasured(number, wait_s, 0.2, 0.3, 0.001, 0.099)


def ended(ending: Ending = Ending.CALLER_HUNG_UP, seconds: float = 10.0) -> events.CallEnded:
    return events.CallEnded(ending, "", True, seconds, (0.6,), 0, 0, 0)


def line(text: str, who: str = "caller") -> events.TranscriptLine:
    return events.TranscriptLine(who, text, "item_1")


async def test_a_call_is_seen_as_soon_as_it_is_announced(office: Office) -> None:
    office.call()
    (summary,) = office.records.live()
    assert (summary.id, summary.state, summary.agent) == (FACTS.key, "expected", "desk")
    assert (summary.caller, summary.dialled) == ("...42", "...00")
    assert summary.began_at == "2026-09-21T14:13:20.250+00:00"
    office.tell(events.CallerConnected(0.4), after_s=0.4)
    assert office.records.live()[0].state == "talking"
    assert office.records.live()[0].arrived_s == pytest.approx(0.4)


async def test_what_a_call_costs_is_kept_as_a_decimal(office: Office) -> None:
    office.call()
    office.records.on_event(FACTS, turn(), Decimal("0.0123456789"))
    assert office.records.live()[0].cost_usd == "0.012346"
    office.tell(turn(2))
    assert office.records.live()[0].cost_usd == "0.012346"


@pytest.mark.parametrize(
    ("policy", "kept", "words"),
    [("none", 0, False), ("metadata", 1, False), ("transcript", 1, True)],
)
async def test_what_is_left_is_what_the_agent_asks_for(
    office: Office, policy: str, kept: int, words: bool
) -> None:
    office.call(policy)
    office.tell(line("My number is 4711."), turn())
    assert (await office.record()).transcript, "while the call runs, all is seen"
    office.tell(ended())
    for _ in ("while it is being written", "from the database"):
        assert len(await office.ended()) == kept
        found = await office.records.find(FACTS.key)
        assert bool(found and found.transcript) == words
        await office.end.writes.flushed()


ASKED = events.ApprovalRequested("mcpr_1", "crm", "find", '{"name": "Smith"}', 30.0)


async def test_what_a_tool_is_used_with_is_told_while_leave_is_asked_and_never_kept(
    office: Office,
) -> None:
    office.call("transcript")
    office.tell(ASKED)
    (waiting,) = (await office.record()).approvals
    assert (waiting.server, waiting.tool, waiting.outcome) == ("crm", "find", None)
    assert waiting.arguments == '{"name": "Smith"}'
    assert waiting.until_s == waiting.at_s + 30
    office.tell(events.ApprovalResolved("mcpr_1", "crm", "timeout"), ended())
    await office.end.writes.flushed()
    (kept,) = (await office.record()).approvals
    assert (kept.outcome, kept.arguments) == ("timeout", "")


async def test_every_change_is_published_as_it_stands_in_the_record(office: Office) -> None:
    """A watcher that applies them to an empty record has the record."""
    subscription = office.event_stream.subscribe()
    assert subscription is not None
    office.call("transcript")
    office.tell(events.CallerConnected(0.2), events.ModelSpeechStarted(), after_s=0.2)
    office.tell(events.ModelSpeechEnded(), turn(), line("Hello."), after_s=1.0)
    office.tell(ASKED, events.HostedToolCalled("crm", "find"), after_s=1.0)
    office.tell(events.MessageTaken("Call me.", "", ""))
    office.tell(events.AgentChanged("desk", "billing", "gpt-realtime-2.1-mini"))
    office.tell(events.LanguageChanged("fr"))
    office.tell(events.ApprovalResolved("mcpr_1", "crm", "approved"), ended(), after_s=1.0)
    office.event_stream.close()
    built: dict[str, Any] = {}
    async for message in subscription.messages(5.0):
        change = json.loads(message or b"{}")
        assert change["call"] == FACTS.key
        apply(built, change["part"], change["value"])
    assert built == json.loads(msgspec.json.encode(await office.record()))


def apply(record: dict[str, Any], part: str, value: Any) -> None:
    """What the console does with a change."""
    lists = (
        "timeline",
        "latency",
        "interruptions",
        "tool_calls",
        "approvals",
        "hand_overs",
        "transcript",
        "messages",
    )
    for name in lists:
        record.setdefault(name, [])
    record.setdefault("result", None)
    record.setdefault("recording", None)
    if part == "summary":
        record.update(value)
        return
    if part in ("privacy", "result"):
        record[part] = value
        return
    same = [
        at
        for at, one in enumerate(record[part])
        if (part == "timeline" and (one["who"], one["from_s"]) == (value["who"], value["from_s"]))
        or (part == "approvals" and one["id"] == value["id"])
    ]
    if same:
        record[part][same[-1]] = value
    else:
        record[part].append(value)


@pytest.mark.parametrize(
    ("policy", "kept"), [("none", False), ("metadata", True), ("transcript", True)]
)
async def test_a_message_is_kept_with_the_record(office: Office, policy: str, kept: bool) -> None:
    """It was left to be kept; only an agent that keeps nothing loses it, when the call ends."""
    office.call(policy)
    office.tell(events.MessageTaken("Call me.", "Lee", "+15550123"), after_s=2.0)
    (message,) = (await office.record()).messages
    assert (message.at_s, message.text, message.name) == (2.0, "Call me.", "Lee")
    office.tell(ended())
    record = await office.records.find(FACTS.key)
    assert (record is not None) == kept
    assert record is None or record.messages == [message]


async def test_a_hand_over_is_kept_with_what_the_call_had_cost(office: Office) -> None:
    office.call()
    office.records.on_event(FACTS, events.ToolCalled("hand_over"), Decimal("0.25"))
    office.tell(events.AgentChanged("desk", "billing", "gpt-realtime-2.1-mini"))
    office.tell(events.LanguageChanged("fr"), ended())
    record = await office.record()
    (one,) = record.hand_overs
    assert (one.before, one.agent, one.cost_usd) == ("desk", "billing", "0.250000")
    assert (record.agent, record.model) == ("billing", "gpt-realtime-2.1-mini")
    assert record.language == "fr"


STRICT = CallPrivacy("transcript", "pci", ("cards", "digits"), 3)


async def test_words_that_are_there_when_stricter_switches_come_are_redacted_too(
    office: Office,
) -> None:
    office.call("transcript")
    office.tell(line("My card is four one one one."), events.MessageTaken("Code 4711.", "", ""))
    office.tell(events.PrivacyChanged(STRICT), events.AgentChanged("desk", "billing", "m"))
    office.tell(line("[card]"), ended())
    await office.end.writes.flushed()
    record = await office.record()
    assert [one.text for one in record.transcript] == ["My card is [card].", "[card]"]
    assert [one.text for one in record.messages] == ["Code [digits]."]
    assert record.privacy == privacy_of(STRICT)


@pytest.mark.parametrize(("policy", "kept"), [("none", False), ("metadata", True)])
async def test_an_agent_that_keeps_less_has_the_whole_call_kept_so(
    office: Office, policy: Any, kept: bool
) -> None:
    office.call("transcript")
    office.tell(line("Hello."), events.PrivacyChanged(CallPrivacy(policy)), ended())
    await office.end.writes.flushed()
    record = await office.records.find(FACTS.key)
    assert (record is not None) == kept
    assert record is None or record.transcript == []


async def test_an_agent_that_keeps_nothing_has_earlier_parts_deleted(office: Office) -> None:
    """The call was with another process, and its first agent kept everything."""
    earlier = ended_call(1, id=FACTS.key, began_at="2026-09-21T14:00:00.000+00:00")
    office.end.writes.add(office.end.history.ended(earlier, ""))
    await office.end.writes.flushed()
    office.records.open(FACTS, agent(), CallPrivacy("transcript"), resumed=True)
    office.tell(events.PrivacyChanged(CallPrivacy("none")), ended())
    await office.end.writes.flushed()
    assert await office.records.find(FACTS.key) is None


async def test_the_result_of_an_agent_that_took_the_call_over_is_kept(office: Office) -> None:
    office.call()
    office.tell(events.AgentChanged("desk", "billing", "m", wants_result=True), ended())
    office.tell(events.ResultFiled("filed", "", 1, {"reason": "invoice"}, {}, ()))
    await office.end.writes.flushed()
    record = await office.record()
    assert record.result is not None
    assert record.result.fields == {"reason": "invoice"}


async def test_an_ended_call_is_listed_while_the_database_is_away(tmp_path: Path) -> None:
    (tmp_path / "gateway.sqlite3").mkdir()
    async with open_database(tmp_path) as end:
        writing = asyncio.create_task(end.writes.run())
        office = Office(end)
        office.call()
        office.tell(ended())
        page = await office.records.ended(CallFilter(), 10)
        assert ([call.id for call in page.calls], page.complete) == ([FACTS.key], False)
        other = CallInfo("CA" + "8" * 32, "", "", "desk", "media-streams")
        office.call(facts=other)
        office.tell(ended(), facts=other)
        page = await office.records.ended(CallFilter(), 1)
        assert [call.id for call in page.calls] == [other.key], "the newest first"
        assert (await office.record()).ending == "caller_hung_up"
        with pytest.raises(DatabaseAway):
            await office.records.ended(CallFilter(), 10, Position(1 << 60, ""))
        (tmp_path / "gateway.sqlite3").rmdir()
        await end.writes.flushed()
        assert (await office.records.ended(CallFilter(), 10)).complete
        writing.cancel()


async def test_a_page_has_what_is_being_written_in_its_place(office: Office) -> None:
    for number in range(4):
        facts = CallInfo(f"CA{number}", "", "", "desk", "media-streams")
        office.call(facts=facts)
        office.tell(ended(), facts=facts)
        if number == 1:
            await office.end.writes.flushed()
    first = await office.records.ended(CallFilter(), 3)
    assert [call.id for call in first.calls] == ["CA3", "CA2", "CA1"]
    rest = await office.records.ended(CallFilter(), 3, first.after)
    assert ([call.id for call in rest.calls], rest.after) == (["CA0"], None)


# --- What comes after the end ---

RESULT = {"type": "object", "properties": {"reason": {"type": "string"}}}
FILED = events.ResultFiled(
    "filed", "", 1, {"reason": "invoice"}, {"reason": [{"item_id": "i", "quote": "my invoice"}]}, ()
)


@pytest.mark.parametrize(("policy", "lines"), [("metadata", []), ("transcript", ["My invoice."])])
async def test_a_result_and_the_last_words_are_added_to_the_record(
    office: Office, policy: str, lines: list[str]
) -> None:
    office.call(policy, result=RESULT)
    office.tell(ended())
    await office.end.writes.flushed()
    office.tell(line("My invoice."))
    office.records.on_event(FACTS, events.UsageCounted("m", Usage(total_tokens=30)), Decimal("0.5"))
    office.tell(FILED)
    await office.end.writes.flushed()
    record = await office.record()
    assert record.result is not None
    assert record.result.fields == {"reason": "invoice"}
    assert record.result.evidence["reason"][0].quote == "my invoice"
    assert [one.text for one in record.transcript] == lines
    assert (record.tokens, record.cost_usd) == (30, "0.500000")


async def test_a_result_of_a_call_that_is_not_kept_is_not_kept(office: Office) -> None:
    office.call("none", result=RESULT)
    office.tell(ended(), FILED)
    await office.end.writes.flushed()
    assert await office.records.find(FACTS.key) is None


async def test_a_record_says_which_switches_applied(office: Office) -> None:
    office.call("metadata", privacy="pci", retain_days=7)
    office.tell(ended())
    await office.end.writes.flushed()
    privacy = (await office.record()).privacy
    assert privacy is not None
    assert (privacy.preset, privacy.redact, privacy.retain_days) == ("pci", ("cards", "digits"), 7)
