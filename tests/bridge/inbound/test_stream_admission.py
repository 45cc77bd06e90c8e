"""Which call a stream gets, by its token and what was before; over sockets beside the handshake."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from call_doubles import CALL_SID

from gateway.bridge.calls.outbound_state import OutboundState
from gateway.bridge.inbound.stream_admission import StreamAdmission
from gateway.call import inputs
from gateway.call.briefing import NO_BRIEFING, Briefing
from gateway.call.call_info import CallInfo
from gateway.call.endings import Ending
from gateway.call.history import CALLER, HistoryItem
from gateway.call.snapshot import CallSnapshot
from gateway.errors import NotAdmitted, SignatureRefused
from gateway.protocols.media_stream import MediaFormat, StartBody

AGENT = object()
HISTORY = [HistoryItem(CALLER, 1, "Hello.", "item_1")]


class Expected:
    """A call that waits for its stream."""

    def __init__(self, *, streams: int = 0, resumed: bool = False) -> None:
        self.machine = SimpleNamespace(streams=streams, resumed=resumed)
        self.notified: list[object] = []

    def notify(self, event: object) -> None:
        self.notified.append(event)


class Process:
    """Calls of this process, and what others have stored of one that comes here."""

    def __init__(self) -> None:
        self.waiting: Expected | None = None
        self.has_stream = False
        """Whether there is a call whose stream was there before."""
        self.ending: Ending | None = None
        self.state: CallSnapshot | None = None
        self.sound = b""
        self.dialled: OutboundState | None = None
        self.refusal: str | None = None
        self.hands_over = False
        self.announced: list[tuple[Any, ...]] = []
        self.passed_on: list[str] = []
        self.agents = SimpleNamespace(agent=lambda name, _sid: AGENT if name == "desk" else None)
        self.dials = SimpleNamespace(find=self._find)
        registry: Any = self
        tokens: Any = SimpleNamespace(redeem=self._redeem)
        snapshots: Any = SimpleNamespace(known=self._known, sound=self._sound)
        self.admission = StreamAdmission("AC1", registry, tokens, snapshots)

    async def _redeem(self, token: str, call_sid: str) -> Any:
        assert call_sid == CALL_SID
        if not token:
            raise SignatureRefused("no_token")
        return SimpleNamespace(agent=token)

    async def _known(self, _call_sid: str) -> CallSnapshot | None:
        return self.state

    async def _sound(self, _call_sid: str) -> bytes:
        return self.sound

    async def _find(self, _call_sid: str) -> OutboundState | None:
        return self.dialled

    async def ending_of(self, _call_sid: str) -> Ending | None:
        return self.ending

    def expected(self, _call_sid: str) -> Expected | None:
        return self.waiting

    def media_call(self, _call_sid: str) -> Expected | None:
        return Expected() if self.has_stream else self.waiting

    def announce(
        self, facts: CallInfo, agent: object, opening: str | None, state: Any, briefing: Briefing
    ) -> None:
        assert agent is AGENT
        if self.refusal is not None:
            raise NotAdmitted(self.refusal)
        self.announced.append((facts, opening, state, briefing))
        self.waiting = Expected(streams=1, resumed=state is not None)

    def pass_on(self, call_sid: str) -> None:
        self.passed_on.append(call_sid)

    async def let_in(self, token: str = "desk", account: str = "AC1") -> Any:
        named = {"token": token} if token else {}
        sound = MediaFormat("audio/x-mulaw", 8000, 1)
        start = StartBody(account, "MZ1", CALL_SID, sound, custom_parameters=named)
        return await self.admission.let_in(start)


def snapshot(**more: Any) -> CallSnapshot:
    known: dict[str, Any] = {"arrived": True, "history": HISTORY, "streams": 2}
    return CallSnapshot("desk", "media-streams", "+15550199", "+15550100", **known | more)


@pytest.fixture
def process() -> Process:
    return Process()


async def test_a_stream_gets_the_call_that_was_announced_here(process: Process) -> None:
    process.waiting = expected = Expected()
    assert await process.let_in() is expected
    assert process.announced == []
    assert expected.notified == []


@pytest.mark.parametrize(
    ("token", "account", "reason"), [("desk", "AC2", "other_account"), ("", "AC1", "no_token")]
)
async def test_a_stream_that_is_not_ours(
    process: Process, token: str, account: str, reason: str
) -> None:
    process.waiting = Expected()
    with pytest.raises(SignatureRefused) as caught:
        await process.let_in(token, account)
    assert caught.value.reason == reason


async def test_a_call_has_one_stream(process: Process) -> None:
    process.has_stream = True
    with pytest.raises(SignatureRefused) as caught:
        await process.let_in()
    assert caught.value.reason == "second_stream"
    assert process.announced == []


async def test_one_whose_webhook_another_process_got_is_announced_here(process: Process) -> None:
    process.state = snapshot(arrived=False, opening="Say hello.", briefing=Briefing("A parcel."))
    call = await process.let_in()
    facts = CallInfo(CALL_SID, "+15550199", "+15550100", "desk", "media-streams")
    assert process.announced == [(facts, "Say hello.", None, Briefing("A parcel."))]
    assert call.notified == [], "nothing was before"


async def test_one_of_which_nothing_is_known_is_announced_as_it_is(process: Process) -> None:
    await process.let_in()
    facts = CallInfo(CALL_SID, "", "", "desk", "media-streams")
    assert process.announced == [(facts, None, None, NO_BRIEFING)]


async def test_a_call_of_ours_has_the_person_and_our_number(process: Process) -> None:
    process.dialled = OutboundState("desk", "+15550177", "+15550101")
    process.state = snapshot(arrived=False)
    await process.let_in()
    facts = CallInfo(
        CALL_SID, "+15550177", "+15550101", "desk", "media-streams", direction="outbound"
    )
    assert [announced[0] for announced in process.announced] == [facts]


async def test_a_call_that_was_elsewhere_goes_on_with_its_history(process: Process) -> None:
    process.state = snapshot()
    call = await process.let_in()
    assert process.announced[0][2] is process.state
    assert call.notified == [inputs.HistoryRestored(HISTORY)]


async def test_and_with_the_sound_that_nobody_understood_before_it_broke(process: Process) -> None:
    process.state, process.sound = snapshot(), b"mulaw"
    call = await process.let_in()
    assert call.notified == [
        inputs.HistoryRestored(HISTORY),
        inputs.EarlierTranscriptFound(b"mulaw"),
    ]


@pytest.mark.parametrize(("streams", "anew"), [(1, True), (2, False), (3, False)])
async def test_one_that_was_elsewhere_since_it_was_announced_here_is_announced_anew(
    process: Process, streams: int, anew: bool
) -> None:
    process.waiting = Expected(streams=streams)
    process.state = snapshot(streams=2)
    await process.let_in()
    assert bool(process.announced) == anew


async def test_one_that_is_told_how_to_resume_gets_no_history_of_another(process: Process) -> None:
    """It waits here, resumed; the snapshot is of a call in which nobody has arrived."""
    process.waiting = expected = Expected(streams=2, resumed=True)
    process.state = snapshot(arrived=False)
    await process.let_in()
    assert expected.notified == []


@pytest.mark.parametrize(
    ("ending", "over"),
    [(Ending.CALLER_HUNG_UP, True), (Ending.MEDIA_BROKEN, False), (Ending.DRAINED, False)],
)
async def test_one_that_has_ended_well_meanwhile_does_not_begin_again(
    process: Process, ending: Ending, over: bool
) -> None:
    process.ending = ending
    if over:
        with pytest.raises(NotAdmitted) as caught:
            await process.let_in()
        assert caught.value.reason == "over"
    else:
        await process.let_in()
    assert bool(process.announced) == (not over)


async def test_how_another_leg_ended_is_nothing_to_one_that_waits(process: Process) -> None:
    process.ending, process.waiting = Ending.CALLER_HUNG_UP, Expected()
    assert await process.let_in() is process.waiting


async def test_an_agent_that_is_not_known_here(process: Process) -> None:
    with pytest.raises(NotAdmitted) as caught:
        await process.let_in("somebody")
    assert caught.value.reason == "unknown_agent"


@pytest.mark.parametrize(
    ("state", "hands_over", "passed_on"),
    [
        (snapshot(), True, [CALL_SID]),
        (snapshot(), False, []),
        (snapshot(arrived=False), True, []),
        (None, True, []),
    ],
)
async def test_a_caller_who_came_back_to_a_process_that_stops_is_sent_on(
    process: Process, state: CallSnapshot | None, hands_over: bool, passed_on: list[str]
) -> None:
    """That their leg ended here is no failure; of others who are refused it is."""
    process.state, process.hands_over, process.refusal = state, hands_over, "draining"
    with pytest.raises(NotAdmitted):
        await process.let_in()
    assert process.passed_on == passed_on
