"""A SIP call asks to be answered: over real sockets, at a vendor's who makes every trouble."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from gateway_calls import CALLER, RECEPTION, new_sid
from openai.types.realtime import RealtimeSessionCreateRequest
from openai.types.realtime.call_refer_params import CallReferParams
from openai.types.realtime.call_reject_params import CallRejectParams
from pydantic import TypeAdapter
from running_gateway import API_KEY, PUBLIC_URL, GatewayRig, running_gateway
from structlog.testing import capture_logs
from twilio_rest_double import rest_desk
from vendor import SIP_SETTINGS, TRUNK_HEADERS, Line, Vendor, invite, signed

from gateway import limits
from gateway.bridge.inbound.sip_inbound import STATUS
from gateway.call import events
from gateway.call.endings import Ending
from gateway.tuning import Tuning

TWICE = "{format: {type: audio/pcm, rate: 24000}}"
AGENTS = f"""
agents:
  reception:
    greeting: Hello.
    instructions: Answer the telephone.
    tools: [end_call, transfer]
    transfers: {{desk: {{to: "+15550199", description: The front desk.}}}}
    session: {{audio: {{input: {TWICE}, output: {TWICE}}}}}
  direct:
    path: sip
    greeting: Hello, directly.
    instructions: Answer the telephone.
  night:
    path: sip
    instructions: Say that it is night.
routes:
  - {{to: "+15550100", agent: reception}}
  - {{to: "+15550101", agent: direct}}
  - {{to: "+20*", agent: night}}
  - {{to: "sip:desk@example.com", agent: night}}
  - {{to: "+15550109", agent: direct, trunk: false}}
