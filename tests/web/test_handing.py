"""A caller is handed over: what the person hears, his key, and what becomes of the caller."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qsl
from xml.etree import ElementTree

import pytest
import pytest_asyncio
from carrier import new_sid
from house import PUBLIC_URL, House, running_house
from vendor import SIP_SETTINGS, TRUNK_HEADERS, Line, Vendor, running_vendor

from gateway.call import notes
from gateway.call.endings import Ending

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
OPEN_S, CLOSED_S = 1_763_978_400.0, 1_764_025_200.0
"""Monday 24 November 2025: 11:00 in Paris, and midnight."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vendor() -> AsyncIterator[Vendor]:
    async with running_vendor() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory, vendor: Vendor) -> AsyncIterator[House]:
    file = tmp_path_factory.mktemp("handing") / "agents.yaml"
    file.write_text(AGENTS)
    async with running_house(file, vendor.base_url, **SIP_SETTINGS) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def house(shared: House, vendor: Vendor) -> AsyncIterator[House]:
    vendor.forget()
    shared.notes.clear()
    shared.gateway.switchboard.clock = lambda: OPEN_S
    yield shared
    for line in vendor.lines.values():
        line.state = "over"
    shared.gateway.switchboard.end_all(Ending.DRAINED)


class Caller:
    """One caller and the person who is rung for him, as Twilio tells of them."""

    def __init__(self, house: House) -> None:
        self.house, self.sid = house, new_sid("CA")

    async def post(self, path: str, **fields: str) -> ElementTree.Element:
        known = self.house.carrier.call_fields(self.sid, status="in-progress")
        response = await self.house.carrier.post(path, known | fields)
        assert response.status_code == 200, response.text
        return ElementTree.fromstring(response.content)

    async def handed_to(self, vendor: Vendor, target: str) -> tuple[ElementTree.Element, Line]:
        """By SIP, by the model's tool; the document with which Twilio goes on."""
        document = ElementTree.fromstring((await self.house.carrier.ring(self.sid)).content)
        _, query = document.findtext("Dial/Sip", "").strip().split("?")
        line = await vendor.ring(self.house.client, TRUNK_HEADERS[0], *parse_qsl(query))
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
    arguments = f'{{"target":"{target}","summary":"He asks for <Anna> & Bob."}}'
    done = {"id": "resp_1", "status": "completed", "output": [call | {"arguments": arguments}]}
    sideband.say("response.done", response=done)
    sideband.say("output_audio_buffer.stopped", response_id="resp_1")


@pytest.mark.parametrize(
    ("target", "party"), [("desk", "Number"), ("office", "Sip")], ids=["number", "address"]
)
async def test_the_person_hears_what_it_is_about_and_takes_the_call(
    house: House, vendor: Vendor, target: str, party: str
) -> None:
    caller = Caller(house)
    root, _ = await caller.handed_to(vendor, target)
    assert root[0].attrib["action"] == f"{PUBLIC_URL}/twilio/after?leg=warm"
    whisper_url = root[0].find(party).attrib["url"]  # type: ignore[union-attr]
    assert whisper_url == f"{PUBLIC_URL}/twilio/whisper?call={caller.sid}"
    assert "Anna" not in whisper_url, "what was said has no place in an address"

    path = whisper_url.removeprefix(PUBLIC_URL)
    said = await caller.post(path, CallSid=new_sid("CA"), ParentCallSid=caller.sid)
    gather, hangup = said
    assert (gather.tag, hangup.tag) == ("Gather", "Hangup"), "no key: not connected"
    words = " ".join(say.text or "" for say in gather.findall("Say"))
    assert "He asks for <Anna> & Bob." in words
    assert {say.attrib["language"] for say in gather.findall("Say")} == {"fr-FR"}
    key_path = gather.attrib["action"].removeprefix(PUBLIC_URL)
    assert len(await caller.post(key_path, CallSid=new_sid("CA"), Digits="1")) == 0

    before = await house.metric("warm_transfers_total", outcome="taken")
    after = await caller.post("/twilio/after?leg=warm", DialCallStatus="completed")
    assert [verb.tag for verb in after] == ["Hangup"]
    assert await house.metric("warm_transfers_total", outcome="taken") == before + 1


@pytest.mark.parametrize(
    ("status", "outcome", "told"),
    [
        ("completed", "declined", "could not take it"),
        ("answered", "declined", "could not take it"),
        ("busy", "busy", "the line was busy"),
        ("no-answer", "no-answer", "nobody answered"),
        ("failed", "failed", "nobody took the call."),
    ],
)
async def test_without_his_key_the_caller_comes_back(
    house: House, vendor: Vendor, status: str, outcome: str, told: str
) -> None:
    """Whatever Twilio says of a leg that was answered and never connected."""
    caller = Caller(house)
    _, line = await caller.handed_to(vendor, "desk")
    line.end()
    await house.note(notes.Ended, of=line.call_id)
    key_path = f"/twilio/whisper?call={caller.sid}&key=1"
    assert [verb.tag for verb in await caller.post(key_path, Digits="2")] == ["Hangup"]
    before = await house.metric("warm_transfers_total", outcome=outcome)
    root = await caller.post("/twilio/after?leg=warm", DialCallStatus=status)
    assert root[0].tag == "Connect"
    back = house.gateway.switchboard.media_call(caller.sid)
    assert back is not None
    assert told in (back.mind.opening or "")
    assert back.mind.resumed
    (output,) = [memo.text for memo in back.mind.memory.memos if memo.kind == "output"]
    assert "nobody took the call" in output
    assert await house.metric("warm_transfers_total", outcome=outcome) == before + 1


