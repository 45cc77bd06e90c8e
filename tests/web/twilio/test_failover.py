"""Failover of a caller whose service fails: each step of the chain, and where it ends."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

import httpx2
import pytest
import pytest_asyncio
from gateway_calls import Stream, new_sid
from running_gateway import PUBLIC_URL, GatewayRig, running_gateway
from structlog.testing import capture_logs
from vendor import PROJECT, SIP_SETTINGS, TRUNK_HEADERS, Line, Vendor

from gateway import limits
from gateway.call import events
from gateway.call.endings import Ending
from gateway.tuning import Tuning

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONGEST = "a-name-of-sixty-four-characters-which-is-as-long-as-one-can-be-1"
MEDIA, DIRECT, ALONE, LONG, ARABIC, FORGETFUL = (f"+1555010{n}" for n in range(6))
HANDS_OVER = """
    greeting: Hello.
    instructions: Answer the telephone.
    tools: [end_call, transfer]
    transfers: {desk: {to: "+15550199"}, office: {to: "sip:office@example.com"}}"""
AGENTS = f"""
agents:
  reception: {HANDS_OVER}
    fallback: "+15550177"
  direct: {HANDS_OVER}
    path: sip
    fallback: sip:night&day@example.com
  alone:
    path: sip
    instructions: Answer the telephone.
  {LONGEST}:
    path: sip
    instructions: Answer the telephone.
  arabic:
    path: sip
    language: ar
    instructions: Answer in Arabic.
  forgetful:
    instructions: Answer the telephone.
    if_forgotten: transfer
    fallback: "+15550177"
routes:
  - {{to: "{MEDIA}", agent: reception}}
  - {{to: "{FORGETFUL}", agent: forgetful}}
  - {{to: "{DIRECT}", agent: direct}}
  - {{to: "{ALONE}", agent: alone}}
  - {{to: "{LONG}", agent: {LONGEST}}}
  - {{to: "{ARABIC}", agent: arabic}}
"""


@pytest.fixture(scope="module")
def agents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("failover") / "agents.yaml"
    file.write_text(AGENTS)
    return file


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(agents: Path, vendor: Vendor) -> AsyncIterator[GatewayRig]:
    # Tests fail so many calls that the model would be avoided: tests/bridge/test_sip_limits.py.
    never_open = Tuning(breaker_failures_max=1 << 30)
    async with running_gateway(agents, vendor.base_url, never_open, **SIP_SETTINGS) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def rig(shared: GatewayRig, vendor: Vendor) -> AsyncIterator[GatewayRig]:
    vendor.forget()
    shared.notes.clear()
    yield shared
    for line in vendor.lines.values():
        line.state = "over"
    shared.gateway.registry.end_all(Ending.DRAINED)


class Caller:
    """One caller, as Twilio reports them."""

    def __init__(self, rig: GatewayRig, dialled: str) -> None:
        self.rig, self.dialled, self.sid = rig, dialled, new_sid("CA")

    async def rings(self) -> ElementTree.Element:
        return document(await self.rig.carrier.ring(self.sid, self.dialled))

    async def after(
        self, leg: str, dial_status: str = "", status: str = "in-progress", sip_status: str = ""
    ) -> ElementTree.Element:
        fields = self.rig.carrier.call_fields(self.sid, self.dialled, status)
        if dial_status:
            fields |= {"DialCallStatus": dial_status, "DialCallSid": new_sid("CA")}
        if sip_status:
            fields |= {"DialSipResponseCode": sip_status}
        return document(await self.rig.carrier.post(f"/twilio/after?leg={leg}", fields))

    async def refers(self, to: str = "tel:+15550199") -> ElementTree.Element:
        fields = self.rig.carrier.call_fields(self.sid, self.dialled, "in-progress")
        fields["ReferTransferTarget"] = f"<{to}>"
        return document(await self.rig.carrier.post("/twilio/refer", fields))

    async def by_sip(self, vendor: Vendor) -> Line:
        """The caller's call is with the model, by the dial that answered them."""
        _, query = sip_uri(await self.rings()).split("?")
        headers = parse_qsl(query)
        line = await vendor.ring(self.rig.client, TRUNK_HEADERS[0], *headers)
        await (await vendor.sideband(line)).hears("response.create")
        return line

    def opening(self) -> str | None:
        """How the agent that waits for this caller's stream is to begin."""
        call = self.rig.gateway.registry.media_call(self.sid)
        assert call is not None, "no agent waits for this caller"
        return call.machine.opening


