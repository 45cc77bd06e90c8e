"""Outbound calls of one process step by step; over real ports they are in `tests/web/api`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from skipped_time import now_s, skipping
from structlog.testing import capture_logs

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.bridge.calls.briefings import Briefings
from gateway.bridge.calls.outbound_state import OutboundState, OutboundStates
from gateway.bridge.outbound.outbound_calls import OutboundCalls
from gateway.call import events, inputs
from gateway.call.briefing import Briefing
from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.errors import LinkError, NotDialled
from gateway.ops.limits.admission import Admission
from gateway.ops.limits.signed_tokens import OutboundTokens
from gateway.ops.limits.token_bucket import TokenBucket
from gateway.ops.store.caller_index import CallerIndex
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store
from gateway.ops.telemetry.fast_histogram import AddedLatency
from gateway.ops.telemetry.metrics import Metrics

OURS, PERSON, SID = "+14155550100", "+14155550123", "CA" + "1" * 32
RINGS_S = 20
AT_ONCE_S = -float(RINGS_S)
"""Lateness with which the carrier is asked at once, since no callback has come."""


def an_agent(**outbound: Any) -> Agent:
    wanted = {"from": OURS, "ring_timeout_s": RINGS_S} | outbound
    known = {"name": "caller", "instructions": "Call.", "max_calls": 1, "outbound": wanted}
    return Agent.model_validate(known)


class Twilio:
    """Twilio's REST: what it is asked, what it says of a call, and how it fails."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.says = ""
        self.failure: LinkError | None = None
        self.before_its_answer: Callable[[], Any] | None = None

    def _note(self, what: str, call_sid: str) -> None:
        self.asked.append((what, call_sid))
        if self.failure is not None:
            raise self.failure

    async def dial(self, fields: dict[str, Any]) -> str:
        self._note("dial", fields["To"])
        if self.before_its_answer is not None:
            await self.before_its_answer()
        return SID

    async def status(self, call_sid: str) -> str:
        self.asked.append(("status", call_sid))
        return self.says

    async def cancel(self, call_sid: str) -> None:
        self._note("cancel", call_sid)

    async def hang_up(self, call_sid: str) -> None:
        self._note("hang up", call_sid)


class Registry:
    """What outbound calls use of the calls of this process."""

    def __init__(self, agent: Agent, store: Store) -> None:
        self.book = SimpleNamespace(agents={agent.name: agent})
        self.dials, self.briefings = OutboundStates(store), Briefings(store)
        self.slots: dict[str, str] = {}
        self.running: list[Any] = []
        self.ending: Ending | None = None
        self.at = 0.0

    def refusal(self, _path: str) -> None:
        return None

    def hours_now(self) -> float:
        return self.at

    def reserve_slot(self, key: str, path: str) -> None:
        self.slots[key] = path

    def release_slot(self, key: str) -> None:
        self.slots.pop(key, None)

    def calls_of(self, call_sid: str) -> list[Any]:
        return [call for call in self.running if call.facts.call_sid == call_sid]

    async def ending_of(self, _call_sid: str) -> Ending | None:
        return self.ending


class Records:
    """Records of calls, as they are told what happens."""

    def __init__(self) -> None:
        self.opened: list[CallInfo] = []
        self.told: list[events.CallEvent] = []

    def open(self, facts: CallInfo, _agent: Agent) -> None:
        self.opened.append(facts)

    def on_event(self, facts: CallInfo, event: events.CallEvent) -> None:
        assert facts is self.opened[-1]
        self.told.append(event)

    @property
    def endings(self) -> list[Ending]:
        return [event.ending for event in self.told if isinstance(event, events.CallEnded)]


