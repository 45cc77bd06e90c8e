"""Two processes, one Redis, one database: a console at either one sees and steers every call.

Then one process alone, with a store that is the test.
"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import msgspec
import pytest
from gateway_calls import QUIET, new_sid
from PIL import Image
from redis_end import RedisEnd, running_redis
from running_gateway import GatewayRig, running_gateway
from skipped_time import skipping
from structlog.testing import capture_logs

from gateway import limits
from gateway.bridge.operators.actions import ActionOutcome, OperatorAction
from gateway.bridge.operators.remote_calls import BoardLine, OperatorMessage, RemoteCalls
from gateway.call import events
from gateway.call.endings import Ending
from gateway.errors import NotDialled
from gateway.ops.records.history import CallFilter
from gateway.ops.records.live_changes import EndedLine, LiveChanges
from gateway.ops.records.record import CallSummary
from gateway.simulator.openai.main import ModelServer

TOKEN = "a-token-of-the-operators"


@pytest.fixture
async def redis() -> AsyncIterator[RedisEnd]:
    async with running_redis() as running:
        yield running


@dataclass
class Pair:
    """A process that has calls, and one at which the operator is."""

    has: GatewayRig
    client: httpx2.AsyncClient

    async def live(self, query: str = "") -> list[dict[str, Any]]:
        answer = await self.client.get(f"/api/calls?state=live{query}")
        calls: list[dict[str, Any]] = answer.json()["calls"]
        return calls

    async def sees(self, call_sid: str) -> None:
        async with asyncio.timeout(30):
            while call_sid not in [call["id"] for call in await self.live()]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def post(self, path: str, **body: Any) -> httpx2.Response:
        return await self.client.post(path, **body)


@pytest.fixture
async def pair(
    agents_file: Path, model: ModelServer, redis: RedisEnd, tmp_path: Path
) -> AsyncIterator[Pair]:
    more = {
        "GATEWAY_ADMIN_TOKEN": TOKEN,
        "GATEWAY_STORE": redis.url,
        "GATEWAY_STORE_KEY": "key",
        "GATEWAY_DATABASE": f"sqlite:///{tmp_path}/shared.sqlite3",
    }
    async with AsyncExitStack() as stack:
        has, other = [
            await stack.enter_async_context(running_gateway(agents_file, model, **more))
            for _ in "12"
        ]
        client = httpx2.AsyncClient(
            verify=False,
            base_url=other.url,
            headers={"Authorization": f"Bearer {TOKEN}"},
            trust_env=False,
            timeout=20.0,
        )
        yield Pair(has, await stack.enter_async_context(client))


@pytest.mark.needs("redis-server")
async def test_a_call_of_another_process_is_seen_and_hung_up(pair: Pair) -> None:
    async with pair.has.carrier.call(QUIET) as stream, stream.breathing():
        await pair.has.note(events.CallerConnected)
        path = f"/api/calls/{stream.call_sid}"
        await pair.sees(stream.call_sid)
        answer = (await pair.client.get("/api/calls")).json()
        assert answer["elsewhere"] == [stream.call_sid]
        assert await pair.live("&agent=reception") == []
        assert await pair.live("&caller=%2B15550000000") == []
        record = (await pair.client.get(path)).json()
        assert (record["state"], record["agent"]) == ("talking", "quiet")
        hung_up = await pair.post(f"{path}/hangup")
        assert (hung_up.status_code, hung_up.json()["action"]) == (202, "hangup")
        assert (await pair.has.note(events.CallEnded)).ending is Ending.OPERATOR_HUNG_UP
    async with asyncio.timeout(30):
        while (await pair.client.get(path)).json().get("state") != "ended":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert (await pair.post(f"{path}/hangup")).status_code == 409
    assert (await pair.post(f"/api/calls/{new_sid('CA')}/hangup")).status_code == 404
    (ended,) = (await pair.client.get("/api/calls?state=ended")).json()["calls"]
    assert ended["id"] == stream.call_sid


@pytest.mark.needs("redis-server")
async def test_a_line_and_a_picture_reach_it_and_a_refusal_comes_back(pair: Pair) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((64, 48), 80).save(buffer, "PNG")
    async with pair.has.carrier.call(QUIET) as stream, stream.breathing():
        await pair.has.note(events.ModelReady)
        await pair.sees(stream.call_sid)
        path = f"/api/calls/{stream.call_sid}"
        refused = await pair.post(f"{path}/transfer", json={"to": "nobody"})
        assert refused.status_code == 422
        assert "targets: none" in refused.json()["detail"]
        unknown = await pair.post(f"{path}/approvals/none", json={"approve": True})
        assert unknown.status_code == 404
        shown = await pair.post(
            f"{path}/image", content=buffer.getvalue(), headers={"Content-Type": "image/png"}
        )
        assert shown.status_code == 202, shown.text
        await pair.has.note(events.TranscriptLine)
        assert (await pair.post(f"{path}/say", json={"text": "We close."})).status_code == 202


@pytest.mark.needs("redis-server")
async def test_the_stream_of_events_tells_of_it(pair: Pair) -> None:
    async with pair.client.stream("GET", "/api/events") as response:
        lines = response.aiter_lines()
        assert await anext(lines) == ": watching"
        async with pair.has.carrier.call(QUIET) as stream, stream.breathing():
            await pair.has.note(events.CallerConnected)
            change = await _change(lines, stream.call_sid)
            assert (change["part"], change["remote"]) == ("summary", True)
            assert change["value"]["agent"] == "quiet"
            await stream.stop()
        while change["value"]["state"] != "ended":
            change = await _change(lines, stream.call_sid)
        assert change["value"]["ending"] == "caller_hung_up"


async def _change(lines: AsyncIterator[str], call_sid: str) -> dict[str, Any]:
    async with asyncio.timeout(30):
        async for line in lines:
            if line.startswith("data: "):
                change: dict[str, Any] = json.loads(line.removeprefix("data: "))
                if change["call"] == call_sid:
                    return change
    raise AssertionError("the stream is over")


# --- One process, step by step ---


def summary(name: str, **more: Any) -> CallSummary:
    known: dict[str, Any] = {
        "id": name,
        "call_sid": f"{name}-sid",
        "agent": "desk",
        "model": "m",
        "path": "media-streams",
        "caller": "+1•••99",
        "dialled": "+1•••00",
        "began_at": "2026-01-01T10:00:00Z",
    }
    return CallSummary(**known | more)


def board(*calls: CallSummary, caller: str = "") -> str:
    return msgspec.json.encode([BoardLine(call, caller) for call in calls]).decode()


class StoreOfAll:
    """The shared store: boards of all processes, and mailboxes."""

    def __init__(self, *, shared: bool = True) -> None:
        self.shared = shared
        self.boards: dict[str, str] = {}
        self.posts: list[tuple[str, float]] = []
        self.pushed: list[tuple[str, OperatorMessage, float]] = []
        self.mail: list[OperatorMessage] = []
        self.taken: list[str] = []
        self.takes = True
        self.on_push: Callable[[OperatorMessage], None] = lambda _: None

    async def posted(self, key: str) -> dict[str, str]:
        assert key == "live-calls"
        return self.boards

    async def post(self, key: str, process: str, text: str, ttl_s: float) -> None:
        assert key == "live-calls"
        self.boards[process] = text
        self.posts.append((text, ttl_s))

    async def push(self, key: str, text: str, ttl_s: float) -> bool:
        message = msgspec.json.decode(text, type=OperatorMessage)
        self.pushed.append((key, message, ttl_s))
        self.on_push(message)
        return self.takes

    async def pop(self, key: str) -> str | None:
        self.taken.append(key)
        return msgspec.json.encode(self.mail.pop(0)).decode() if self.mail else None


class Records:
    """Running calls of this process, by name: each with its caller's number."""

    def __init__(self) -> None:
        self.live: dict[str, str] = {}
        self.asked: list[str] = []

    def find_live(self, key: str) -> Any:
        self.asked.append(key)
        if key not in self.live:
            return None
        return _record(key)

    def live_callers(self) -> dict[str, str]:
        return dict(self.live)