def document(response: httpx2.Response) -> ElementTree.Element:
    assert response.status_code == 200, response.text
    return ElementTree.fromstring(response.content)


def sip_uri(root: ElementTree.Element) -> str:
    return root.findtext("Dial/Sip", "").strip()


def step(root: ElementTree.Element) -> str:
    """What a caller gets, in a word."""
    first = root[0].tag
    if first == "Connect":
        return "media"
    if first == "Dial":
        return "sip" if PROJECT in sip_uri(root) else "human"
    return {"Hangup": "hangup", "Say": "apology", "Reject": "busy"}[first]


# --- By SIP from the start ---


async def test_the_model_is_dialled(rig: GatewayRig) -> None:
    root = await Caller(rig, DIRECT).rings()
    assert [verb.tag for verb in root] == ["Dial", "Say", "Hangup"]
    dial = root[0]
    assert dial.attrib == {
        "action": f"{PUBLIC_URL}/twilio/after?leg=sip#rc=2&rp=all",
        "method": "POST",
        "answerOnBridge": "true",
        "timeout": "15",
        "referUrl": f"{PUBLIC_URL}/twilio/refer",
        "referMethod": "POST",
    }
    (sip,) = dial
    assert sip.tag == "Sip"
    assert not sip.attrib
    uri, _, query = sip_uri(root).partition("?")
    assert uri == f"sip:{PROJECT}@sip.api.openai.com;transport=tls;secure=true"
    names = [name for name, _ in parse_qsl(query, strict_parsing=True)]
    assert len(names) == len(set(names)) == 3
    assert all(re.fullmatch(r"X-[A-Za-z-]+", name) for name in names), "warning 13252"
    assert rig.gateway.registry.active == 0, "nothing waits before the call has come"


@pytest.mark.parametrize("host", ["sip.api.openai.com", "sip-eu.api.openai.com"])
async def test_the_longest_address_is_one_that_twilio_takes(
    agents: Path, vendor: Vendor, host: str
) -> None:
    settings = SIP_SETTINGS | {"OPENAI_SIP_HOST": host}
    async with running_gateway(agents, vendor.base_url, **settings) as rig:
        uri = sip_uri(await Caller(rig, LONG).rings())
    assert LONGEST in uri
    assert len(PROJECT) == 28
    assert len(uri) <= limits.agents.SIP_URI_MAX_CHARS < 255
    assert len(urlsplit(uri).query) < 1024


async def test_the_document_is_xml_whatever_stands_in_it(rig: GatewayRig) -> None:
    caller = Caller(rig, DIRECT)
    response = await rig.carrier.ring(caller.sid, DIRECT)
    assert "&amp;" in response.text
    assert not re.search(r"&(?!amp;|lt;|gt;|quot;|#)", response.text)


async def test_the_apology_behind_it_is_in_the_agents_language(rig: GatewayRig) -> None:
    root = await Caller(rig, ARABIC).rings()
    assert root.find("Say").attrib["language"] == "ar-XA"  # type: ignore[union-attr]


async def test_a_token_is_made_for_each_call(rig: GatewayRig) -> None:
    first, second = [sip_uri(await Caller(rig, DIRECT).rings()) for _ in range(2)]
    assert first != second


async def test_a_retry_gets_the_same_address(rig: GatewayRig) -> None:
    caller = Caller(rig, DIRECT)
    assert sip_uri(await caller.rings()) == sip_uri(await caller.rings())


async def test_a_process_that_stops_dials_no_model(rig: GatewayRig) -> None:
    before = await rig.metric("calls_refused_total", reason="draining")
    with rig.draining():
        assert step(await Caller(rig, DIRECT).rings()) == "busy"
    assert await rig.metric("calls_refused_total", reason="draining") == before + 1