"""
TO_ALL = '  - {to: "*", agent: direct}\n'


UNHURRIED = Tuning(sip_accept_max_s=30.0, sip_decide_max_s=60.0)
"""A machine that stands still for a second is not what is tested here."""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def sip_agents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("sip") / "agents.yaml"
    file.write_text(AGENTS)
    return file


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(sip_agents: Path, vendor: Vendor) -> AsyncIterator[GatewayRig]:
    async with running_gateway(sip_agents, vendor.base_url, UNHURRIED, **SIP_SETTINGS) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def rig(shared: GatewayRig, vendor: Vendor) -> AsyncIterator[GatewayRig]:
    """As if it had just been built."""
    vendor.forget()
    if await shared.metric("breaker_open"):  # calls of tests before failed, one after the other
        line = await vendor.ring(shared.client)
        await shared.note(events.SidebandConnected, of=line.call_id)
        line.end()
        await shared.note(events.CallEnded, of=line.call_id)
        vendor.forget()
    shared.notes.clear()
    before.clear()
    before.update(await shared.metrics())
    yield shared
    for line in vendor.lines.values():
        line.end()
    await nothing_left(shared)


@contextlib.asynccontextmanager
async def limited(sip_agents: Path, vendor: Vendor, tuning: Tuning) -> AsyncIterator[GatewayRig]:
    """A gateway of its own, with these limits."""
    vendor.forget()
    before.clear()
    async with running_gateway(sip_agents, vendor.base_url, tuning, **SIP_SETTINGS) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def hurried(sip_agents: Path, vendor: Vendor) -> AsyncIterator[GatewayRig]:
    """The decision is due sooner, so that a test need not wait for it."""
    soon = Tuning(sip_accept_max_s=0.3, sip_decide_max_s=0.6)
    async with limited(sip_agents, vendor, soon) as running:
        yield running


before: dict[Any, float] = {}
"""What the shared gateway had counted before the test."""


async def counted(rig: GatewayRig, name: str, **labels: str) -> float:
    so_far = before.get((f"gateway_{name}", frozenset(labels.items())), 0)
    return await rig.metric(name, **labels) - so_far


async def decisions(rig: GatewayRig, decision: str) -> float:
    return await counted(rig, "sip_decisions_total", decision=decision)


def to(number: str, *more: tuple[str, str]) -> list[tuple[str, str]]:
    uri = number if ":" in number else f"sip:{number}@sip.api.openai.com"
    return [TRUNK_HEADERS[0], ("to", f'"Us" <{uri};user=phone>;tag=2'), *more]


async def decided(rig: GatewayRig, decision: str) -> None:
    """As soon as it is: nobody is told of a call that never was one."""
    async with asyncio.timeout(30):
        while not await decisions(rig, decision):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def nothing_left(rig: GatewayRig) -> None:
    """On our side: no call, no task of one, and the gauge says so."""
    board = rig.gateway.registry
    await rig.until(lambda: board.active == 0)
    assert await rig.metric("calls_active", path="sip", state="talking") == 0
    assert await rig.metric("calls_active", path="sip", state="expected") == 0
    async with asyncio.timeout(30):
        while working():  # noqa: ASYNC110 - a task that ends tells nobody
            await asyncio.sleep(0.01)


def working() -> list[str]:
    """Names of the tasks that work for calls."""
    names = [task.get_name() for task in asyncio.all_tasks()]
    return [n for n in names if n.startswith(("incoming", "sideband", "open model", "hang up"))]


def agent_of(rig: GatewayRig, line: Line) -> str:
    calls = [c for c in rig.gateway.registry.calls if c.facts.call_id == line.call_id]
    return calls[0].facts.agent


# --- Accepted ---


async def test_the_session_is_the_agents_without_formats_of_sound(
    rig: GatewayRig, vendor: Vendor
) -> None:
    line = await vendor.ring(rig.client)
    await vendor.sideband(line)
    asked = await vendor.hears("accept")
    session = RealtimeSessionCreateRequest.model_validate(asked.body, strict=True)
    assert not session.model_extra
    assert session.audio is not None
    for side in (session.audio.input, session.audio.output):
        assert side is not None
        assert not side.model_extra
        assert side.format is None
    assert "format" not in json.dumps(asked.body["audio"])
    assert asked.body["type"] == "realtime"
    assert session.instructions == "Answer the telephone."
    assert [tool["name"] for tool in asked.body["tools"]] == ["end_call", "transfer"]
    assert asked.headers["authorization"] == f"Bearer {API_KEY}"
    assert asked.call_id == line.call_id


async def test_the_sideband_greets_at_once(rig: GatewayRig, vendor: Vendor) -> None:
    line = await vendor.ring(rig.client)
    sideband = await vendor.sideband(line)
    greeting = await sideband.hears("response.create")
    assert "Hello." in greeting["response"]["instructions"]
    assert sideband.heard == [greeting]
    assert sideband.headers["authorization"] == f"Bearer {API_KEY}"
    assert "openai-beta" not in sideband.headers
    identifier = sideband.headers["openai-safety-identifier"]
    assert len(identifier) == 32
    assert CALLER[1:] not in identifier


async def test_how_long_each_step_took_is_told(rig: GatewayRig, vendor: Vendor) -> None:
    line = await vendor.ring(rig.client)
    sideband = await vendor.sideband(line)
    await sideband.hears("response.create")
    sideband.say("response.created", response={"id": "resp_1", "status": "in_progress"})
    sideband.say("output_audio_buffer.started", response_id="resp_1")
    await rig.note(events.FirstAudioSent)
    for stage in ("webhook_to_accept", "accept_to_sideband", "accept_to_first_audio"):
        assert await counted(rig, "sip_setup_seconds_count", stage=stage) == 1
        assert 0 < await counted(rig, "sip_setup_seconds_sum", stage=stage) < 2
    assert await counted(rig, "calls_started_total", agent="reception", path="sip") == 1
    assert await decisions(rig, "accepted") == 1


# --- Who takes it ---


@pytest.mark.parametrize(
    ("headers", "agent"),
    [
        (to("+15550100"), "reception"),
        (to("15550101"), "direct"),
        (to("+2012345"), "night"),
        (to("sip:desk@example.com"), "night"),
        (to("+19990000", ("Diversion", "<sip:+15550101@a>;reason=unconditional")), "direct"),
        (to("sip:proj_1@sip.api.openai.com", ("DIVERSION", "<tel:+2012345>")), "night"),
        (to("+2012345", ("Diversion", "<sip:+15550101@a>")), "night"),
    ],
)
async def test_by_what_was_dialled(
    rig: GatewayRig, vendor: Vendor, headers: list[tuple[str, str]], agent: str
) -> None:
    line = await vendor.ring(rig.client, *headers)
    await vendor.sideband(line)
    assert agent_of(rig, line) == agent


async def test_star_takes_the_rest(tmp_path: Path, vendor: Vendor) -> None:
    file = tmp_path / "agents.yaml"
    file.write_text(AGENTS + TO_ALL)
    async with running_gateway(file, vendor.base_url, **SIP_SETTINGS) as rig:
        for headers in (to("+19990000"), [("From", "anonymous")]):
            line = await vendor.ring(rig.client, *headers)
            await vendor.sideband(line)
            assert agent_of(rig, line) == "direct"


@pytest.mark.parametrize("headers", [to("+19990000"), [("From", "x")], to("sip:nobody@a.example")])
async def test_a_number_that_nobody_answers(
    rig: GatewayRig, vendor: Vendor, headers: list[tuple[str, str]]
) -> None:
    line = await vendor.ring(rig.client, *headers)
    asked = await vendor.hears("reject")
    assert (asked.call_id, asked.body) == (line.call_id, {"status_code": 404})
    TypeAdapter(CallRejectParams).validate_python(asked.body)
    assert await decisions(rig, "no_agent") == 1


async def test_a_number_that_is_on_no_trunk_sends_such_a_call_back(
    rig: GatewayRig, vendor: Vendor
) -> None:
    """With the status on which a trunk fails over: its recovery address can record, and collect."""
    await vendor.ring(rig.client, *to("+15550109"))
    assert (await vendor.hears("reject")).body == {"status_code": 503}
    assert await decisions(rig, "over_trunk") == 1
    vendor.forget()
    _, headers = await dialled(rig, "+15550109")
    line = await vendor.ring(rig.client, *headers)
    await rig.note(events.SidebandConnected, of=line.call_id)
    assert await decisions(rig, "accepted") == 1, "our own dial is no trunk"


async def dialled(rig: GatewayRig, number: str = "+15550101") -> tuple[str, list[tuple[str, str]]]:
    """Our own dial of a call: its CallSid, and the INVITE's headers as Twilio makes them."""
    call_sid = new_sid("CA")
    return call_sid, invite(await rig.carrier.sip_uri(call_sid, number))


