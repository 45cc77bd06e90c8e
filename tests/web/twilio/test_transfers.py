"""Transfers of a caller: what the person hears, their key, and what happens to the caller."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qsl
from xml.etree import ElementTree

import httpx2
import pytest
import pytest_asyncio
from gateway_calls import RECEPTION, new_sid
from running_gateway import PUBLIC_URL, Clock, GatewayRig, running_gateway
from twilio_rest_double import RestDesk, rest_desk
from vendor import SIP_SETTINGS, TRUNK_HEADERS, Line, Vendor

from gateway.call import events
from gateway.call.endings import Ending
from gateway.tuning import Tuning

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGENTS = """
agents:
  day:
    path: sip
    language: fr
    greeting: Bonjour.
    instructions: Answer the telephone.
    tools: [end_call, transfer]
    transfers:
      desk: {to: "+15550199", mode: warm}
      office: {to: "sip:office@example.com", mode: warm}
      plain: {to: "+15550188"}
      support: {queue: "support & co"}
    hours: {zone: Europe/Paris, mon-fri: "09:00-18:00"}
    out_of_hours: night
  night:
    path: sip
    greeting: Good evening.
    instructions: Answer the telephone.
routes:
  - {to: "*", agent: day}
"""
QUEUE_SID = "QU" + "a" * 32
OPEN_S, CLOSED_S = 1_763_978_400.0, 1_764_025_200.0
CLOCK = Clock(OPEN_S)
"""Monday 24 November 2025: 11:00 in Paris, and midnight."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def twilio() -> AsyncIterator[RestDesk]:
    async with rest_desk() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    tmp_path_factory: pytest.TempPathFactory, vendor: Vendor, twilio: RestDesk
) -> AsyncIterator[GatewayRig]:
    file = tmp_path_factory.mktemp("handing") / "agents.yaml"
    file.write_text(AGENTS)
    tuning = Tuning(wall_clock=CLOCK)
    async with running_gateway(
        file, vendor.base_url, tuning, **SIP_SETTINGS, TWILIO_BASE_URL=twilio.url
    ) as running:
        yield running


@pytest.fixture
def rest(twilio: RestDesk) -> RestDesk:
    return twilio


@pytest_asyncio.fixture(loop_scope="module")
async def rig(shared: GatewayRig, vendor: Vendor, twilio: RestDesk) -> AsyncIterator[GatewayRig]:
    vendor.forget()
    twilio.forget()
    shared.notes.clear()
    CLOCK.now = OPEN_S
    yield shared
    for line in vendor.lines.values():
        line.state = "over"
    shared.gateway.registry.end_all(Ending.DRAINED)


@dataclass(frozen=True)
class Waiting:
    """What Twilio is told of a caller who is put into a queue."""

    queue: str
    after: str
    hold: str

    @property
    def id(self) -> str:
        return self.hold.partition("=")[2]

    @property
    def whisper(self) -> str:
        return f"/twilio/whisper?transfer={self.id}"

    @property
    def key(self) -> str:
        return f"{self.whisper}&key=1"

    @property
    def step(self) -> str:
        return f"/twilio/person?transfer={self.id}"


def waiting(root: ElementTree.Element) -> Waiting:
    queue = root[0]
    assert queue.tag == "Enqueue"
    after, hold = (queue.attrib[name].removeprefix(PUBLIC_URL) for name in ("action", "waitUrl"))
    return Waiting(queue.text or "", after, hold)


def tags(root: ElementTree.Element) -> list[str]:
    return [verb.tag for verb in root]


class Caller:
    """One caller and the person who is called for them, as Twilio reports both."""

    def __init__(self, rig: GatewayRig, to: str = RECEPTION) -> None:
        self.rig, self.sid, self.to = rig, new_sid("CA"), to

    async def send(self, path: str, **fields: str) -> httpx2.Response:
        known = self.rig.carrier.call_fields(self.sid, self.to, "in-progress")
        return await self.rig.carrier.post(path, known | fields)

    async def post(self, path: str, **fields: str) -> ElementTree.Element:
        response = await self.send(path, **fields)
        assert response.status_code == 200, response.text
        return ElementTree.fromstring(response.content)

    async def handed_to(self, vendor: Vendor, target: str) -> tuple[ElementTree.Element, Line]:
        """By SIP, by the model's tool; the document with which Twilio goes on."""
        document = ElementTree.fromstring((await self.rig.carrier.ring(self.sid, self.to)).content)
        _, query = document.findtext("Dial/Sip", "").strip().split("?")
        line = await vendor.ring(self.rig.client, TRUNK_HEADERS[0], *parse_qsl(query))
        await (await vendor.sideband(line)).hears("response.create")
        vendor.asked.clear()
        transfers(line, target)
        await vendor.hears("refer")
        return await self.post("/twilio/refer", ReferTransferTarget="<tel:+1>"), line