class Work:
    """What was started and runs beside the calls."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[None]] = []

    def start(self, work: Coroutine[Any, Any, None], _name: str) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))

    async def over(self) -> None:
        async with asyncio.timeout(600):
            await asyncio.gather(*self.tasks)

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


class Office:
    """Outbound calls of a process whose agent may be in one call at once."""

    def __init__(self, agent: Agent | None = None, late_s: float = 0.0) -> None:
        self.store = Store(MemoryStore(lambda: 0.0))
        self.registry, self.records = Registry(agent or an_agent(), self.store), Records()
        self.rest, self.work, self.metrics = Twilio(), Work(), Metrics(AddedLatency())
        self.index = CallerIndex(self.store, self._hash_of)
        parts: Any = SimpleNamespace(
            registry=self.registry, records=self.records, rest=self.rest, tasks=self.work
        )
        self.calls = OutboundCalls(
            "https://gw",
            ("+1",),
            parts.registry,
            Admission(None, None),
            TokenBucket(9, 1.0, lambda: 0.0),
            OutboundTokens(["secret"], self.store, lambda: 0.0),
            self.store,
            self.index,
            parts.records,
            self.metrics,
            parts.tasks,
            lambda: None,
            parts.rest,
            late_s,
        )

    @staticmethod
    async def _hash_of(number: str) -> str:
        return f"hash of {number}"

    async def place(self, key: str = "", briefing: Briefing | None = None) -> str:
        return await self.calls.place(PERSON, "caller", None, key, briefing or Briefing("", {}))

    def counted(self, outcome: str) -> float:
        value: float = self.metrics.dials.labels("caller", outcome)._value.get()
        return value


class Answered:
    """A call of ours that somebody answered, here."""

    def __init__(self, agent: Agent | None = None, **more: Any) -> None:
        direction = more.pop("direction", "outbound")
        self.facts = CallInfo(SID, PERSON, OURS, "caller", "media-streams", direction=direction)
        self.machine = SimpleNamespace(
            agent=agent or an_agent(), resumed=more.pop("resumed", False)
        )
        self.over = more.pop("over", False)
        self.notified: list[object] = []

    def notify(self, event: object) -> None:
        self.notified.append(event)


# --- Slots ---


async def test_a_call_that_rings_has_its_slots_until_it_is_over() -> None:
    office = Office()
    assert await office.place() == SID
    assert office.registry.slots == {SID: "media-streams"}
    with pytest.raises(NotDialled, match="as many calls"):
        await office.place()
    await office.calls.on_status(SID, "busy")
    await office.work.over()
    assert office.registry.slots == {}
    assert await office.place() == SID
    await office.work.stop()


async def test_one_that_twilio_does_not_place_has_none() -> None:
    office = Office()
    office.rest.failure = LinkError("twilio_21211", retryable=False)
    for _ in range(2):
        with pytest.raises(NotDialled, match="its error 21211"):
            await office.place()
    assert office.registry.slots == {}
    assert (office.work.tasks, office.records.opened) == ([], [])


@pytest.mark.parametrize(
    ("error", "reason", "retry_s"),
    [
        (LinkError("unknown", retryable=False), "unknown", 0.0),
        (LinkError("twilio_20429", retryable=True), "too_fast", 1.0),
        (LinkError("http_429", retryable=True), "too_fast", 1.0),
        (LinkError("twilio_21211", retryable=False), "refused", 0.0),
        (LinkError("http_401", retryable=False), "unreachable", 0.0),
        (LinkError("ConnectError", retryable=True), "unreachable", 0.0),
    ],
)
async def test_why_a_call_was_not_placed(error: LinkError, reason: str, retry_s: float) -> None:
    office = Office()
    office.rest.failure = error
    with pytest.raises(NotDialled) as caught:
        await office.place()
    assert (caught.value.reason, caught.value.retry_s) == (reason, retry_s)
    assert office.counted("refused") == 1


# --- The same order again ---


async def test_the_same_order_again_is_the_same_call() -> None:
    office = Office()
    assert [await office.place("visit-1") for _ in range(2)] == [SID, SID]
    assert office.rest.asked == [("dial", PERSON)]
    with pytest.raises(NotDialled) as caught:
        await office.place("visit-1", Briefing("Another parcel.", {}))
    assert caught.value.reason == "key_reused"
    await office.work.stop()


async def test_while_twilio_is_asked_the_same_order_is_under_way() -> None:
    office, reasons = Office(), list[str]()

    async def again() -> None:
        with pytest.raises(NotDialled) as caught:
            await office.place("visit-1")
        reasons.append(caught.value.reason)

    office.rest.before_its_answer = again
    assert await office.place("visit-1") == SID
    assert (reasons, office.rest.asked) == (["under_way"], [("dial", PERSON)])
    await office.work.stop()


@pytest.mark.parametrize(
    ("error", "reasons"),
    [
        (LinkError("twilio_21211", retryable=False), ["refused", "refused"]),
        (LinkError("unknown", retryable=False), ["unknown", "under_way"]),
    ],
)
async def test_an_order_that_failed_is_tried_again_unless_it_may_ring(
    error: LinkError, reasons: list[str]
) -> None:
    office, found = Office(), list[str]()
    office.rest.failure = error
    for _ in reasons:
        with pytest.raises(NotDialled) as caught:
            await office.place("visit-1")
        found.append(caught.value.reason)
    assert found == reasons
    assert len(office.rest.asked) == 1 + (reasons[0] == reasons[1])


SUNDAY = datetime(2026, 11, 29, 12, 0, tzinfo=UTC).timestamp()


async def test_outside_the_hours_of_an_agent_nobody_is_called() -> None:
    office = Office(an_agent(hours={"zone": "UTC", "mon-fri": "10:00-20:00"}))
    office.registry.at = SUNDAY
    with pytest.raises(NotDialled) as caught:
        await office.place()
    assert (caught.value.reason, office.rest.asked) == ("outside_hours", [])


# --- What others know of it ---


async def test_whoever_forgets_the_person_finds_all_that_was_stored_of_the_call() -> None:
    office = Office()
    await office.place("visit-4711", Briefing("A parcel.", {}))
    assert await office.index.calls(PERSON) == [(SID, SID)]
    briefing, done = await office.index.keys(PERSON)
    assert briefing.startswith("briefing:")
    assert done.endswith(":done")
    assert await office.store.get(briefing)
    assert (await office.store.get(done) or "").endswith(SID)
    await office.work.stop()


async def test_every_process_knows_whose_call_it_is() -> None:
    office = Office()
    await office.place()
    state = OutboundState("caller", PERSON, OURS)
    assert await office.registry.dials.find(SID) == state
    assert [(one.call_sid, one.direction) for one in office.records.opened] == [(SID, "outbound")]
    await office.work.stop()


# --- How it goes on ---


@pytest.mark.parametrize(
    ("status", "ending", "outcome"),
    [
        ("no-answer", Ending.NO_ANSWER, "no_answer"),
        ("busy", Ending.BUSY, "busy"),
        ("canceled", Ending.CANCELED, "canceled"),
        ("failed", Ending.DIAL_FAILED, "failed"),
        ("something-new", Ending.DIAL_FAILED, "failed"),
    ],
)
async def test_nobody_takes_it(status: str, ending: Ending, outcome: str) -> None:
    office = Office()
    await office.place()
    await office.calls.on_status(SID, status)
    await office.work.over()
    assert office.records.endings == [ending]
    assert office.counted(outcome) == 1
    assert office.rest.asked == [("dial", PERSON)]


def test_how_it_goes_is_seen_though_another_process_gets_the_callbacks() -> None:
    async def rings() -> Office:
        office = Office()
        await office.place()
        for status in ("ringing", "in-progress", "completed"):
            await office.registry.dials.set_status(SID, status)
            await asyncio.sleep(2 * limits.outbound.DIAL_LOOK_S)
        await office.work.over()
        return office

    office = skipping(rings())
    ringing, answered, _ = office.records.told
    assert (ringing, answered) == (events.CalleeRinging(), events.CalleeAnswered())
    assert office.counted("answered") == 1


@pytest.mark.parametrize(
    ("known", "runs", "endings"),
    [
        (Ending.CALLER_HUNG_UP, False, [Ending.CALLER_HUNG_UP]),
        (None, False, [Ending.NEVER_ARRIVED]),
        (Ending.CALLER_HUNG_UP, True, []),  # its own end is still to come
    ],
)
async def test_how_one_that_was_answered_has_ended(
    known: Ending | None, runs: bool, endings: list[Ending]
) -> None:
    office = Office()
    await office.place()
    office.registry.ending = known
    if runs:
        office.registry.running = [Answered()]
    await office.calls.on_status(SID, "completed")
    await office.work.over()
    assert office.records.endings == endings
    assert [office.counted(one) for one in ("failed", "canceled")] == [0, 0]


@pytest.mark.parametrize(
    ("says", "ending", "hung_up"),
    [
        ("busy", Ending.BUSY, False),
        ("completed", Ending.NEVER_ARRIVED, False),
        ("ringing", Ending.DIAL_FAILED, True),
        ("", Ending.DIAL_FAILED, True),  # Twilio did not say
    ],
)
async def test_when_no_callback_comes_twilio_is_asked(
    says: str, ending: Ending, hung_up: bool
) -> None:
    office = Office(late_s=AT_ONCE_S)
    office.rest.says = says
    await office.place()
    with capture_logs() as logs:
        await office.work.over()
    assert office.rest.asked[1:] == [("status", SID), ("hang up", SID)][: 1 + hung_up]
    assert office.records.endings == [ending]
    assert [(line["event"], line["status"]) for line in logs[:1]] == [
        ("outbound_status_missing", says)
    ]


async def test_one_that_cannot_be_hung_up_is_over_all_the_same() -> None:
    office = Office(late_s=AT_ONCE_S)
    office.rest.says = "ringing"
    await office.place()
    office.rest.failure = LinkError("http_500", retryable=True)
    with capture_logs() as logs:
        await office.work.over()
    failed = [line for line in logs if line["event"] == "outbound_hangup_failed"]
    assert [(line["reason"], line["log_level"]) for line in failed] == [("http_500", "error")]
    assert office.records.endings == [Ending.DIAL_FAILED]
    assert office.registry.slots == {}


def test_one_that_was_answered_may_last_as_long_as_a_call_may() -> None:
    """Not only as long as it may ring."""

    async def talks() -> Office:
        office = Office(late_s=AT_ONCE_S)
        office.rest.before_its_answer = lambda: office.calls.on_status(SID, "in-progress")
        await office.place()
        await asyncio.sleep(3 * limits.outbound.DIAL_LOOK_S)
        await office.calls.on_status(SID, "completed")
        await office.work.over()
        return office

    assert skipping(talks()).rest.asked == [("dial", PERSON)]


def test_one_of_whose_end_nobody_tells_has_ended_as_a_call() -> None:
    async def lasts() -> Office:
        over = an_agent().model_copy(update={"max_call_s": -limits.call.WARN_BEFORE_END_S})
        office = Office(over, late_s=AT_ONCE_S)
        office.registry.ending = Ending.CALLER_HUNG_UP
        office.rest.says = "in-progress"
        office.rest.before_its_answer = lambda: office.calls.on_status(SID, "in-progress")
        await office.place()
        await office.work.over()
        return office

    office = skipping(lasts())
    assert office.rest.asked[1:] == [("status", SID), ("hang up", SID)]
    assert office.records.endings == [Ending.CALLER_HUNG_UP]


# --- Calling it off ---


async def test_only_what_rings_here_can_be_called_off() -> None:
    office = Office()
    assert not await office.calls.cancel(SID)
    await office.place()
    assert await office.calls.cancel(SID)
    office.rest.failure = LinkError("http_500", retryable=True)
    with pytest.raises(NotDialled, match="cannot be reached"):
        await office.calls.cancel(SID)
    assert [what for what, _ in office.rest.asked] == ["dial", "cancel", "cancel"]
    await office.work.stop()


def test_one_that_was_answered_is_hung_up_and_not_called_off() -> None:
    async def answered() -> bool:
        office = Office()
        await office.place()
        await office.calls.on_status(SID, "in-progress")
        await asyncio.sleep(limits.outbound.DIAL_LOOK_S)
        called_off = await office.calls.cancel(SID)
        await office.work.stop()
        assert office.rest.asked == [("dial", PERSON)]
        return called_off

    assert not skipping(answered())


# --- Who has answered ---

MACHINE = inputs.MachineDetectionFinished("machine_start")


async def test_who_answered_is_told_to_the_call_at_once_where_it_is_here() -> None:
    office, here, ended = Office(), Answered(), Answered(over=True)
    office.registry.running = [here, ended]
    await office.calls.detected(SID, "machine_start")
    assert (here.notified, ended.notified) == ([MACHINE], [])
    assert await office.registry.dials.answered_by(SID) == "machine_start"


def test_and_looked_for_where_another_process_got_to_know_it() -> None:
    async def learns() -> tuple[Answered, float]:
        office, call = Office(), Answered()
        office.calls.watch(call)  # type: ignore[arg-type]
        await asyncio.sleep(10)
        assert call.notified == []
        await office.registry.dials.set_answered_by(SID, "machine_start")
        await office.work.over()
        return call, now_s()

    call, took_s = skipping(learns())
    assert call.notified == [MACHINE]
    assert took_s < 11


def test_nobody_looks_for_it_once_the_call_is_over() -> None:
    async def ends() -> tuple[Answered, float]:
        office, call = Office(), Answered()
        office.calls.watch(call)  # type: ignore[arg-type]
        await asyncio.sleep(10)
        call.over = True
        await office.work.over()
        return call, now_s()

    call, took_s = skipping(ends())
    assert call.notified == []
    assert took_s < 11


@pytest.mark.parametrize(
    "call",
    [
        Answered(direction="inbound"),
        Answered(resumed=True),
        Answered(an_agent(machine="talk", fax="talk")),
        Answered(an_agent().model_copy(update={"outbound": None})),
    ],
    ids=["it came in", "it was known before", "the agent talks to everybody", "not its call"],
)
async def test_whose_answerer_nobody_looks_for(call: Any) -> None:
    office = Office()
    office.calls.watch(call)
    assert office.work.tasks == []