async def test_without_a_slot_for_sip_it_is_busy(agents: Path, vendor: Vendor) -> None:
    none = Tuning(sip_calls_max=0)
    async with running_gateway(agents, vendor.base_url, none, **SIP_SETTINGS) as rig:
        assert step(await Caller(rig, DIRECT).rings()) == "busy"
        assert await rig.metric("calls_refused_total", reason="full") == 1


# --- More than this process takes ---


@pytest.mark.parametrize("overflow", ["sip", "human", "busy"])
async def test_overflow(agents: Path, vendor: Vendor, overflow: str) -> None:
    settings = SIP_SETTINGS | {"GATEWAY_OVERFLOW": overflow, "GATEWAY_MAX_CALLS": "2"}
    async with running_gateway(agents, vendor.base_url, **settings) as rig:
        got = [step(await Caller(rig, MEDIA).rings()) for _ in range(10)]
        assert got == ["media"] * 2 + [overflow] * 8
        counted = "fallbacks_total" if overflow != "busy" else "calls_refused_total"
        label = {"step": f"overflow_{overflow}"} if overflow != "busy" else {"reason": "full"}
        assert await rig.metric(counted, **label) == 8
        assert await rig.metric("calls_refused_total", reason="full") == (
            8 if overflow == "busy" else 0
        )


async def test_nobody_overflows_from_a_process_that_stops(agents: Path, vendor: Vendor) -> None:
    settings = SIP_SETTINGS | {"GATEWAY_OVERFLOW": "sip", "GATEWAY_MAX_CALLS": "1"}
    async with running_gateway(agents, vendor.base_url, **settings) as rig:
        rig.gateway.registry.draining = True
        assert step(await Caller(rig, MEDIA).rings()) == "busy"


async def test_two_by_media_and_eight_by_sip_are_all_answered(agents: Path, vendor: Vendor) -> None:
    vendor.forget()
    settings = SIP_SETTINGS | {"GATEWAY_OVERFLOW": "sip", "GATEWAY_MAX_CALLS": "2"}
    async with running_gateway(agents, vendor.base_url, **settings) as rig:
        callers = [Caller(rig, MEDIA) for _ in range(10)]
        for caller in callers[:2]:
            assert step(await caller.rings()) == "media"
        await asyncio.gather(*(caller.by_sip(vendor) for caller in callers[2:]))
        assert await rig.metric("calls_active", path="sip", state="talking") == 8
        assert await rig.metric("calls_active", path="media-streams", state="expected") == 2


# --- The SIP leg has ended ---

FAILED = ("busy", "no-answer", "failed", "canceled", "")


@pytest.mark.parametrize("dial_status", FAILED)
async def test_a_leg_that_failed_is_followed_by_media_a_person_and_an_apology(
    rig: GatewayRig, dial_status: str
) -> None:
    caller = Caller(rig, DIRECT)
    await caller.rings()
    assert step(await caller.after("sip", dial_status, sip_status="603")) == "media"
    assert caller.opening() is None
    rig.gateway.registry.media_call(caller.sid).hang_up(Ending.MODEL_LOST)  # type: ignore[union-attr]
    person = await caller.after("stream")
    assert step(person) == "human"
    assert sip_uri(person) == "sip:night&day@example.com"
    assert person[0].attrib["action"] == f"{PUBLIC_URL}/twilio/after?leg=human#rc=2&rp=all"
    assert step(await caller.after("human", "no-answer")) == "apology"


async def test_how_the_leg_failed_is_told(rig: GatewayRig) -> None:
    caller = Caller(rig, DIRECT)
    with capture_logs() as told:
        await caller.after("sip", "failed", sip_status="488")
        await caller.after("sip", "failed", sip_status="488; evil\n")
    failed = [one for one in told if one["event"] == "leg_failed"]
    assert [one["sip_status"] for one in failed] == ["488", ""]
    assert failed[0]["call_sid"] == caller.sid
    assert failed[0]["dial_status"] == "failed"


async def test_without_a_person_there_is_only_an_apology(rig: GatewayRig) -> None:
    caller = Caller(rig, ALONE)
    assert step(await caller.after("sip", "failed")) == "media"
    rig.gateway.registry.media_call(caller.sid).hang_up(Ending.MODEL_LOST)  # type: ignore[union-attr]
    assert step(await caller.after("stream")) == "apology"


