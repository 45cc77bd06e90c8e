"""Calls from browsers: which may begin or come back, and what a failed one leaves behind."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gateway import limits
from gateway.agents.config.agent import Agent
from gateway.audio.wire import MULAW_8K, PCM_24K, WireFormat
from gateway.bridge.inbound.browser_calls import BrowserCalls
from gateway.call import inputs
from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.call.snapshot import CallSnapshot
from gateway.errors import NotAdmitted, SignatureRefused
from gateway.ops.limits.admission import Admission
from gateway.ops.limits.signed_tokens import ResumeTokens


class FailingRegistry:
    """A registry with one agent that cannot announce its first call."""

    max_calls = 10
    calls: tuple[Any, ...] = ()

    def __init__(self, agent: Agent) -> None:
        self.book = SimpleNamespace(agents={agent.name: agent})
        self.agents = SimpleNamespace(agent=lambda name, _sid: self.book.agents.get(name))
        self.announced = 0

    def refusal(self, *, resumed: bool = False) -> None:
        assert resumed in (True, False)

    def media_call(self, _call_sid: str) -> None:
        return None

    async def ending_of(self, _call_sid: str) -> Ending:
        return Ending.MEDIA_BROKEN

    def announce(self, facts: Any, _agent: Agent, *, wire: WireFormat, state: Any = None) -> Any:
        assert wire is MULAW_8K
        assert state is None or state.resumes
        self.announced += 1
        if self.announced == 1:
            raise RuntimeError("a bug of ours")
        return facts


class Snapshots:
    """Snapshots of calls that broke off."""

    async def load(self, call_sid: str) -> CallSnapshot:
        return CallSnapshot("only", "media-streams", arrived=True, call_sid=call_sid)

    async def sound(self, _call_sid: str) -> bytes:
        return b""


def browser_calls() -> tuple[BrowserCalls, ResumeTokens]:
    agent = Agent(name="only", instructions="Be kind.", max_calls=1)
    tokens = ResumeTokens(["secret"], lambda: 0.0)
    parts: Any = (FailingRegistry(agent), Snapshots(), Admission(None, None), tokens)
    return BrowserCalls(*parts, lambda: None, lambda: 0.0, lambda: None), tokens


async def test_one_that_comes_back_and_fails_leaves_no_slot_taken() -> None:
    calls, tokens = browser_calls()

    def ticket(call_sid: str) -> str:
        return tokens.issue(call_sid, "only", MULAW_8K.encoding, 60.0)

    with pytest.raises(RuntimeError):
        await calls.resume(ticket("WB1"), "only", MULAW_8K)
    await calls.resume(ticket("WB2"), "only", MULAW_8K)
    with pytest.raises(NotAdmitted, match="agent_full"):
        await calls.resume(ticket("WB3"), "only", MULAW_8K)


async def test_a_call_that_fails_leaves_no_slot_taken() -> None:
    calls, _ = browser_calls()
    with pytest.raises(RuntimeError):
        await calls.begin("only", MULAW_8K)
    await calls.begin("only", MULAW_8K)
    with pytest.raises(NotAdmitted, match="agent_full"):
        await calls.begin("only", MULAW_8K)


# --- Which may begin, and which may come back ---

AGENT = Agent(name="only", instructions="Be kind.", max_calls=1, resume="silent")
OTHER = Agent(name="other", instructions="Be kind.")
A_CALLERS = SimpleNamespace(facts=SimpleNamespace(has_carrier=True))
A_BROWSERS = SimpleNamespace(facts=SimpleNamespace(has_carrier=False))


class Running:
    """A call that still runs here, though its browser has come back already."""

    def __init__(self) -> None:
        self.endings: list[Ending] = []

    def hang_up(self, ending: Ending) -> None:
        self.endings.append(ending)


class Announced:
    def __init__(self) -> None:
        self.notified: list[object] = []

    def notify(self, event: object) -> None:
        self.notified.append(event)


class Process:
    """Calls of this process, and one that broke off."""

    def __init__(self) -> None:
        self.book = SimpleNamespace(agents={"only": AGENT, "other": OTHER})
        self.agents = SimpleNamespace(agent=lambda name, _sid: self.book.agents.get(name))
        self.max_calls, self.calls = 8, list[Any]()
        self.full: dict[bool, str] = {}
        """Why no call is taken, by whether it is one that comes back."""
        self.shed: str | None = None
        self.budget_used = 0.0
        self.running: Running | None = None
        self.ending: Ending | None = Ending.MEDIA_BROKEN
        self.state: CallSnapshot | None = CallSnapshot("only", "browser", arrived=True)
        self.heard = b""
        self.saved: list[Ending] = []
        self.announced: list[tuple[CallInfo, Agent, CallSnapshot | None]] = []
        self.came_back = 0
        self.admission = Admission(None, None)
        self.tokens = ResumeTokens(["secret"], lambda: 0.0)
        parts: Any = (self, SimpleNamespace(ended=self._ended, load=self._load, sound=self._sound))
        self.browsers = BrowserCalls(
            *parts,
            self.admission,
            self.tokens,
            lambda: self.shed,
            lambda: self.budget_used,
            self._came_back,
            begins_burst=2,
        )

    def _came_back(self) -> None:
        self.came_back += 1

    async def _ended(self, call: Running, ending: Ending) -> None:
        assert call is self.running
        self.saved.append(ending)

    async def _load(self, _call_sid: str) -> CallSnapshot | None:
        return self.state

    async def _sound(self, _call_sid: str) -> bytes:
        return self.heard

    async def ending_of(self, _call_sid: str) -> Ending | None:
        return self.ending

    def media_call(self, _call_sid: str) -> Running | None:
        return self.running

    def refusal(self, *, resumed: bool = False) -> str | None:
        return self.full.get(resumed)

    def announce(
        self,
        facts: CallInfo,
        agent: Agent,
        *,
        wire: WireFormat,
        state: CallSnapshot | None = None,
    ) -> Announced:
        assert wire is MULAW_8K
        self.announced.append((facts, agent, state))
        return Announced()

    async def resume(self, link_agent: str = "only", wire: WireFormat = MULAW_8K) -> Any:
        token = self.tokens.issue("WB1", "only", MULAW_8K.encoding, 60.0)
        return await self.browsers.resume(token, link_agent, wire)

    async def not_resumed(self) -> str:
        with pytest.raises(NotAdmitted) as refused:
            await self.resume()
        assert self.announced == []
        assert self.came_back == 0
        return refused.value.reason


@pytest.fixture
def process() -> Process:
    return Process()


@pytest.mark.parametrize(
    ("max_calls", "browsers", "refused"),
    [
        (8, 3, None),
        (8, 4, "full"),
        (80, 4, "full"),  # however many callers the process takes
        (5, 1, None),
        (5, 2, "full"),  # the other three are for callers
        (1, 0, None),  # but one in any case
        (1, 1, "full"),
    ],
)
async def test_browsers_take_a_share_of_the_calls(
    process: Process, max_calls: int, browsers: int, refused: str | None
) -> None:
    process.max_calls = max_calls
    process.calls = [A_BROWSERS] * browsers + [A_CALLERS] * 9
    assert process.browsers.refusal("only") == refused


@pytest.mark.parametrize(("used", "refused"), [(0.49, None), (0.5, "budget"), (0.9, "budget")])
async def test_and_a_share_of_the_budget(
    process: Process, used: float, refused: str | None
) -> None:
    process.budget_used = used
    assert process.browsers.refusal("only") == refused


async def test_no_call_begins_where_a_telephones_would_not(process: Process) -> None:
    assert process.browsers.refusal("nobody") == "unknown_agent"
    process.shed = "model_down"
    assert process.browsers.refusal("only") == "model_down"
    process.full = {False: "draining"}
    assert process.browsers.refusal("only") == "draining"


async def test_a_call_that_begins_has_a_name_of_its_own(process: Process) -> None:
    await process.browsers.begin("other", MULAW_8K)
    await process.browsers.begin("other", MULAW_8K)
    (one, agent, state), (another, *_) = process.announced
    assert (agent, state) == (OTHER, None)
    assert one.call_sid.startswith("WB")
    assert (one.agent, one.path, one.caller, one.dialled) == ("other", "browser", "", "")
    assert one.call_sid != another.call_sid


async def test_calls_do_not_begin_more_often_than_they_may(process: Process) -> None:
    for _ in range(2):
        await process.browsers.begin("other", MULAW_8K)
    with pytest.raises(NotAdmitted, match="too_often"):
        await process.browsers.begin("other", MULAW_8K)


async def test_a_call_that_broke_off_goes_on_where_it_was(process: Process) -> None:
    process.state = CallSnapshot("only", "browser", arrived=True, resumes=2)
    call = await process.resume()
    ((facts, agent, state),) = process.announced
    assert facts == CallInfo("WB1", "", "", "only", "browser")
    assert agent is AGENT
    assert state is not None
    assert (state.resumes, state.silently) == (3, True)
    assert (call.notified, process.came_back) == ([], 1)


async def test_and_with_the_sound_that_nobody_understood_before_it_broke(process: Process) -> None:
    process.heard = b"mulaw"
    call = await process.resume()
    assert call.notified == [inputs.EarlierTranscriptFound(b"mulaw")]


async def test_of_which_agent_it_is_said_whether_something_is_said_of_the_break(
    process: Process,
) -> None:
    process.state = CallSnapshot("other", "browser", arrived=True)
    await process.resume()
    ((_, agent, state),) = process.announced
    assert agent is OTHER
    assert state is not None
    assert not state.silently


async def test_a_call_that_was_handed_over_counts_for_the_agent_that_answered_it(
    process: Process,
) -> None:
    process.state = CallSnapshot("other", "browser", arrived=True, first_agent="only")
    await process.resume()
    with pytest.raises(NotAdmitted, match="agent_full"):
        await process.browsers.begin("only", MULAW_8K)


async def test_one_whose_end_nobody_has_noticed_is_ended_first(process: Process) -> None:
    process.running = running = Running()
    await process.resume()
    assert running.endings == process.saved == [Ending.MEDIA_BROKEN]
    assert len(process.announced) == 1


@pytest.mark.parametrize("lacks", ["state", "ending", "it ended well"])
async def test_what_is_over_does_not_come_back(process: Process, lacks: str) -> None:
    if lacks == "state":
        process.state = None
    else:
        process.ending = None if lacks == "ending" else Ending.CALLER_HUNG_UP
    assert await process.not_resumed() == "over"


async def test_one_comes_back_so_often_and_not_more(process: Process) -> None:
    most = limits.phone.RESUMES_MAX
    process.state = CallSnapshot("only", "browser", arrived=True, resumes=most)
    assert await process.not_resumed() == "too_often"
    process.state.resumes = most - 1
    await process.resume()


async def test_one_that_comes_back_is_refused_only_as_such(process: Process) -> None:
    process.full = {False: "draining"}
    await process.resume()
    process.announced.clear()
    process.came_back = 0
    process.full = {True: "full"}
    assert await process.not_resumed() == "full"
    process.full, process.shed = {}, "model_down"
    assert await process.not_resumed() == "model_down"


async def test_an_agent_that_is_not_known_any_more(process: Process) -> None:
    process.state = CallSnapshot("gone", "browser", arrived=True)
    assert await process.not_resumed() == "unknown_agent"


@pytest.mark.parametrize(("link_agent", "wire"), [("other", MULAW_8K), ("only", PCM_24K)])
async def test_a_token_is_good_for_one_agents_link_and_one_sound(
    process: Process, link_agent: str, wire: WireFormat
) -> None:
    with pytest.raises(SignatureRefused, match="bad_token"):
        await process.resume(link_agent, wire)
    assert process.announced == []


def test_a_ticket_outlasts_the_longest_call(process: Process) -> None:
    call: Any = SimpleNamespace(
        facts=CallInfo("WB1", "", "", "only", "browser"),
        machine=SimpleNamespace(agent=AGENT),
    )
    claims = process.tokens.redeem(process.browsers.ticket(call, "only", MULAW_8K))
    assert (claims.call_sid, claims.agent, claims.encoding) == ("WB1", "only", MULAW_8K.encoding)
    assert claims.expires_at == AGENT.max_call_s + limits.phone.RESUME_S


async def test_one_for_an_agent_that_there_is_not_is_refused() -> None:
    """An operator may have removed it since the page was opened."""
    calls, _ = browser_calls()
    with pytest.raises(NotAdmitted, match="unknown_agent"):
        await calls.begin("nobody", MULAW_8K)