def _record(key: str) -> Any:
    return SimpleNamespace(summary=lambda: summary(key))


class Here:
    """`RemoteCalls` of this process, with all that stands around it."""

    def __init__(self, *, shared: bool = True, watched: bool = False) -> None:
        self.store, self.records = StoreOfAll(shared=shared), Records()
        self.changes = LiveChanges(shared=True)
        self.published: list[tuple[str, str, object, bool]] = []
        self.stream = SimpleNamespace(watched=watched, publish=self._publish)
        self.performed: list[tuple[str, OperatorAction]] = []
        self.outcome: ActionOutcome | Exception | None = ActionOutcome(202)
        self.now_s = 100.0
        self.hashes = {"+15550199": "hash"}
        parts: list[Any] = [self.store, self.changes, self.records, self.stream]
        self.calls = RemoteCalls(
            *parts, self._perform, lambda number: self.hashes.get(number, ""), lambda: self.now_s
        )

    def _publish(self, key: str, part: str, value: object, *, remote: bool) -> None:
        self.published.append((key, part, value, remote))

    async def _perform(self, key: str, action: OperatorAction) -> ActionOutcome | None:
        self.performed.append((key, action))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def answers(self, **what: Any) -> None:
        """Have each request answered so by the process that has the call."""

        def answer(message: OperatorMessage) -> None:
            self.store.mail.append(OperatorMessage(message.id, answers=True, **what))

        self.store.on_push = answer