async def test_where_media_is_full_a_person_is_next(agents: Path, vendor: Vendor) -> None:
    settings = SIP_SETTINGS | {"GATEWAY_MAX_CALLS": "1"}
    async with running_gateway(agents, vendor.base_url, **settings) as rig:
        assert step(await Caller(rig, MEDIA).rings()) == "media"
        assert step(await Caller(rig, DIRECT).after("sip", "failed")) == "human"
        assert step(await Caller(rig, ALONE).after("sip", "failed")) == "apology"


async def ends_there(rig: GatewayRig, line: Line, ending: Ending) -> None:
    (call,) = (c for c in rig.gateway.registry.calls if c.facts.call_id == line.call_id)
    call.hang_up(ending)
    await rig.note(events.CallEnded, of=line.call_id)


WELL = [
    Ending.AGENT_HUNG_UP,
    Ending.IDLE,
    Ending.MAX_LENGTH,
    Ending.OPERATOR_HUNG_UP,
    Ending.TRANSFERRED,
]
BADLY = [Ending.MODEL_LOST, Ending.MODEL_REFUSED, Ending.MODEL_SILENT, Ending.BUG, Ending.DRAINED]


@pytest.mark.parametrize("ending", WELL + BADLY)
async def test_a_leg_that_we_ended_says_by_its_ending_what_is_next(
    rig: GatewayRig, vendor: Vendor, ending: Ending
) -> None:
    """Twilio says `completed` whatever it was: it was answered, and then it was over."""
    caller = Caller(rig, DIRECT)
    await ends_there(rig, await caller.by_sip(vendor), ending)
    after = await caller.after("sip", "completed")
    assert step(after) == ("hangup" if ending in WELL else "media")


async def test_a_leg_that_broke_off_is_not_the_callers_doing(
    rig: GatewayRig, vendor: Vendor
) -> None:
    """The caller is still there, or Twilio would not ask; either process may be asked first."""
    told_first, asked_first = Caller(rig, DIRECT), Caller(rig, DIRECT)
    line = await told_first.by_sip(vendor)
    line.end()
    await rig.note(events.CallEnded, of=line.call_id)
    assert step(await told_first.after("sip", "completed")) == "media"
    line = await asked_first.by_sip(vendor)
    assert step(await asked_first.after("sip", "completed")) == "media"
    assert (await rig.note(events.CallEnded, of=line.call_id)).ending is Ending.MODEL_LOST


async def test_nothing_stays_active_when_the_dial_is_over(rig: GatewayRig, vendor: Vendor) -> None:
    """Twilio gave up ringing, the vendor is late: what was accepted after all is ended."""
    slow = asyncio.Event()
    vendor.answers["accept"].append(slow)
    caller = Caller(rig, ALONE)
    _, query = sip_uri(await caller.rings()).split("?")
    line = await vendor.ring(rig.client, TRUNK_HEADERS[0], *parse_qsl(query))
    await vendor.hears("accept")
    assert step(await caller.after("sip", "no-answer")) == "media"
    slow.set()
    await vendor.hears("hangup")
    board = rig.gateway.registry
    await rig.until(lambda: not any(c.facts.call_id == line.call_id for c in board.calls))


async def test_a_leg_that_another_process_had_is_believed_by_its_status(rig: GatewayRig) -> None:
    """What is not known here is taken from the carrier's word."""
    assert step(await Caller(rig, DIRECT).after("sip", "completed")) == "hangup"
    assert step(await Caller(rig, DIRECT).after("sip", "answered")) == "hangup"
    assert step(await Caller(rig, DIRECT).after("sip", "failed")) == "media"
    assert step(await Caller(rig, DIRECT).after("stream")) == "media"


@pytest.mark.parametrize("leg", ["sip", "transfer", "human"])
@pytest.mark.parametrize("status", ["completed", "busy", "failed", "no-answer", "canceled"])
async def test_a_caller_who_is_gone_needs_nothing(rig: GatewayRig, leg: str, status: str) -> None:
    root = await Caller(rig, DIRECT).after(leg, "failed", status=status)
    assert [verb.tag for verb in root] == ["Hangup"]