async def test_our_own_dial_is_known_by_its_headers(rig: GatewayRig, vendor: Vendor) -> None:
    call_sid, headers = await dialled(rig)
    line = await vendor.ring(rig.client, *headers)
    await vendor.sideband(line)
    (call,) = rig.gateway.registry.calls
    assert (call.facts.call_sid, call.facts.call_id) == (call_sid, line.call_id)
    assert (call.facts.agent, call.facts.dialled) == ("direct", "+15550101")


async def test_their_case_is_the_carriers(rig: GatewayRig, vendor: Vendor) -> None:
    _, headers = await dialled(rig)
    line = await vendor.ring(rig.client, *((name.upper(), value) for name, value in headers))
    await vendor.sideband(line)


def forged(headers: list[tuple[str, str]], what: str) -> list[tuple[str, str]]:
    changes = {
        "agent": {"x-gateway-agent": "night"},
        "agent unknown": {"x-gateway-agent": "nobody"},
        "call": {"x-gateway-call": "CA" + "f" * 32},
        "token": {"x-gateway-token": "69230000.AAAAAAAAAAAAAAAAAAAAAA"},
        "token of nothing": {"x-gateway-token": "."},
        "token in other letters": {"x-gateway-token": "\u0661.\xe9"},
        "token without end": {"x-gateway-token": "f" * 5000 + "." + "A" * 5000},
        "no call": {"x-gateway-call": None},
        "no agent": {"x-gateway-agent": None},
    }[what]
    changed = [(name, changes.get(name.lower(), value)) for name, value in headers]
    return [(name, value) for name, value in changed if value is not None]


@pytest.mark.parametrize(
    "what",
    [
        "agent",
        "agent unknown",
        "call",
        "token",
        "token of nothing",
        "token in other letters",
        "token without end",
        "no call",
        "no agent",
    ],
)
async def test_forged_headers_are_declined(rig: GatewayRig, vendor: Vendor, what: str) -> None:
    """Even where the number that was dialled would have been answered."""
    _, headers = await dialled(rig)
    await vendor.ring(rig.client, *forged(headers, what), ("To", "<sip:+15550100@x>"))
    assert (await vendor.hears("reject")).body == {"status_code": 603}
    assert await decisions(rig, "forged") == 1
    assert vendor.of("accept") == []


async def test_headers_that_were_heard_before_are_declined(rig: GatewayRig, vendor: Vendor) -> None:
    _, headers = await dialled(rig)
    await vendor.sideband(await vendor.ring(rig.client, *headers))
    token = next(value for name, value in headers if name.lower() == "x-gateway-token")
    # Base64 has many spellings of the same bytes.
    for n, spelling in enumerate((token, token + "=", token[:-1] + chr(ord(token[-1]) ^ 1)), 1):
        again = [(name, spelling if value == token else value) for name, value in headers]
        await vendor.ring(rig.client, *again)
        assert (await vendor.hears("reject", n)).body == {"status_code": 603}
    assert len(vendor.of("accept")) == 1