def transfers(line: Line, target: str) -> None:
    sideband = line.sidebands[0]
    sideband.say("response.created", response={"id": "resp_1", "status": "in_progress"})
    sideband.say(
        "response.output_audio_transcript.delta", response_id="resp_1", item_id="item_1", delta="A"
    )
    call = {"type": "function_call", "call_id": "call_1", "name": "transfer"}
    arguments = f'{{"target":"{target}","summary":"Lee asks for <Anna> & Bob."}}'
    done = {"id": "resp_1", "status": "completed", "output": [call | {"arguments": arguments}]}
    sideband.say("response.done", response=done)
    sideband.say("output_audio_buffer.stopped", response_id="resp_1")


# --- Warm ---


@pytest.mark.parametrize(
    ("target", "party"),
    [("desk", "+15550199"), ("office", "sip:office@example.com")],
    ids=["number", "address"],
)
async def test_the_person_hears_what_it_is_about_and_takes_the_call(
    rig: GatewayRig, vendor: Vendor, rest: RestDesk, target: str, party: str
) -> None:
    caller = Caller(rig)
    root, _ = await caller.handed_to(vendor, target)
    transfer = waiting(root)
    assert not rest.asked, "no person is called before the caller waits"
    (play,) = await caller.post(transfer.hold, QueueTime="0", QueuePosition="1")
    assert (play.tag, play.text) == ("Play", f"{PUBLIC_URL}/twilio/hold.wav")
    order = await rest.hears_of("POST /Calls.json")
    url, callback = (order[name][0] for name in ("Url", "StatusCallback"))
    assert (order["To"], order["From"]) == ([party], [RECEPTION])
    assert (order["Timeout"], order["StatusCallbackEvent"]) == (["25"], ["completed"])
    assert "Anna" not in str(order), "what was said has no place in an address"
    assert callback == f"{PUBLIC_URL}/twilio/person?transfer={transfer.id}"

    person = new_sid("CA")
    said = await caller.post(url.removeprefix(PUBLIC_URL), CallSid=person)
    gather, hangup = said
    assert (gather.tag, hangup.tag) == ("Gather", "Hangup"), "no key: not connected"
    words = " ".join(say.text or "" for say in gather.findall("Say"))
    assert "Lee asks for <Anna> & Bob." in words
    assert {say.attrib["language"] for say in gather.findall("Say")} == {"fr-FR"}
    key_path = gather.attrib["action"].removeprefix(PUBLIC_URL)
    for _ in "twice":
        dial, hangup = await caller.post(key_path, CallSid=person, Digits="1")
        assert (dial.findtext("Queue"), hangup.tag) == (transfer.queue, "Hangup")
    (play,) = await caller.post(transfer.hold, QueueTime="16")
    assert play.tag == "Play", "until they are connected"

    after = await caller.post(transfer.after, QueueResult="bridged", QueueSid=QUEUE_SID)
    assert [verb.tag for verb in after] == ["Hangup"]
    await rest.hears_of(f"DELETE /Queues/{QUEUE_SID}.json")
    await caller.send(transfer.step, CallSid=person, CallStatus="completed")
    assert [len(rest.of(f"POST /Calls/{sid}.json")) for sid in (caller.sid, person)] == [0, 0]
    assert await rig.metric("warm_transfers_total", outcome="accepted") >= 1