async def test_a_caller_who_is_gone_is_gone_on_our_side(rig: GatewayRig, vendor: Vendor) -> None:
    caller = Caller(rig, DIRECT)
    line = await caller.by_sip(vendor)
    await caller.after("sip", "completed", status="completed")
    assert (await rig.note(events.CallEnded, of=line.call_id)).ending is Ending.CALLER_HUNG_UP


@pytest.mark.parametrize("leg", ["human", "transfer"])
@pytest.mark.parametrize("dial_status", ["completed", "answered"])
async def test_a_talk_with_a_person_that_is_over_is_the_end(
    rig: GatewayRig, leg: str, dial_status: str
) -> None:
    assert step(await Caller(rig, DIRECT).after(leg, dial_status)) == "hangup"


@pytest.mark.parametrize("leg", ["", "x", "SIP", "sip%0a"])
async def test_a_leg_that_nobody_knows_is_one_that_failed(rig: GatewayRig, leg: str) -> None:
    assert step(await Caller(rig, DIRECT).after(leg, "failed")) == "human"


# --- Taken up again ---


async def breaks_off(rig: GatewayRig, caller: Caller, twiml: ElementTree.Element) -> None:
    """The caller's stream comes, and then its socket breaks."""
    ended = len(rig.said(events.CallEnded, caller.sid))
    parameter = twiml.find("Connect/Stream/Parameter")
    assert parameter is not None
    async with rig.carrier.socket() as socket:
        stream = Stream(socket, rig.carrier.account, caller.sid)
        await stream.start(parameter.attrib["value"])
        await rig.note(events.CallerConnected, ended + 1, of=caller.sid)
        socket.transport.abort()
        await rig.note(events.CallEnded, ended + 1, of=caller.sid)


async def test_a_call_that_breaks_again_and_again_is_a_persons(rig: GatewayRig) -> None:
    """Even where the model could still be dialled by SIP."""
    caller = Caller(rig, MEDIA)
    twiml = await caller.rings()
    got = []
    for _ in range(limits.call.RESUMES_MAX + 1):
        await breaks_off(rig, caller, twiml)
        twiml = await caller.after("stream")
        got.append(step(twiml))
    assert got == ["media"] * limits.call.RESUMES_MAX + ["human"]


async def test_whose_stream_never_arrives_is_a_persons_too(rig: GatewayRig) -> None:
    """As when the carrier's handshake does not get through."""
    caller = Caller(rig, MEDIA)
    await caller.rings()
    got = [step(await caller.after("stream")) for _ in range(limits.call.RESUMES_MAX + 1)]
    assert got == ["media"] * limits.call.RESUMES_MAX + ["human"]


async def test_who_is_not_remembered_may_be_a_persons(rig: GatewayRig) -> None:
    assert step(await Caller(rig, FORGETFUL).after("stream")) == "human"


async def test_a_full_process_goes_on_with_the_caller_by_sip(agents: Path, vendor: Vendor) -> None:
    settings = SIP_SETTINGS | {"GATEWAY_MAX_CALLS": "1"}
    async with running_gateway(agents, vendor.base_url, **settings) as rig:
        caller = Caller(rig, MEDIA)
        await breaks_off(rig, caller, await caller.rings())
        assert step(await Caller(rig, MEDIA).rings()) == "media"
        assert step(await caller.after("stream")) == "sip"


async def test_who_is_handed_over_in_a_rolling_deploy_is_not_passed_round(rig: GatewayRig) -> None:
    caller = Caller(rig, MEDIA)
    twiml = await caller.rings()
    for _ in range(limits.call.LEGS_MAX + 2):
        await breaks_off(rig, caller, twiml)
        twiml = await caller.after("drain")
        assert step(twiml) == "media"


# --- Handed over ---


@pytest.mark.parametrize("dial_status", FAILED)
async def test_nobody_took_the_call_and_the_agent_says_so(
    rig: GatewayRig, dial_status: str
) -> None:
    caller = Caller(rig, DIRECT)
    assert step(await caller.after("transfer", dial_status)) == "media"
    assert "nobody took the call" in (caller.opening() or "")