ENDED: dict[str, Any] = {"state": "ended"}


async def test_calls_of_others_are_listed_newest_first() -> None:
    here = Here()
    old, new = summary("CA1"), summary("CA2", began_at="2026-01-01T11:00:00Z")
    twin, over = summary("CA3"), summary("CA4", **ENDED)
    here.store.boards = {"a": board(old, over), "b": board(new, twin), "broken": "["}
    with capture_logs() as logs:
        assert await here.calls.live(CallFilter()) == [new, twin, old]
    [line] = logs
    assert (line["event"], line["key"]) == ("store_value_unreadable", "live-calls:broken")
    assert await here.calls.live(CallFilter(agent="shop")) == []
    assert here.calls.shared


async def test_of_a_call_on_two_boards_the_one_that_runs_counts_and_of_two_the_newer() -> None:
    here = Here()
    over, runs = summary("CA1", **ENDED), summary("CA1", began_at="2026-01-01T09:00:00Z")
    newer = summary("CA1", began_at="2026-01-01T09:30:00Z")
    for boards in ((over, runs), (runs, over), (runs, newer), (newer, runs), (newer, newer)):
        here.store.boards = {str(nth): board(one) for nth, one in enumerate(boards)}
        [found] = await here.calls.live(CallFilter())
        assert found == (newer if newer in boards else runs)


@pytest.mark.parametrize(
    ("number", "caller", "found"),
    [
        ("+15550199", "hash", True),
        ("+15550199", "other", False),
        ("+15550000", "", False),  # no hash: nobody is that caller
        ("", "other", True),
    ],
)
async def test_calls_of_a_caller_are_found_by_the_hash(
    number: str, caller: str, found: bool
) -> None:
    here = Here()
    here.store.boards = {"a": board(summary("CA1"), caller=caller)}
    assert len(await here.calls.live(CallFilter(caller=number))) == found


async def test_alone_there_are_no_calls_of_others() -> None:
    here = Here(shared=False)
    here.store.boards = {"a": board(summary("CA1"))}
    assert await here.calls.live(CallFilter()) == []
    assert not here.calls.shared


SAY = OperatorAction("say", "Hello.")


@pytest.mark.parametrize("name", ["CA1", "CA1-sid"])
async def test_a_request_goes_to_the_process_that_has_the_call(name: str) -> None:
    here = Here()
    here.store.boards = {"other": board(summary("CA1"))}
    here.answers(outcome=ActionOutcome(202, action="say"))
    asking = asyncio.create_task(here.calls.perform(name, SAY))
    await until(lambda: bool(here.store.mail))
    [(mailbox, message, ttl_s)] = here.store.pushed
    assert (mailbox, ttl_s) == ("operators:other", limits.store.MAILBOX_MESSAGE_S)
    assert (message.key, message.action, message.answers) == (name, SAY, False)
    stray = OperatorMessage("another", answers=True)
    here.store.mail = [stray, *here.store.mail * 2]
    await here.calls.look()
    assert await asking == ActionOutcome(202, action="say")
    assert {f"operators:{message.reply_to}"} == {*here.store.taken}
    # An answer that comes again, or late, is nobody's.
    here.store.mail = [OperatorMessage(message.id, answers=True)]
    await here.calls.look()
    assert not here.performed


@pytest.mark.parametrize("why", ["unknown", "ended", "store away", "no answer"])
async def test_a_request_that_nobody_answers(why: str) -> None:
    here = Here()
    here.store.boards = {"other": board(summary("CA1", **(ENDED if why == "ended" else {})))}
    here.store.takes = why != "store away"
    here.answers(outcome=None, record=None)
    asking = asyncio.create_task(here.calls.perform("CA2" if why == "unknown" else "CA1", SAY))
    if why == "no answer":  # of a process that has no such call
        await until(lambda: bool(here.store.mail))
        await here.calls.look()
    assert await asyncio.wait_for(asking, 10) is None
    assert bool(here.store.pushed) == (why in ("store away", "no answer"))