async def test_without_our_headers_a_callers_number_is_not_believed(
    rig: GatewayRig, vendor: Vendor
) -> None:
    line = await vendor.ring(
        rig.client,
        *to("+15550100", ("X-Gateway-Call", "CA" + "1" * 32), ("X-Gateway-Agent", "night")),
    )
    await vendor.sideband(line)
    (call,) = rig.gateway.registry.calls
    assert (call.facts.call_sid, call.facts.agent) == ("", "reception")


# --- Who is not taken ---


@pytest.mark.parametrize("security", ["rtp", "", "zrtp", "SRTP "])
async def test_sound_that_is_not_encrypted(rig: GatewayRig, vendor: Vendor, security: str) -> None:
    await vendor.ring(rig.client, security=security)
    assert (await vendor.hears("reject")).body == {"status_code": 488}
    assert await decisions(rig, "insecure") == 1


async def test_sound_of_which_nothing_is_known(rig: GatewayRig, vendor: Vendor) -> None:
    """The field is newer than the event."""
    await vendor.sideband(await vendor.ring(rig.client, security=None))


async def test_sound_that_need_not_be_encrypted(sip_agents: Path, vendor: Vendor) -> None:
    settings = SIP_SETTINGS | {"GATEWAY_SIP_ALLOW_RTP": "1"}
    async with running_gateway(sip_agents, vendor.base_url, **settings) as rig:
        for security in ("rtp", "zrtp", "srtp"):
            await vendor.sideband(await vendor.ring(rig.client, security=security))


async def test_a_process_that_is_full(sip_agents: Path, vendor: Vendor) -> None:
    async with limited(sip_agents, vendor, Tuning(sip_calls_max=1)) as rig:
        line = await vendor.ring(rig.client)
        await vendor.sideband(line)
        await vendor.ring(rig.client)
        assert (await vendor.hears("reject")).body == {"status_code": 503}
        assert await decisions(rig, "full") == 1
        line.end()
        await nothing_left(rig)
        await vendor.sideband(await vendor.ring(rig.client))


async def test_a_process_that_stops(rig: GatewayRig, vendor: Vendor) -> None:
    rig.gateway.registry.draining = True
    try:
        await vendor.ring(rig.client)
        assert (await vendor.hears("reject")).body == {"status_code": 503}
        assert await decisions(rig, "draining") == 1
    finally:
        rig.gateway.registry.draining = False


async def test_a_trunk_fails_over_where_the_lack_is_ours() -> None:
    """On 503 it takes the next address; to a caller who is not wanted no other is to answer."""
    ours = {"full", "budget", "draining", "unavailable", "rate_limited", "over_trunk"}
    assert {reason for reason, status in STATUS.items() if status == 503} == ours


# --- Within two seconds ---


async def test_an_accept_that_is_not_answered_is_a_reject_in_time(
    sip_agents: Path, vendor: Vendor
) -> None:
    """By the clock, as it is."""
    async with limited(sip_agents, vendor, Tuning()) as rig:
        never = asyncio.Event()
        vendor.answers["accept"].append(never)
        await vendor.ring(rig.client)
        asked = await vendor.hears("reject")
        assert asked.body == {"status_code": 503}
        assert asked.at - vendor.of("accept")[0].at < limits.sip.DECIDE_MAX_S
        await decided(rig, "unavailable")
        await nothing_left(rig)
        assert vendor.of("hangup") == []
        never.set()


async def test_a_second_of_thought_is_not_too_long(rig: GatewayRig, vendor: Vendor) -> None:
    """Nor is it asked twice: the second answer would be that it was decided already."""
    slow = asyncio.Event()
    vendor.answers["accept"].append(slow)
    line = await vendor.ring(rig.client)
    await vendor.hears("accept")
    asyncio.get_running_loop().call_later(1.1, slow.set)
    await vendor.sideband(line)
    assert len(vendor.of("accept")) == 1
    assert vendor.of("reject") == []