async def handing_over(rig: GatewayRig, vendor: Vendor, target: str) -> tuple[Caller, Line]:
    caller = Caller(rig, DIRECT)
    line = await caller.by_sip(vendor)
    sideband = line.sidebands[0]
    sideband.say("response.created", response={"id": "resp_1", "status": "in_progress"})
    sideband.say(
        "response.output_audio_transcript.delta", response_id="resp_1", item_id="item_1", delta="A"
    )
    call = {"type": "function_call", "call_id": "call_1", "name": "transfer"}
    done = {
        "id": "resp_1",
        "status": "completed",
        "output": [call | {"arguments": f'{{"target":"{target}"}}'}],
    }
    sideband.say("response.done", response=done)
    sideband.say("output_audio_buffer.stopped", response_id="resp_1")
    await vendor.hears("refer")
    return caller, line


@pytest.mark.parametrize(
    ("target", "referred", "tag", "to"),
    [
        ("desk", "tel:+15550199", "Number", "+15550199"),
        ("office", "sip:office@example.com", "Sip", "sip:office@example.com"),
    ],
)
async def test_the_carrier_asks_whom_to_dial(
    rig: GatewayRig, vendor: Vendor, target: str, referred: str, tag: str, to: str
) -> None:
    caller, line = await handing_over(rig, vendor, target)
    assert vendor.of("refer")[0].body == {"target_uri": referred}
    root = await caller.refers(referred)
    (dial, *_) = root
    assert dial.tag == "Dial"
    assert dial.attrib["action"] == f"{PUBLIC_URL}/twilio/after?leg=transfer#rc=2&rp=all"
    assert [(one.tag, one.text) for one in dial] == [(tag, to)]
    line.end()
    assert (await rig.note(events.CallEnded, of=line.call_id)).ending is Ending.TRANSFERRED
    assert step(await caller.after("transfer", "completed")) == "hangup"


async def test_whom_we_did_not_refer_is_not_dialled_but_given_back(rig: GatewayRig) -> None:
    """A number in a request is nobody's permission to dial it at our cost."""
    caller = Caller(rig, DIRECT)
    assert step(await caller.refers("tel:+19005550000")) == "media"
    assert "nobody took the call" in (caller.opening() or "")


async def test_back_from_a_transfer_to_a_full_gateway_the_model_is_dialled_again(
    agents: Path, vendor: Vendor
) -> None:
    vendor.forget()
    settings = SIP_SETTINGS | {"GATEWAY_OVERFLOW": "sip", "GATEWAY_MAX_CALLS": "1"}
    async with running_gateway(agents, vendor.base_url, **settings) as rig:
        assert step(await Caller(rig, MEDIA).rings()) == "media"
        caller = Caller(rig, MEDIA)
        root = await caller.after("transfer", "no-answer")
        assert step(root) == "sip"
        _, query = sip_uri(root).split("?")
        line = await vendor.ring(rig.client, TRUNK_HEADERS[0], *parse_qsl(query))
        greeting = await (await vendor.sideband(line)).hears("response.create")
        assert "nobody took the call" in greeting["response"]["instructions"]


async def test_nobody_is_passed_round_for_ever(rig: GatewayRig) -> None:
    caller = Caller(rig, DIRECT)
    got = [
        step(await caller.after("transfer", "no-answer")) for _ in range(limits.call.LEGS_MAX + 2)
    ]
    assert got == ["media"] * limits.call.LEGS_MAX + ["apology"] * 2
    fresh = Caller(rig, DIRECT)
    assert step(await fresh.after("transfer", "no-answer")) == "media"


async def test_each_failover_step_is_counted(rig: GatewayRig) -> None:
    twiml_responses = ("media", "human", "apology")
    before = [await rig.metric("fallbacks_total", step=name) for name in twiml_responses]
    caller = Caller(rig, DIRECT)
    await caller.after("sip", "failed")
    rig.gateway.registry.media_call(caller.sid).hang_up(Ending.MODEL_LOST)  # type: ignore[union-attr]
    await caller.after("stream")
    await caller.after("human", "busy")
    counted = [await rig.metric("fallbacks_total", step=name) for name in twiml_responses]
    assert [now - then for now, then in zip(counted, before, strict=True)] == [1, 1, 1]