async def test_a_second_try_is_not_taken_by_the_key_of_the_first(
    house: House, vendor: Vendor
) -> None:
    caller = Caller(house)
    await caller.handed_to(vendor, "desk")
    await caller.post(f"/twilio/whisper?call={caller.sid}&key=1", Digits="1")
    await caller.post("/twilio/refer", ReferTransferTarget="<tel:+1>")
    root = await caller.post("/twilio/after?leg=warm", DialCallStatus="completed")
    assert root[0].tag == "Connect"


@pytest.mark.parametrize("query", ["", "?call=", "?call=CA1", f"?call=CA{'9' * 32}&key=1"])
async def test_a_call_that_nobody_knows_is_not_taken(house: House, query: str) -> None:
    root = await Caller(house).post(f"/twilio/whisper{query}", Digits="1")
    assert [verb.tag for verb in root] == ["Hangup"]


async def test_the_door_is_for_twilio_only(house: House) -> None:
    response = await house.client.post("/twilio/whisper?call=x", data={"Digits": "1"})
    assert response.status_code == 403


async def test_a_queue_and_a_plain_transfer(house: House, vendor: Vendor) -> None:
    caller = Caller(house)
    root, _ = await caller.handed_to(vendor, "support")
    assert (root[0].tag, root[0].text) == ("Enqueue", "support & co")
    root = await caller.post("/twilio/after?leg=transfer", QueueResult="queue-full")
    assert root[0].tag == "Connect"
    root, _ = await Caller(house).handed_to(vendor, "plain")
    assert "url" not in root.find("Dial/Number").attrib  # type: ignore[union-attr]
    assert root[0].attrib["action"] == f"{PUBLIC_URL}/twilio/after?leg=transfer"


async def test_over_a_trunk_nobody_is_whispered_to_and_there_is_no_queue(
    house: House, vendor: Vendor
) -> None:
    """Nobody asks us for a document there: a warm transfer is a cold one, a queue none at all."""
    line = await vendor.ring(house.client, *TRUNK_HEADERS)
    await (await vendor.sideband(line)).hears("response.create")
    transfers(line, "desk")
    await vendor.hears("refer")
    assert vendor.of("refer")[0].body == {"target_uri": "tel:+15550199"}
    vendor.forget()
    line = await vendor.ring(house.client, *TRUNK_HEADERS)
    await (await vendor.sideband(line)).hears("response.create")
    transfers(line, "support")
    tried = await house.note(notes.TransferTried, of=line.call_id)
    assert tried.outcome == "refused"
    assert not vendor.of("refer")


# --- Who answers ---


@pytest.mark.parametrize(("clock_s", "agent"), [(OPEN_S, "day"), (CLOSED_S, "night")])
async def test_who_answers_at_that_hour(
    house: House, vendor: Vendor, clock_s: float, agent: str
) -> None:
    house.gateway.switchboard.clock = lambda: clock_s
    document = (await house.carrier.ring(new_sid("CA"))).text
    assert f"X-Gateway-Agent={agent}&" in document
    line = await vendor.ring(house.client, *TRUNK_HEADERS)
    await (await vendor.sideband(line)).hears("response.create")
    call = house.gateway.switchboard.call(line.call_id)
    assert call is not None
    assert call.facts.agent == agent, "over a trunk too"


async def test_whoever_was_answered_before_closing_time_keeps_his_agent(
    house: House, vendor: Vendor
) -> None:
    caller = Caller(house)
    _, line = await caller.handed_to(vendor, "plain")
    line.end()
    await house.note(notes.Ended, of=line.call_id)
    house.gateway.switchboard.clock = lambda: CLOSED_S
    await caller.post("/twilio/after?leg=transfer", DialCallStatus="busy")
    back = house.gateway.switchboard.media_call(caller.sid)
    assert back is not None
    assert back.facts.agent == "day"


async def test_a_transfer_to_somebody_who_is_closed(tmp_path: Path, vendor: Vendor) -> None:
    vendor.forget()
    file = tmp_path / "agents.yaml"
    hours = 'hours: {zone: Europe/Paris, tue: "09:00-12:00"}'
    file.write_text(AGENTS.replace("mode: warm}", f"mode: warm, {hours}}}", 1))
    async with running_house(file, vendor.base_url, **SIP_SETTINGS) as house:
        house.gateway.switchboard.clock = lambda: OPEN_S
        line = await vendor.ring(house.client, *TRUNK_HEADERS)
        await (await vendor.sideband(line)).hears("response.create")
        transfers(line, "desk")
        told = await line.sidebands[0].hears("conversation.item.create")
        assert "desk is closed until tomorrow, Tuesday 09:00" in str(told)
        assert not vendor.of("refer")
        line.end()