async def test_a_record_is_asked_for_without_an_action() -> None:
    here = Here()
    here.store.boards = {"other": board(summary("CA1"))}
    here.answers()
    asking = asyncio.create_task(here.calls.record("CA1"))
    await until(lambda: bool(here.store.mail))
    assert here.store.pushed[0][1].action is None
    await here.calls.look()
    assert await asking is None
    assert await here.calls.record("CA2") is None


async def test_a_request_of_another_process_is_carried_out_and_answered() -> None:
    here = Here()
    here.store.mail = [OperatorMessage("m1", "other", "CA1", SAY)]
    await here.calls.look()
    assert here.performed == [("CA1", SAY)]
    answer = OperatorMessage("m1", answers=True, outcome=ActionOutcome(202))
    assert here.store.pushed == [("operators:other", answer, limits.store.MAILBOX_MESSAGE_S)]


async def test_a_call_that_cannot_be_ended_is_answered_with_the_reason() -> None:
    here = Here()
    here.outcome = NotDialled("twilio", "Twilio does not answer.")
    here.store.mail = [OperatorMessage("m1", "other", "CA1", OperatorAction("hangup"))]
    await here.calls.look()
    [(_, answer, _)] = here.store.pushed
    assert answer.outcome == ActionOutcome(502, "Twilio does not answer.")


async def test_a_record_of_a_call_that_is_not_here_is_answered_too() -> None:
    here = Here()
    here.store.mail = [OperatorMessage("m1", "other", "CA1")]
    await here.calls.look()
    [(_, answer, _)] = here.store.pushed
    assert (answer.record, answer.outcome, answer.answers) == (None, None, True)
    assert not here.performed


async def test_a_mailbox_is_read_in_batches() -> None:
    here = Here()
    here.store.mail = [OperatorMessage("m", "other", "CA1")] * (limits.store.MAILBOX_BATCH_MAX + 1)
    await here.calls.look()
    assert len(here.store.mail) == 1
    assert len(here.store.taken) == limits.store.MAILBOX_BATCH_MAX


async def test_calls_are_posted_when_one_begins_changes_or_ends() -> None:
    here = Here()
    await here.calls.look()
    assert here.store.posts == [], "nothing was there and nothing is"
    here.records.live = {"CA1": "+15550199", "CA2": ""}
    await here.calls.look()
    [(text, ttl_s)] = here.store.posts
    assert ttl_s == limits.records.BOARD_S
    lines = msgspec.json.decode(text, type=list[BoardLine])
    assert lines == [BoardLine(summary("CA1"), "hash"), BoardLine(summary("CA2"), "")]
    await here.calls.look()
    assert len(here.store.posts) == 1, "none began or ended, and it is not time"
    del here.records.live["CA1"]
    over = summary("CA1", **ENDED)
    here.changes.ended(EndedLine(over, 100.0))
    await here.calls.look()
    lines = msgspec.json.decode(here.store.posts[-1][0], type=list[BoardLine])
    assert lines == [BoardLine(summary("CA2"), ""), BoardLine(over, "")]
    # Its own board is not another's.
    assert await here.calls.live(CallFilter()) == []


async def test_a_line_that_did_not_change_is_not_made_again() -> None:
    here = Here()
    asked = here.records.asked
    here.records.live = {"same": "", "changed": "", "unhashed": "+15550000"}
    await here.calls.look()
    assert asked == ["same", "changed", "unhashed"]
    asked.clear()
    here.changes.changed("changed")
    here.records.live["new"] = ""
    here.hashes["+15550000"] = "late"
    await here.calls.look()
    assert asked == ["changed", "unhashed", "new"]
    lines = msgspec.json.decode(here.store.posts[-1][0], type=list[BoardLine])
    assert [line.caller for line in lines] == ["", "", "late", ""]
    asked.clear()
    here.records.live["newer"] = ""
    await here.calls.look()
    assert asked == ["newer"], "its caller is known by now"