async def test_an_accept_that_worked_unheard_is_hung_up(
    hurried: GatewayRig, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody would steer it: what cannot be rejected any more is ended."""
    deaf = asyncio.Event()
    vendor.answers["accept"].append(deaf)
    usual = vendor._usual

    def worked_all_the_same(verb: str, call_id: str) -> int:
        if verb == "reject":
            vendor.lines[call_id].state = "accepted"
            return 409
        return usual(verb, call_id)

    monkeypatch.setattr(vendor, "_usual", worked_all_the_same)
    line = await vendor.ring(hurried.client)
    await vendor.hears("hangup")
    deaf.set()
    await decided(hurried, "reject_failed")
    await nothing_left(hurried)
    assert line.state == "over"


async def test_an_accept_that_fails_once_is_tried_again(rig: GatewayRig, vendor: Vendor) -> None:
    vendor.answers["accept"].append(500)
    line = await vendor.ring(rig.client)
    await vendor.sideband(line)
    assert len(vendor.of("accept")) == 2
    assert await decisions(rig, "accepted") == 1


async def test_an_accept_that_failed_and_had_worked(rig: GatewayRig, vendor: Vendor) -> None:
    vendor.answers["accept"].extend([502, 409])
    line, body = vendor.rings()
    line.state = "accepted"
    await rig.client.post("/openai/webhook", content=body, headers=signed(body))
    await vendor.sideband(line)


@pytest.mark.parametrize("statuses", [(500, 503), (400,), (401,), (429, 429)])
async def test_an_accept_that_fails_is_a_reject(
    rig: GatewayRig, vendor: Vendor, statuses: tuple[int, ...]
) -> None:
    vendor.answers["accept"].extend(statuses)
    line = await vendor.ring(rig.client)
    assert (await vendor.hears("reject")).body == {"status_code": 503}
    assert len(vendor.of("accept")) == len(statuses)
    await nothing_left(rig)
    assert line.state == "rejected"
    assert rig.said(events.CallEnded)[0].ending is Ending.MODEL_REFUSED
    assert await counted(rig, "sessions_prepared_total", outcome="failed") == 0
    assert await decisions(rig, "unavailable") == 1


@pytest.mark.parametrize("status", [404, 409])
async def test_a_call_that_is_decided_already_is_left_alone(
    rig: GatewayRig, vendor: Vendor, status: int
) -> None:
    """Its caller gave up, or another process took it: to refuse it would cut the caller off."""
    vendor.answers["accept"].append(status)
    await vendor.ring(rig.client)
    await decided(rig, "gone")
    await nothing_left(rig)
    assert [asked.verb for asked in vendor.asked] == ["accept"]


@pytest.mark.parametrize("status", [404, 409])
async def test_so_is_one_that_we_would_have_turned_away(
    rig: GatewayRig, vendor: Vendor, status: int
) -> None:
    vendor.answers["reject"].append(status)
    await vendor.ring(rig.client, *to("+19990000"))
    await decided(rig, "no_agent")
    await nothing_left(rig)
    assert [asked.verb for asked in vendor.asked] == ["reject"]


@pytest.mark.parametrize("trouble", [500, 400, "hangs"])
async def test_a_reject_that_is_broken_is_accept_and_hang_up(
    hurried: GatewayRig, vendor: Vendor, trouble: Any
) -> None:
    released = asyncio.Event()
    vendor.answers["reject"].append(released if trouble == "hangs" else trouble)
    line = await vendor.ring(hurried.client, *to("+19990000"))
    await vendor.hears("hangup")
    released.set()
    assert [asked.verb for asked in vendor.asked] == ["reject", "accept", "hangup"]
    RealtimeSessionCreateRequest.model_validate(vendor.of("accept")[0].body, strict=True)
    await decided(hurried, "reject_failed")
    assert await decisions(hurried, "no_agent") == 1
    assert line.state == "over"
    assert vendor.of("sideband") == []


# --- The sideband ---


async def test_a_session_in_the_making_is_waited_for(rig: GatewayRig, vendor: Vendor) -> None:
    vendor.answers["sideband"].extend([404, 404, 404])
    line = await vendor.ring(rig.client)
    await (await vendor.sideband(line)).hears("response.create")
    tried = [asked.at for asked in vendor.of("sideband")]
    pauses = [later - earlier for earlier, later in pairwise(tried)]
    assert len(pauses) == 3
    for pause, least in zip(pauses, (0.1, 0.2, 0.4), strict=True):
        assert least <= pause + 0.01


async def test_the_waiting_takes_about_two_seconds() -> None:
    pause_s, whole_s = limits.sip.SIDEBAND_FIRST_PAUSE_S, 0.0
    for _ in range(limits.sip.SIDEBAND_TRIES - 1):
        whole_s, pause_s = whole_s + pause_s, min(2 * pause_s, limits.sip.SIDEBAND_PAUSE_MAX_S)
    assert 1.5 <= whole_s <= 2.5


async def test_a_session_that_never_comes_is_hung_up(sip_agents: Path, vendor: Vendor) -> None:
    """It may be alive all the same: no caller stays with a session that nobody steers."""
    async with limited(sip_agents, vendor, Tuning(sideband_pause_max_s=0.1)) as rig:
        vendor.answers["sideband"].extend([404] * limits.sip.SIDEBAND_TRIES)
        line = await vendor.ring(rig.client)
        await vendor.hears("hangup")
        assert (await rig.note(events.CallEnded)).ending is Ending.MODEL_LOST
        await nothing_left(rig)
        assert line.state == "over"


@pytest.mark.parametrize("status", [401, 403])
async def test_a_sideband_that_is_refused_is_hung_up(
    rig: GatewayRig, vendor: Vendor, status: int
) -> None:
    vendor.answers["sideband"].append(status)
    await vendor.ring(rig.client)
    await vendor.hears("hangup")
    assert (await rig.note(events.CallEnded)).ending is Ending.MODEL_REFUSED
    assert len(vendor.of("sideband")) == 1
    await nothing_left(rig)


async def test_a_sideband_that_is_cut_is_had_again(rig: GatewayRig, vendor: Vendor) -> None:
    line = await vendor.ring(rig.client)
    first = await vendor.sideband(line)
    await first.hears("response.create")
    vendor.answers["sideband"].extend([503, 502])
    first.drop()
    second = await vendor.sideband(line, 2)
    await rig.note(events.SidebandConnected, 2)
    assert second.heard == []
    assert await counted(rig, "sidebands_reopened_total") == 1
    second.say("input_audio_buffer.dtmf_event_received", event="1", received_at=1)
    await rig.note(events.KeyPressed)
    assert vendor.of("hangup") == []


# --- The end ---


async def test_close_1006_and_then_404_is_a_normal_end(rig: GatewayRig, vendor: Vendor) -> None:
    line = await vendor.ring(rig.client)
    await (await vendor.sideband(line)).hears("response.create")
    with capture_logs() as told:
        line.end()
        ended = await rig.note(events.CallEnded)
        await nothing_left(rig)
    assert ended.ending is Ending.CALLER_HUNG_UP
    assert len(vendor.of("sideband")) == 2
    assert vendor.of("hangup") == []
    assert [one for one in told if one["log_level"] not in ("debug", "info")] == []
    labels = {"agent": "reception", "path": "sip", "ending": "caller_hung_up"}
    assert await counted(rig, "calls_ended_total", **labels) == 1


async def test_the_carrier_says_that_it_is_over(rig: GatewayRig, vendor: Vendor) -> None:
    """While our sideband still stands: nothing stays active on our side."""
    call_sid, headers = await dialled(rig)
    line = await vendor.ring(rig.client, *headers)
    sideband = await vendor.sideband(line)
    await sideband.hears("response.create")
    fields = rig.carrier.call_fields(call_sid, "+15550101", "completed")
    assert (await rig.carrier.post("/twilio/status", fields)).status_code == 204
    await nothing_left(rig)
    await sideband.closed.wait()
    assert (await rig.note(events.CallEnded)).ending is Ending.CALLER_HUNG_UP
    line.end()


async def test_the_carrier_says_so_before_it_was_accepted(rig: GatewayRig, vendor: Vendor) -> None:
    slow = asyncio.Event()
    vendor.answers["accept"].append(slow)
    call_sid, headers = await dialled(rig)
    line = await vendor.ring(rig.client, *headers)
    await vendor.hears("accept")
    fields = rig.carrier.call_fields(call_sid, "+15550101", "no-answer")
    await rig.carrier.post("/twilio/status", fields)
    slow.set()
    await vendor.hears("hangup")
    await nothing_left(rig)
    assert line.state == "over"
    assert line.sidebands == []


async def test_a_call_of_the_operators_is_hung_up_at_the_vendors(
    rig: GatewayRig, vendor: Vendor
) -> None:
    line = await vendor.ring(rig.client)
    await vendor.sideband(line)
    await rig.note(events.SidebandConnected)
    rig.gateway.registry.calls[0].hang_up(Ending.OPERATOR_HUNG_UP)
    await vendor.hears("hangup")
    await nothing_left(rig)
    assert line.state == "over"


async def test_a_hang_up_that_fails_is_tried_again(rig: GatewayRig, vendor: Vendor) -> None:
    line = await vendor.ring(rig.client)
    await vendor.sideband(line)
    await rig.note(events.SidebandConnected)
    vendor.answers["hangup"].append(500)
    rig.gateway.registry.calls[0].hang_up(Ending.OPERATOR_HUNG_UP)
    await vendor.hears("hangup", 2)
    await nothing_left(rig)
    assert line.state == "over"


@pytest.mark.parametrize("ending", [Ending.AGENT_HUNG_UP, Ending.MODEL_LOST])
async def test_a_hang_up_that_never_works_is_the_carriers(
    sip_agents: Path, vendor: Vendor, ending: Ending
) -> None:
    vendor.forget()
    vendor.answers["hangup"].extend([400] * 9)
    async with (
        rest_desk() as twilio,
        running_gateway(
            sip_agents, vendor.base_url, **SIP_SETTINGS, TWILIO_BASE_URL=twilio.url
        ) as rig,
    ):
        call_sid, headers = await dialled(rig)
        await vendor.sideband(await vendor.ring(rig.client, *headers))
        await rig.note(events.SidebandConnected)
        rig.gateway.registry.calls[0].hang_up(ending)
        await nothing_left(rig)
    ((path, form),) = twilio.asked
    assert call_sid in path
    # A caller whose conversation broke off is still to be served: the call returns after the dial.
    after = {"Url": [f"{PUBLIC_URL}/twilio/after?leg=sip#rc=2&rp=all"], "Method": ["POST"]}
    assert form == ({"Status": ["completed"]} if ending.well else after)


@pytest.mark.parametrize("by_trunk", [True, False])
async def test_a_leg_that_nobody_else_can_end_is_hung_up_in_the_end(
    sip_agents: Path, vendor: Vendor, by_trunk: bool
) -> None:
    vendor.forget()
    vendor.answers["hangup"].extend([400] * 5)
    async with (
        rest_desk((404, 20404)) as twilio,
        running_gateway(
            sip_agents,
            vendor.base_url,
            Tuning(sip_hangup_first_pause_s=0.01),
            **SIP_SETTINGS,
            TWILIO_BASE_URL=twilio.url,
        ) as rig,
    ):
        headers = [] if by_trunk else (await dialled(rig))[1]
        line = await vendor.ring(rig.client, *headers)
        await vendor.sideband(line)
        await rig.note(events.SidebandConnected)
        rig.gateway.registry.calls[0].hang_up(Ending.MODEL_LOST)
        await vendor.hears("hangup", 6)
        await nothing_left(rig)
    assert line.state == "over"
    assert len(twilio.asked) == (0 if by_trunk else 1)


async def test_the_agent_hangs_up_when_its_goodbye_was_heard(
    rig: GatewayRig, vendor: Vendor
) -> None:
    line = await vendor.ring(rig.client)
    sideband = await vendor.sideband(line)
    await sideband.hears("response.create")
    says(sideband, "end_call", "{}")
    await rig.note(events.ToolCalled)
    assert vendor.of("hangup") == []
    sideband.say("output_audio_buffer.stopped", response_id="resp_1")
    await vendor.hears("hangup")
    assert (await rig.note(events.CallEnded)).ending is Ending.AGENT_HUNG_UP
    await nothing_left(rig)


def says(sideband: Any, tool: str, arguments: str) -> None:
    """A sentence that is being played, and a tool called behind it."""
    sideband.say("response.created", response={"id": "resp_1", "status": "in_progress"})
    sideband.say(
        "response.output_audio_transcript.delta", response_id="resp_1", item_id="item_1", delta="A"
    )
    sideband.say("output_audio_buffer.started", response_id="resp_1")
    call = {"type": "function_call", "call_id": "call_1", "name": tool, "arguments": arguments}
    done = {"id": "resp_1", "status": "completed", "output": [call]}
    sideband.say("response.done", response=done)


async def transferring(rig: GatewayRig, vendor: Vendor) -> tuple[Line, Any]:
    _, headers = await dialled(rig, RECEPTION)
    line = await vendor.ring(rig.client, *headers)
    sideband = await vendor.sideband(line)
    await sideband.hears("response.create")
    says(sideband, "transfer", '{"target":"desk"}')
    sideband.say("output_audio_buffer.stopped", response_id="resp_1")
    return line, sideband


@pytest_asyncio.fixture(loop_scope="module")
async def busy_gateway(sip_agents: Path, vendor: Vendor) -> AsyncIterator[GatewayRig]:
    """Media calls are not to be had: agents of either path go by SIP."""
    vendor.forget()
    before.clear()
    settings = SIP_SETTINGS | {"GATEWAY_OVERFLOW": "sip", "GATEWAY_MAX_CALLS": "1"}
    async with running_gateway(sip_agents, vendor.base_url, **settings) as rig:
        await rig.carrier.ring(new_sid("CA"))
        yield rig


async def test_a_caller_is_transferred(busy_gateway: GatewayRig, vendor: Vendor) -> None:
    line, _ = await transferring(busy_gateway, vendor)
    asked = await vendor.hears("refer")
    assert asked.body == {"target_uri": "tel:+15550199"}
    TypeAdapter(CallReferParams).validate_python(asked.body)
    line.end()
    assert (await busy_gateway.note(events.TransferAttempted)).outcome == "done"
    await busy_gateway.until(lambda: not busy_gateway.gateway.registry.sip_calls)
    assert busy_gateway.said(events.CallEnded)[-1].ending is Ending.TRANSFERRED
    assert vendor.of("hangup") == []


async def test_a_transfer_that_is_refused_is_told_to_the_model(
    busy_gateway: GatewayRig, vendor: Vendor
) -> None:
    vendor.answers["refer"].append(400)
    _, sideband = await transferring(busy_gateway, vendor)
    told = await sideband.hears("conversation.item.create")
    assert told["item"]["call_id"] == "call_1"
    await sideband.hears("response.create", 2)
    assert (await busy_gateway.note(events.TransferAttempted)).outcome == "refused"


async def test_a_process_that_stops_leaves_nobody_with_a_model_that_nobody_steers(
    sip_agents: Path, vendor: Vendor
) -> None:
    vendor.forget()
    vendor.answers["hangup"].append(500)  # so that it takes a little
    async with running_gateway(sip_agents, vendor.base_url, **SIP_SETTINGS) as rig:
        line = await vendor.ring(rig.client)
        await vendor.sideband(line)
        await rig.note(events.SidebandConnected)
    assert line.state == "over"
    assert rig.said(events.CallEnded)[0].ending is Ending.DRAINED


async def test_a_process_that_stops_while_it_accepts_hangs_up(
    sip_agents: Path, vendor: Vendor
) -> None:
    vendor.forget()
    slow = asyncio.Event()
    vendor.answers["accept"].append(slow)
    async with running_gateway(sip_agents, vendor.base_url, **SIP_SETTINGS) as rig:
        line = await vendor.ring(rig.client)
        await vendor.hears("accept")
        rig.gateway.registry.end_all(Ending.DRAINED)
        slow.set()
        await vendor.hears("hangup", 2)  # of the first nobody knew yet
        await nothing_left(rig)
    assert line.state == "over"


# --- What is told ---


async def test_no_number_token_or_instruction_is_told(
    busy_gateway: GatewayRig, vendor: Vendor
) -> None:
    with capture_logs() as told:
        line, _ = await transferring(busy_gateway, vendor)
        await vendor.hears("refer")
        line.end()
        await busy_gateway.note(events.TransferAttempted)
        _, headers = await dialled(busy_gateway)
        await vendor.ring(busy_gateway.client, *forged(headers, "call"))
        await decided(busy_gateway, "forged")
    text = json.dumps(told, default=str)
    assert len(told) > 5
    token = next(value for name, value in headers if name.lower() == "x-gateway-token")
    for secret in (CALLER[1:], "5550199", "5550101", token, API_KEY, "Answer the telephone"):
        assert secret not in text, secret


async def test_the_vendors_number_of_a_call_is_told(rig: GatewayRig, vendor: Vendor) -> None:
    """Over a trunk there is no other."""
    with capture_logs() as told:
        line = await vendor.ring(rig.client)
        await vendor.sideband(line)
        line.end()
        await nothing_left(rig)
    for event in ("answered", "ended"):
        (one,) = (one for one in told if one["event"] == event)
        assert one["call_id"] == line.call_id