@pytest.mark.parametrize(
    ("status", "outcome", "told"),
    [
        ("completed", "declined", "could not take it"),
        ("busy", "busy", "the line was busy"),
        ("no-answer", "no-answer", "nobody answered"),
        ("failed", "failed", "nobody took the call."),
        ("canceled", "failed", "nobody took the call."),
    ],
)
async def test_a_caller_whom_nobody_takes_is_brought_back_at_once(
    rig: GatewayRig, vendor: Vendor, rest: RestDesk, status: str, outcome: str, told: str
) -> None:
    caller = Caller(rig)
    root, line = await caller.handed_to(vendor, "desk")
    line.end()
    await rig.note(events.CallEnded, of=line.call_id)
    transfer = waiting(root)
    await caller.post(transfer.hold)
    await rest.hears_of("POST /Calls.json")
    before = await rig.metric("warm_transfers_total", outcome=outcome)
    for told_as in ("ringing", status, status):  # callbacks may come twice
        answer = await caller.send(transfer.step, CallSid=new_sid("CA"), CallStatus=told_as)
        assert answer.status_code == 204
    order = await rest.hears_of(f"POST /Calls/{caller.sid}.json")
    assert order == {"Url": [PUBLIC_URL + transfer.after], "Method": ["POST"]}
    # Besides, the action of the queue is asked: obeyed or not, it comes to the same.
    (redirect,) = await caller.post(transfer.after, QueueResult="redirected", QueueSid=QUEUE_SID)
    assert (redirect.tag, redirect.text) == ("Redirect", PUBLIC_URL + transfer.after)
    root = await caller.post(transfer.after)
    assert root[0].tag == "Connect"
    back = rig.gateway.registry.media_call(caller.sid)
    assert back is not None
    assert told in (back.machine.opening or "")
    assert back.machine.resumed
    (output,) = [item.text for item in back.machine.history.items if item.kind == "output"]
    assert "nobody took the call" in output
    assert len(rest.of(f"POST /Calls/{caller.sid}.json")) == 1
    assert await rig.metric("warm_transfers_total", outcome=outcome) == before + 1


@pytest.mark.parametrize("digits", ["2", "11", "", "#"])
async def test_another_key_brings_the_caller_back(
    rig: GatewayRig, vendor: Vendor, rest: RestDesk, digits: str
) -> None:
    caller = Caller(rig)
    transfer = waiting((await caller.handed_to(vendor, "desk"))[0])
    await caller.post(transfer.hold)
    assert tags(await caller.post(transfer.key, Digits=digits)) == ["Hangup"]
    await rest.hears_of(f"POST /Calls/{caller.sid}.json")
    assert tags(await caller.post(transfer.key, Digits="1")) == ["Hangup"], (
        "the person has chosen already"
    )
    assert (await caller.post(transfer.after))[0].tag == "Connect"


async def test_one_person_is_called_however_often_it_is_asked(
    rig: GatewayRig, vendor: Vendor, rest: RestDesk
) -> None:
    caller = Caller(rig)
    transfer = waiting((await caller.handed_to(vendor, "desk"))[0])
    await asyncio.gather(*(caller.post(transfer.hold) for _ in range(5)))
    await rest.hears_of("POST /Calls.json")
    await caller.post(transfer.hold, QueueTime="16")
    assert len(rest.of("POST /Calls.json")) == 1


@pytest.mark.parametrize("answers", [[(400, 21210)], [(503, None)], [(401, 20003)]])
async def test_whom_twilio_does_not_ring(
    rig: GatewayRig, vendor: Vendor, rest: RestDesk, answers: list[tuple[int, int | None]]
) -> None:
    """REST cannot bring this caller back either: they leave the queue at Twilio's next request."""
    caller = Caller(rig)
    rest.forget(*answers)
    transfer = waiting((await caller.handed_to(vendor, "desk"))[0])
    assert tags(await caller.post(transfer.hold)) == ["Play"]
    await rest.hears_of(f"POST /Calls/{caller.sid}.json")
    asked = [tags(await caller.post(transfer.hold, QueueTime="16")) for _ in range(2)]
    assert ["Leave"] in asked, "at once, or next time if an order is still being tried"
    root = await caller.post(transfer.after, QueueResult="leave")
    assert root[0].tag == "Connect"
    back = rig.gateway.registry.media_call(caller.sid)
    assert back is not None
    assert "nobody took the call." in (back.machine.opening or "")