async def test_a_board_that_stays_the_same_is_posted_again_when_it_is_time() -> None:
    here = Here()
    here.records.live = {"CA1": ""}
    await here.calls.look()
    here.now_s += limits.records.BOARD_EVERY_S - 0.1
    await here.calls.look()
    assert len(here.store.posts) == 1
    here.now_s += 0.1
    await here.calls.look()
    assert len(here.store.posts) == 2
    assert here.store.posts[0] == here.store.posts[1]
    # A call that is no longer there leaves an empty board behind, once.
    here.records.live = {}
    for _ in range(2):
        here.now_s += limits.records.BOARD_EVERY_S
        await here.calls.look()
    assert [text for text, _ in here.store.posts[2:]] == ["[]"]


async def test_a_board_is_bounded() -> None:
    here = Here()
    here.records.live = {f"CA{nth}": "" for nth in range(limits.records.BOARD_CALLS_MAX + 1)}
    await here.calls.look()
    lines = msgspec.json.decode(here.store.posts[-1][0], type=list[BoardLine])
    assert len(lines) == limits.records.BOARD_CALLS_MAX


async def test_consoles_hear_of_calls_elsewhere_once_for_each_look() -> None:
    here = Here(watched=True)
    theirs, over = summary("CA1"), summary("CA2", **ENDED)
    here.store.boards = {"other": board(theirs, over, summary("CA3"))}
    here.records.live = {"CA3": ""}  # it came here, and is still on the other's board
    await here.calls.look()
    shown = [("CA1", "summary", theirs, True), ("CA2", "summary", over, True)]
    assert here.published == shown
    here.store.boards.pop("other")
    await here.calls.look()
    assert here.published == shown, "it is not time to look again"
    # Whoever begins to watch sees all of it anew; the board is looked at when it is time.
    here.stream.watched = False
    await here.calls.look()
    here.stream.watched = True
    await here.calls.look()
    assert here.published == shown


async def test_what_was_seen_and_is_on_no_board_is_gone() -> None:
    here = Here(watched=True)
    theirs, over, ours = summary("CA1"), summary("CA2", **ENDED), summary("CA3")
    here.store.boards = {"other": board(theirs, over, ours)}
    await here.calls.look()
    here.published.clear()
    here.now_s += limits.records.BOARD_EVERY_S
    await here.calls.look()
    assert here.published == [], "nothing has changed"
    here.store.boards = {}
    here.records.live = {"CA3": ""}
    here.now_s += limits.records.BOARD_EVERY_S
    await here.calls.look()
    assert here.published == [("CA1", "gone", None, True)]


async def test_a_board_of_many_calls_is_made_in_pieces() -> None:
    """All at one go, it would hold up the sound of everybody who talks."""
    here, turns, over = Here(), 0, False
    here.records.live = {f"CA{nth}": "" for nth in range(50)}

    async def another() -> None:
        nonlocal turns
        while not over:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(another())
    await here.calls.look()
    over = True
    await other
    assert turns >= 50


def test_the_mailbox_is_read_more_often_while_an_answer_is_on_its_way() -> None:
    async def look() -> tuple[int, int]:
        here = Here()
        here.store.boards = {"other": board(summary("CA1"))}
        looking = asyncio.create_task(here.calls.run())
        await asyncio.sleep(2.0)
        idle = len(here.store.taken)
        with capture_logs() as logs:
            assert await here.calls.perform("CA1", SAY) is None
        assert [(line["event"], line["process"]) for line in logs] == [
            ("operator_request_unanswered", "other")
        ]
        looking.cancel()
        return idle, len(here.store.taken) - idle

    idle, asking = skipping(look())
    assert idle == pytest.approx(2.0 / limits.store.MAILBOX_EVERY_S, abs=1)
    wait_s, every_s = limits.records.REMOTE_ANSWER_MAX_S, limits.records.REMOTE_LOOK_S
    assert asking == pytest.approx(wait_s / every_s, abs=3)


def test_a_message_that_nobody_can_read_ends_nothing() -> None:
    async def look() -> list[tuple[str, OperatorAction]]:
        here = Here()
        texts = ["{", msgspec.json.encode(OperatorMessage("m1", "other", "CA1", SAY)).decode()]

        async def pop(_key: str) -> str | None:
            return texts.pop(0) if texts else None

        here.store.pop = pop  # type: ignore[method-assign] # the far end
        with capture_logs() as logs:
            looking = asyncio.create_task(here.calls.run())
            await asyncio.sleep(2.0)
            looking.cancel()
        assert [line["event"] for line in logs] == ["mailbox_read_failed"]
        return here.performed

    assert skipping(look()) == [("CA1", SAY)]


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