async def test_an_order_that_is_lost_and_a_person_of_whom_nobody_tells(
    rig: GatewayRig, vendor: Vendor, rest: RestDesk
) -> None:
    caller = Caller(rig)
    transfer = waiting((await caller.handed_to(vendor, "desk"))[0])
    await caller.post(transfer.hold)
    await rest.hears_of("POST /Calls.json")
    await caller.send(transfer.step, CallStatus="busy")
    await rest.hears_of(f"POST /Calls/{caller.sid}.json")
    asked = [tags(await caller.post(transfer.hold, QueueTime="32")) for _ in range(2)]
    assert asked == [["Play"], ["Leave"]], "an order may be under way, but not for ever"

    rest.forget()
    other = Caller(rig)
    transfer = waiting((await other.handed_to(vendor, "desk"))[0])
    await other.post(transfer.hold)
    await rest.hears_of("POST /Calls.json")
    assert tags(await other.post(transfer.hold, QueueTime="149")) == ["Play"]
    assert tags(await other.post(transfer.hold, QueueTime="150")) == ["Leave"]
    order = await rest.hears_of(f"POST /Calls/{rest.placed[0]}.json")
    assert order == {"Status": ["completed"]}


@pytest.mark.parametrize("how", ["action", "status"])
async def test_a_caller_who_hangs_up_while_it_rings(
    rig: GatewayRig, vendor: Vendor, rest: RestDesk, how: str
) -> None:
    caller = Caller(rig)
    transfer = waiting((await caller.handed_to(vendor, "desk"))[0])
    await caller.post(transfer.hold)
    await rest.hears_of("POST /Calls.json")
    before = await rig.metric("warm_transfers_total", outcome="caller_hung_up")
    if how == "action":
        fields = {"QueueResult": "hangup", "CallStatus": "completed"}
        assert tags(await caller.post(transfer.after, **fields)) == ["Hangup"]
    else:
        await caller.send("/twilio/status", CallStatus="completed")
    order = await rest.hears_of(f"POST /Calls/{rest.placed[0]}.json")
    assert order == {"Status": ["completed"]}
    assert tags(await caller.post(transfer.whisper)) == ["Hangup"]
    assert tags(await caller.post(transfer.key, Digits="1")) == ["Hangup"]
    await caller.send(transfer.step, CallStatus="completed")
    assert not rest.of(f"POST /Calls/{caller.sid}.json"), "nobody is there to be brought back"
    assert await rig.metric("warm_transfers_total", outcome="caller_hung_up") == before + 1


async def test_a_caller_whom_the_queue_does_not_keep_has_not_hung_up(
    rig: GatewayRig, vendor: Vendor
) -> None:
    caller = Caller(rig)
    transfer = waiting((await caller.handed_to(vendor, "desk"))[0])
    outcomes = ("caller_hung_up", "failed")
    before = [await rig.metric("warm_transfers_total", outcome=one) for one in outcomes]
    root = await caller.post(transfer.after, QueueResult="error", CallStatus="in-progress")
    assert root[0].tag == "Connect", "the agent has them again"
    after = [await rig.metric("warm_transfers_total", outcome=one) for one in outcomes]
    assert after == [before[0], before[1] + 1]


async def test_a_person_called_for_a_caller_who_left_is_hung_up(
    rig: GatewayRig, vendor: Vendor, rest: RestDesk
) -> None:
    """Twilio's answer, which has the person's CallSid, comes last."""
    caller = Caller(rig)
    transfer = waiting((await caller.handed_to(vendor, "desk"))[0])
    rest.hold = asyncio.Event()
    await caller.post(transfer.hold)
    await rest.hears_of("POST /Calls.json")
    await caller.post(transfer.after, QueueResult="hangup", CallStatus="completed")
    rest.hold.set()
    # Not the second order: calls of the test before may still be hung up.
    person = await rest.places()
    assert await rest.hears_of(f"POST /Calls/{person}.json") == {"Status": ["completed"]}


async def test_a_person_presses_the_key_and_hangs_up_before_they_are_connected(
    rig: GatewayRig, vendor: Vendor, rest: RestDesk
) -> None:
    caller = Caller(rig)
    transfer = waiting((await caller.handed_to(vendor, "desk"))[0])
    await caller.post(transfer.hold)
    await caller.post(transfer.key, Digits="1")
    await caller.send(transfer.step, CallStatus="completed")
    assert tags(await caller.post(transfer.hold, QueueTime="16")) == ["Leave"]
    assert not rest.of(f"POST /Calls/{caller.sid}.json"), "the two may be talking already"
    root = await caller.post(transfer.after, QueueResult="leave")
    assert root[0].tag == "Connect"


@pytest.mark.parametrize(
    "result", ["leave", "error", "system-error", "queue-full", "bridging-in-process", "new", ""]
)
async def test_a_caller_who_leaves_the_queue_returns_to_the_agent(
    rig: GatewayRig, vendor: Vendor, rest: RestDesk, result: str
) -> None:
    caller = Caller(rig)
    transfer = waiting((await caller.handed_to(vendor, "desk"))[0])
    await caller.post(transfer.hold)
    await rest.hears_of("POST /Calls.json")
    root = await caller.post(transfer.after, QueueResult=result)
    assert root[0].tag == "Connect"
    await rest.hears_of(f"POST /Calls/{rest.placed[0]}.json")


async def test_a_second_try_is_not_taken_by_the_person_of_the_first(
    rig: GatewayRig, vendor: Vendor, rest: RestDesk
) -> None:
    caller = Caller(rig)
    first = waiting((await caller.handed_to(vendor, "desk"))[0])
    await caller.post(first.hold)
    await caller.send(first.step, CallStatus="no-answer")
    second = waiting(await caller.post("/twilio/refer", ReferTransferTarget="<tel:+1>"))
    assert second.queue != first.queue
    await caller.post(second.hold)
    assert tags(await caller.post(first.key, Digits="1")) == ["Hangup"]
    assert tags(await caller.post(first.whisper)) == ["Hangup"]
    assert tags(await caller.post(second.whisper)) == ["Gather", "Hangup"]


async def test_nobody_waits_for_another_callers_person(
    rig: GatewayRig, vendor: Vendor, rest: RestDesk
) -> None:
    transfer = waiting((await Caller(rig).handed_to(vendor, "desk"))[0])
    assert tags(await Caller(rig).post(transfer.hold)) == ["Leave"]
    assert not rest.asked


@pytest.mark.parametrize("query", ["", "?transfer=", "?transfer=1", f"?transfer={'9' * 9999}"])
async def test_a_transfer_that_nobody_knows(rig: GatewayRig, vendor: Vendor, query: str) -> None:
    caller = Caller(rig)
    await caller.handed_to(vendor, "desk")
    key = f"{query}&key=1" if query else "?key=1"
    assert tags(await caller.post(f"/twilio/whisper{key}", Digits="1")) == ["Hangup"]
    assert tags(await caller.post(f"/twilio/hold{query}")) == ["Leave"]
    step = await caller.send(f"/twilio/person{query}", CallStatus="busy")
    assert step.status_code == 204
    after = f"/twilio/after?leg=warm&{query[1:]}"
    assert (await caller.post(after, QueueResult="leave"))[0].tag == "Connect"


@pytest.mark.parametrize("endpoint", ["whisper", "hold", "person", "after"])
async def test_the_endpoints_are_for_twilio_only(rig: GatewayRig, endpoint: str) -> None:
    response = await rig.client.post(f"/twilio/{endpoint}?transfer=x", data={"Digits": "1"})
    assert response.status_code == 403


async def test_the_music_is_for_everybody(rig: GatewayRig) -> None:
    response = await rig.client.get("/twilio/hold.wav")
    assert response.headers["content-type"] == "audio/wav"
    assert "max-age=86400" in response.headers["cache-control"]
    with wave.open(BytesIO(response.content)) as music:
        assert (music.getnchannels(), music.getsampwidth(), music.getframerate()) == (1, 2, 8000)
        assert 5 < music.getnframes() / 8000 < 60


# --- Without a number to ring from ---

AT_SIP = "sip:desk@example.sip.twilio.com"


@pytest.mark.parametrize(
    ("target", "party"), [("desk", "Number"), ("office", "Sip")], ids=["number", "address"]
)
async def test_twilio_dials_the_person(
    rig: GatewayRig, vendor: Vendor, rest: RestDesk, target: str, party: str
) -> None:
    caller = Caller(rig, AT_SIP)
    root, _ = await caller.handed_to(vendor, target)
    whisper = root[0].find(party).attrib["url"].removeprefix(PUBLIC_URL)  # type: ignore[union-attr]
    after = root[0].attrib["action"].removeprefix(PUBLIC_URL)
    gather, _ = await caller.post(whisper, CallSid=new_sid("CA"), ParentCallSid=caller.sid)
    key_path = gather.attrib["action"].removeprefix(PUBLIC_URL)
    assert len(await caller.post(key_path, CallSid=new_sid("CA"), Digits="1")) == 0
    assert tags(await caller.post(after, DialCallStatus="completed")) == ["Hangup"]
    assert not rest.asked


@pytest.mark.parametrize("status", ["completed", "answered", "busy", "no-answer", "failed"])
async def test_without_a_key_the_caller_comes_back(
    rig: GatewayRig, vendor: Vendor, rest: RestDesk, status: str
) -> None:
    """Whatever Twilio says of a leg that was answered and never connected."""
    caller = Caller(rig, AT_SIP)
    root, _ = await caller.handed_to(vendor, "desk")
    whisper = root[0][0].attrib["url"].removeprefix(PUBLIC_URL)
    assert tags(await caller.post(f"{whisper}&key=1", Digits="2")) == ["Hangup"]
    after = root[0].attrib["action"].removeprefix(PUBLIC_URL)
    assert (await caller.post(after, DialCallStatus=status))[0].tag == "Connect"
    assert not rest.asked


# --- Others ---


async def test_a_queue_and_a_plain_transfer(rig: GatewayRig, vendor: Vendor) -> None:
    caller = Caller(rig)
    root, _ = await caller.handed_to(vendor, "support")
    assert (root[0].tag, root[0].text) == ("Enqueue", "support & co")
    root = await caller.post("/twilio/after?leg=transfer", QueueResult="queue-full")
    assert root[0].tag == "Connect"
    root, _ = await Caller(rig).handed_to(vendor, "plain")
    assert "url" not in root.find("Dial/Number").attrib  # type: ignore[union-attr]
    assert root[0].attrib["action"] == f"{PUBLIC_URL}/twilio/after?leg=transfer#rc=2&rp=all"


async def test_over_a_trunk_nobody_is_whispered_to_and_there_is_no_queue(
    rig: GatewayRig, vendor: Vendor
) -> None:
    """Nobody asks us for a document there: a warm transfer is a cold one, a queue none at all."""
    line = await vendor.ring(rig.client, *TRUNK_HEADERS)
    await (await vendor.sideband(line)).hears("response.create")
    transfers(line, "desk")
    await vendor.hears("refer")
    assert vendor.of("refer")[0].body == {"target_uri": "tel:+15550199"}
    vendor.forget()
    line = await vendor.ring(rig.client, *TRUNK_HEADERS)
    await (await vendor.sideband(line)).hears("response.create")
    transfers(line, "support")
    tried = await rig.note(events.TransferAttempted, of=line.call_id)
    assert tried.outcome == "refused"
    assert not vendor.of("refer")


# --- Who answers ---


@pytest.mark.parametrize(("clock_s", "agent"), [(OPEN_S, "day"), (CLOSED_S, "night")])
async def test_who_answers_at_that_hour(
    rig: GatewayRig, vendor: Vendor, clock_s: float, agent: str
) -> None:
    CLOCK.now = clock_s
    document = (await rig.carrier.ring(new_sid("CA"))).text
    assert f"X-Gateway-Agent={agent}&" in document
    line = await vendor.ring(rig.client, *TRUNK_HEADERS)
    await (await vendor.sideband(line)).hears("response.create")
    call = rig.gateway.registry.call(line.call_id)
    assert call is not None
    assert call.facts.agent == agent, "over a trunk too"


async def test_a_caller_answered_before_closing_time_keeps_their_agent(
    rig: GatewayRig, vendor: Vendor
) -> None:
    caller = Caller(rig)
    _, line = await caller.handed_to(vendor, "plain")
    line.end()
    await rig.note(events.CallEnded, of=line.call_id)
    CLOCK.now = CLOSED_S
    await caller.post("/twilio/after?leg=transfer", DialCallStatus="busy")
    back = rig.gateway.registry.media_call(caller.sid)
    assert back is not None
    assert back.facts.agent == "day"


async def test_a_transfer_to_somebody_who_is_closed(tmp_path: Path, vendor: Vendor) -> None:
    vendor.forget()
    file = tmp_path / "agents.yaml"
    hours = 'hours: {zone: Europe/Paris, tue: "09:00-12:00"}'
    file.write_text(AGENTS.replace("mode: warm}", f"mode: warm, {hours}}}", 1))
    tuning = Tuning(wall_clock=Clock(OPEN_S))
    async with running_gateway(file, vendor.base_url, tuning, **SIP_SETTINGS) as rig:
        line = await vendor.ring(rig.client, *TRUNK_HEADERS)
        await (await vendor.sideband(line)).hears("response.create")
        transfers(line, "desk")
        told = await line.sidebands[0].hears("conversation.item.create")
        assert "desk is closed until tomorrow, Tuesday 09:00" in str(told)
        assert not vendor.of("refer")
        line.end()
