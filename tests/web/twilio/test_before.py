"""`before:` over real sockets: what is asked about a call, and what its answer changes."""

from __future__ import annotations

import asyncio
import contextlib
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx2
import pytest
import pytest_asyncio
from gateway_calls import CALLER, new_sid, token_in
from http_end import HttpEnd, http_end
from running_gateway import GatewayRig, running_gateway
from standardwebhooks import Webhook
from vendor import SIP_SETTINGS, Line, Vendor

from gateway.bridge.calls.live_call import LiveCall
from gateway.call import events
from gateway.call.endings import Ending
from gateway.simulator.openai.main import ModelServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = f"whsec_{b64encode(b'a secret of thirty-two bytes....').decode()}"
ANSWERS: dict[str, Any] = {
    "facts": {"facts": {"name": "Amel", "open_orders": 2}, "greeting": "Hello Amel, welcome back."},
    "text": {"facts": "A customer since 2019.", "language": "fr"},
    "other": {"agent": "billing", "facts": {"name": "Amel"}},
    "bigger": {"agent": "bigger"},
    "trunk": {"agent": "trunk_billing", "language": "fr"},
    "halves": {"facts": {"name": "Amel", "note": ["half \ud800"], "long": "x" * 9000}},
    "bonjour": {"greeting": "Bonjour Amel, ici l'accueil.", "language": "fr"},
    "busy": {"refuse": "busy"},
    "fresh": {"refuse": "busy"},
    "declined": {"refuse": "declined"},
    "said": {"refuse": "We <do> not take calls from here."},
    "desk": {"transfer": "desk"},
    "number": {"transfer": "+15550188"},
    "odd": {
        "facts": {"name": "Amel", "not a name": 1},
        "greeting": 7,
        "agent": "nobody",
        "language": "!",
        "refuse": ["busy"],
        "transfer": "the moon",
        "more": 1,
    },
    "nothing": {},
    "list": [1],
}
KINDS = [*ANSWERS, "slow", "broken", "private", "empty"]


def agents(hooks: str) -> str:
    found = []
    for number, kind in enumerate(KINDS):
        private = "false" if kind == "private" else "true"
        for path, prefix in (("media-streams", "+1555020"), ("sip", "+1555030")):
            name = f"{kind}-{path[0]}"
            found.append(
                (
                    f"  {name}:\n    path: {path}\n    greeting: Hello {{facts.name|there}}.\n"
                    f"    instructions: Serve {{facts.name|them}}.\n    tools: [transfer]\n"
                    "    transfers: {desk: {to: '+15550199'}}\n"
                    f"    before: {{http: {{url: '{hooks}/{kind}', allow_private: {private}}},"
                    f" timeout_ms: {300 if kind == 'slow' else 3000},"
                    f" cache_s: {0 if kind == 'fresh' else 60}}}\n",
                    f"  - {{to: '{prefix}{number:02}', agent: {name}}}\n",
                )
            )
    others = (
        "  taken:\n    max_calls: 1\n    instructions: Take calls.\n"
        f"    before: {{http: {{url: '{hooks}/other', allow_private: true}}}}\n"
        "  billing: {instructions: About invoices., greeting: Billing., tools: [end_call]}\n"
        "  bigger: {instructions: Think., greeting: Hm., voice: cedar,"
        " model: gpt-realtime-2.1-mini}\n"
        "  trunk_billing: {instructions: Of invoices., greeting: Trunk., path: sip}\n"
    )
    routes = "  - {to: '+1555098', agent: taken}\n"
    routes += "  - {to: '*', agent: billing}\n  - {to: '+1555099', agent: bigger}\n"
    return (
        "agents:\n"
        + "".join(a for a, _ in found)
        + others
        + "routes:\n"
        + "".join(r for _, r in found)
        + routes
    )


@dataclass
class Desk:
    rig: GatewayRig
    hooks: HttpEnd

    def number(self, kind: str, path: str = "media") -> str:
        return f"+15550{'20' if path == 'media' else '30'}{KINDS.index(kind):02}"

    async def ring(
        self, kind: str, caller: str = CALLER, path: str = "media"
    ) -> tuple[str, httpx2.Response]:
        """A call arrives from a number that nobody called from before, unless it is named."""
        call_sid = new_sid("CA")
        fields = self.rig.carrier.call_fields(call_sid, self.number(kind, path))
        response = await self.rig.carrier.post("/twilio/voice", fields | {"From": caller})
        assert response.status_code == 200
        return call_sid, response

    def call(self, call_sid: str) -> LiveCall:
        call = self.rig.gateway.registry.media_call(call_sid)
        assert call is not None
        return call

    async def asked(self, outcome: str, kind: str, path: str = "media") -> float:
        agent = f"{kind}-{'m' if path == 'media' else 's'}"
        return await self.rig.metric("before_seconds_count", agent=agent, outcome=outcome)

    def questions(self, kind: str) -> list[dict[str, Any]]:
        return [json.loads(seen.body) for seen in self.hooks.seen if seen.raw_path == f"/{kind}"]


@contextlib.asynccontextmanager
async def a_desk(model: ModelServer | str, folder: Path, **more: str) -> AsyncIterator[Desk]:
    async with http_end() as hooks:
        for kind, answer in ANSWERS.items():
            hooks.answers[f"/{kind}"] = (200, {}, json.dumps(answer).encode())
        hooks.answers["/broken"] = (500, {}, b"{}")
        hooks.answers["/empty"] = (204, {}, b"")
        hooks.held["/slow"] = asyncio.Event()
        file = folder / "agents.yaml"
        file.write_text(agents(hooks.url))
        with pytest.MonkeyPatch.context() as environ:
            environ.setenv("GATEWAY_EVENTS_SECRET", SECRET)
            async with running_gateway(file, model, **SIP_SETTINGS, **more) as rig:
                yield Desk(rig, hooks)
        hooks.held["/slow"].set()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def desk(
    shared_model: ModelServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Desk]:
    async with a_desk(shared_model, tmp_path_factory.mktemp("agents")) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def sip_desk(vendor: Vendor, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    async with a_desk(vendor.base_url, tmp_path_factory.mktemp("agents")) as found:
        yield found


def verbs(response: httpx2.Response) -> list[str]:
    return [verb.tag for verb in ElementTree.fromstring(response.content)]


# --- Media path ---


async def test_a_question_is_signed_and_says_what_is_known(desk: Desk) -> None:
    call_sid = new_sid("CA")
    fields = desk.rig.carrier.call_fields(call_sid, desk.number("nothing"))
    fields |= {"StirVerstat": "TN-Validation-Passed-A", "SipHeader_X-Vip": "yes"}
    await desk.rig.carrier.post("/twilio/voice", fields)
    (seen,) = [one for one in desk.hooks.seen if one.raw_path == "/nothing"]
    assert Webhook(SECRET).verify(seen.body, seen.headers) == {
        "call_sid": call_sid,
        "call_id": "",
        "direction": "inbound",
        "caller": CALLER,
        "dialled": desk.number("nothing"),
        "sip_headers": {"X-Vip": "yes"},
        "attestation": "TN-Validation-Passed-A",
        "agent": "nothing-m",
        "earlier_calls": [],
    }
    assert seen.method == "POST"
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["x-gateway-call-sid"] == call_sid
    assert seen.headers["traceparent"].startswith("00-")


async def test_facts_and_greeting_are_used(desk: Desk) -> None:
    call_sid, response = await desk.ring("facts", "+15551001")
    assert verbs(response) == ["Connect", "Say", "Hangup"]
    call = desk.call(call_sid)
    assert call.machine.agent.greeting == "Hello Amel, welcome back."
    assert call.machine.agent.instructions == "Serve Amel."
    assert call.machine.briefing.facts == {"name": "Amel", "open_orders": "2"}
    async with desk.rig.carrier.stream(call_sid, token_in(response.text)) as stream:
        await stream.speak()
        assert await stream.sound(1600)
        await stream.stop()
    await desk.rig.note(events.CallEnded, of=call_sid)


async def test_facts_may_be_a_text_and_the_language_follows(desk: Desk) -> None:
    call_sid, _ = await desk.ring("text", "+15551002")
    machine = desk.call(call_sid).machine
    assert machine.briefing.notes == "A customer since 2019."
    assert machine.language == "fr"
    assert machine.agent.greeting == "Hello there."


@pytest.mark.parametrize("kind", ["other", "bigger"])
async def test_another_agent_leads_from_the_first_word(
    desk: Desk, shared_model: ModelServer, kind: str
) -> None:
    call_sid, response = await desk.ring(kind, f"+155510{len(kind)}")
    call = desk.call(call_sid)
    wanted = "billing" if kind == "other" else "bigger"
    assert call.facts.agent == call.machine.agent.name == wanted
    async with desk.rig.carrier.stream(call_sid, token_in(response.text)) as stream:
        await stream.speak()
        assert await stream.sound(1600)
        settings = list(shared_model.drivers.values())[-1].session.settings
        assert settings["instructions"] == call.machine.agent.instructions
        assert settings["model"] == call.machine.agent.model
        assert settings["audio"]["output"]["voice"] == call.machine.agent.voice
        assert [one["name"] for one in settings["tools"]] == call.machine.agent.tools
        await stream.stop()
    await desk.rig.note(events.CallEnded, of=call_sid)


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        ("busy", '<Reject reason="busy"'),
        ("declined", '<Reject reason="rejected"'),
        ("said", "We &lt;do&gt; not take calls from here."),
    ],
)
async def test_a_refusal_is_a_signal_or_a_sentence(desk: Desk, kind: str, document: str) -> None:
    call_sid, response = await desk.ring(kind)
    assert document in response.text
    assert "Stream" not in response.text
    assert desk.rig.gateway.registry.media_call(call_sid) is None
    assert (await desk.rig.note(events.CallEnded, of=call_sid)).ending is Ending.TURNED_AWAY
    assert await desk.rig.metric("calls_refused_total", reason="before")


@pytest.mark.parametrize(("kind", "to"), [("desk", "+15550199"), ("number", "+15550188")])
async def test_a_transfer_dials_at_once(desk: Desk, kind: str, to: str) -> None:
    call_sid, response = await desk.ring(kind)
    assert verbs(response)[0] == "Dial"
    assert to in response.text
    assert desk.rig.gateway.registry.media_call(call_sid) is None


@pytest.mark.parametrize("path", ["media", "sip"])
async def test_a_transfer_that_nobody_takes_comes_back_to_the_agent(desk: Desk, path: str) -> None:
    call_sid, _ = await desk.ring("desk", path=path)
    fields = desk.rig.carrier.call_fields(call_sid, desk.number("desk", path), "in-progress")
    failed = fields | {"DialCallStatus": "no-answer"}
    response = await desk.rig.carrier.post("/twilio/after?leg=transfer", failed)
    call = desk.call(call_sid)
    assert call.machine.agent.name == f"desk-{path[0]}"
    assert "nobody took the call: nobody answered" in (call.machine.opening or "")
    async with desk.rig.carrier.stream(call_sid, token_in(response.text)) as stream:
        await stream.speak()
        assert await stream.sound(1600)
        await stream.stop()
    await desk.rig.note(events.CallEnded, of=call_sid)


@pytest.mark.parametrize(
    ("kind", "document"), [("busy", '<Reject reason="busy"'), ("said", "We &lt;do&gt; not take")]
)
async def test_a_call_whose_model_is_dialled_is_refused_as_well(
    desk: Desk, kind: str, document: str
) -> None:
    _, response = await desk.ring(kind, path="sip")
    assert document in response.text
    assert "Sip" not in response.text


async def test_another_agent_of_the_path_is_dialled_and_leads_when_its_leg_fails(
    desk: Desk,
) -> None:
    call_sid, response = await desk.ring("trunk", path="sip")
    assert "X-Gateway-Agent=trunk_billing" in response.text
    known = await desk.rig.gateway.registry.briefings.find(call_sid)
    assert known.language == "fr"
    fields = desk.rig.carrier.call_fields(call_sid, desk.number("trunk", "sip"), "in-progress")
    failed = fields | {"DialCallStatus": "failed", "DialSipResponseCode": "503"}
    response = await desk.rig.carrier.post("/twilio/after?leg=sip", failed)
    assert verbs(response)[0] == "Connect"
    assert desk.call(call_sid).machine.agent.name == "trunk_billing"


async def test_another_agent_leads_also_when_its_first_stream_never_came(desk: Desk) -> None:
    call_sid, _ = await desk.ring("other", "+15551011")
    fields = desk.rig.carrier.call_fields(call_sid, desk.number("other"), "in-progress")
    response = await desk.rig.carrier.post("/twilio/after?leg=stream", fields)
    assert verbs(response)[0] == "Connect"
    assert desk.call(call_sid).machine.agent.name == "billing"


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("slow", "timeout"),
        ("broken", "error"),
        ("private", "error"),
        ("list", "invalid"),
        ("empty", "ok"),
    ],
)
async def test_the_call_goes_on_without_an_answer(desk: Desk, kind: str, outcome: str) -> None:
    call_sid, response = await desk.ring(kind)
    assert verbs(response) == ["Connect", "Say", "Hangup"]
    assert desk.call(call_sid).machine.agent.greeting == "Hello there."
    assert await desk.asked(outcome, kind) == 1
    if kind == "private":
        assert not desk.questions(kind)


async def test_what_cannot_be_used_is_counted_and_the_rest_is_used(desk: Desk) -> None:
    call_sid, response = await desk.ring("odd")
    assert verbs(response) == ["Connect", "Say", "Hangup"]
    call = desk.call(call_sid)
    assert call.machine.agent.name == "odd-m"
    assert call.machine.agent.greeting == "Hello Amel."
    for field in ("facts", "greeting", "agent", "language", "refuse", "transfer", "other"):
        left_out = "before_fields_left_out_total"
        assert await desk.rig.metric(left_out, agent="odd-m", field=field) == 1, field


async def test_a_fact_that_cannot_be_told_takes_neither_the_others_nor_the_call(
    desk: Desk,
) -> None:
    call_sid, response = await desk.ring("halves", "+15551009")
    assert verbs(response) == ["Connect", "Say", "Hangup"]
    assert desk.call(call_sid).machine.briefing.facts == {"name": "Amel", "note": '["half ?"]'}
    assert await desk.rig.metric("before_fields_left_out_total", agent="halves-m", field="facts")


async def test_the_operator_learns_of_the_callers_earlier_calls(desk: Desk) -> None:
    caller = "+15551088"
    first, response = await desk.ring("nothing", caller)
    async with desk.rig.carrier.stream(first, token_in(response.text)) as stream:
        await stream.speak()
        await desk.rig.note(events.CallerConnected, of=first)
        await stream.stop()
    await desk.rig.note(events.CallEnded, of=first)
    earlier: list[dict[str, Any]] = []
    async with asyncio.timeout(30):
        while not earlier:  # its record is written in the background
            await desk.ring("fresh", caller)
            found = desk.questions("fresh")[-1]["earlier_calls"]
            earlier = [one for one in found if one["agent"] == "nothing-m"]
            await asyncio.sleep(0.02)
    assert (earlier[0]["direction"], earlier[0]["ending"]) == ("inbound", "caller_hung_up")


async def test_the_same_caller_is_asked_about_once(desk: Desk) -> None:
    before = len(desk.questions("facts"))
    for _ in range(2):
        call_sid, _ = await desk.ring("facts", "+15551077")
        assert desk.call(call_sid).machine.briefing.facts["name"] == "Amel"
    await desk.ring("facts", "anonymous")
    await desk.ring("facts", "anonymous")
    assert len(desk.questions("facts")) == before + 3
    assert await desk.asked("cached", "facts") == 1


@pytest.mark.parametrize("overflow", ["busy", "sip"])
async def test_a_full_gateway_does_what_the_operator_decides_all_the_same(
    shared_model: ModelServer, tmp_path: Path, overflow: str
) -> None:
    """Whoever is barred does not get through because all lines are taken, and who goes straight to
    a person needs none."""
    full = {"GATEWAY_MAX_CALLS": "1", "GATEWAY_OVERFLOW": overflow}
    async with a_desk(shared_model, tmp_path, **full) as desk:
        await desk.ring("nothing")
        _, refused = await desk.ring("declined")
        assert '<Reject reason="rejected"' in refused.text
        _, transferred = await desk.ring("desk")
        assert verbs(transferred)[0] == "Dial"
        assert "+15550199" in transferred.text
        call_sid, other = await desk.ring("facts")
        if overflow == "busy":
            assert '<Reject reason="busy"' in other.text
        else:
            assert "X-Gateway-Agent=facts-m" in other.text
            known = await desk.rig.gateway.registry.briefings.find(call_sid)
            assert known.greeting == "Hello Amel, welcome back."


async def test_another_agent_takes_a_call_whose_own_has_no_slot(desk: Desk) -> None:
    admission = desk.rig.gateway.capacity.admission
    await admission.admit("CA-other", "", "taken", 1)
    try:
        call_sid = new_sid("CA")
        response = await desk.rig.carrier.ring(call_sid, "+1555098")
    finally:
        await admission.release("CA-other")
    assert verbs(response)[0] == "Connect"
    assert desk.call(call_sid).machine.agent.name == "billing"


# --- Over a trunk ---


async def trunk(sip_desk: Desk, vendor: Vendor, kind: str) -> Line:
    number = sip_desk.number(kind, "sip")
    headers = [("From", f"<sip:{CALLER}@a.example>"), ("To", f"<sip:{number}@b.example>")]
    return await vendor.ring(sip_desk.rig.client, *headers, ("X-Vip", "yes"))


async def test_a_trunk_call_is_asked_about_before_it_is_accepted(
    sip_desk: Desk, vendor: Vendor
) -> None:
    line = await trunk(sip_desk, vendor, "facts")
    sideband = await vendor.sideband(line)
    accepted = [one for one in vendor.of("accept") if one.call_id == line.call_id]
    assert accepted[0].body["instructions"] == "Serve Amel."
    greeting = await sideband.hears("response.create")
    assert "Hello Amel, welcome back." in greeting["response"]["instructions"]
    assert "open_orders" in str(sideband.opening)
    question = sip_desk.questions("facts")[-1]
    assert question["call_id"] == line.call_id
    assert question["caller"] == CALLER
    assert question["sip_headers"]["x-vip"] == "yes"


async def test_another_agent_leads_over_a_trunk_from_the_first_word(
    sip_desk: Desk, vendor: Vendor
) -> None:
    line = await trunk(sip_desk, vendor, "trunk")
    sideband = await vendor.sideband(line)
    (accepted,) = [one for one in vendor.of("accept") if one.call_id == line.call_id]
    assert accepted.body["instructions"] == "Of invoices."
    greeting = await sideband.hears("response.create")
    assert "Trunk." in greeting["response"]["instructions"]
    assert '"fr"' in greeting["response"]["instructions"], "in the caller's language"


async def test_a_greeting_is_said_word_for_word_whatever_the_language(
    sip_desk: Desk, vendor: Vendor
) -> None:
    """Whoever wrote it for this caller knew theirs: it is not translated once more."""
    sideband = await vendor.sideband(await trunk(sip_desk, vendor, "bonjour"))
    greeting = (await sideband.hears("response.create"))["response"]["instructions"]
    assert "Bonjour Amel, ici l'accueil." in greeting
    assert "word for word" in greeting
    assert "translated" not in greeting


async def test_what_cannot_be_used_over_a_trunk_is_counted_too(
    sip_desk: Desk, vendor: Vendor
) -> None:
    sideband = await vendor.sideband(await trunk(sip_desk, vendor, "odd"))
    greeting = await sideband.hears("response.create")
    assert "Hello Amel." in greeting["response"]["instructions"]
    for field in ("facts", "greeting", "agent", "language", "refuse", "transfer", "other"):
        left_out = "before_fields_left_out_total"
        assert await sip_desk.rig.metric(left_out, agent="odd-s", field=field) == 1, field


async def heard(vendor: Vendor, verb: str, line: Line) -> None:
    """Wait until the vendor was asked for this about a call."""
    nth = 1
    while (await vendor.hears(verb, nth)).call_id != line.call_id:
        nth += 1


@pytest.mark.parametrize(("kind", "status"), [("busy", 486), ("declined", 603)])
async def test_a_trunk_call_is_refused_with_a_status(
    sip_desk: Desk, vendor: Vendor, kind: str, status: int
) -> None:
    line = await trunk(sip_desk, vendor, kind)
    await heard(vendor, "reject", line)
    (asked,) = [one for one in vendor.of("reject") if one.call_id == line.call_id]
    assert asked.body == {"status_code": status}
    assert await sip_desk.rig.metric("sip_decisions_total", decision=f"before_{kind}") == 1


async def test_a_sentence_is_said_and_the_call_ended(sip_desk: Desk, vendor: Vendor) -> None:
    line = await trunk(sip_desk, vendor, "said")
    sideband = await vendor.sideband(line)
    said = await sideband.hears("response.create")
    assert "We <do> not take calls from here." in said["response"]["instructions"]
    sideband.say("response.created", response={"id": "resp_1", "status": "in_progress"})
    sideband.say("output_audio_buffer.started", response_id="resp_1")
    sideband.say("response.done", response={"id": "resp_1", "status": "completed", "output": []})
    sideband.say("output_audio_buffer.stopped", response_id="resp_1")
    await heard(vendor, "hangup", line)


async def test_a_trunk_call_is_transferred(sip_desk: Desk, vendor: Vendor) -> None:
    line = await trunk(sip_desk, vendor, "desk")
    sideband = await vendor.sideband(line)
    await sideband.hears("response.create")
    sideband.say("response.created", response={"id": "resp_1", "status": "in_progress"})
    sideband.say("output_audio_buffer.started", response_id="resp_1")
    sideband.say("response.done", response={"id": "resp_1", "status": "completed", "output": []})
    sideband.say("output_audio_buffer.stopped", response_id="resp_1")
    await heard(vendor, "refer", line)


async def test_a_trunk_call_goes_on_without_an_answer(sip_desk: Desk, vendor: Vendor) -> None:
    took_s = await sip_desk.rig.metric("sip_setup_seconds_sum", stage="webhook_to_accept")
    line = await trunk(sip_desk, vendor, "slow")
    sideband = await vendor.sideband(line)
    greeting = await sideband.hears("response.create")
    assert "Hello there." in greeting["response"]["instructions"]
    now_s = await sip_desk.rig.metric("sip_setup_seconds_sum", stage="webhook_to_accept")
    assert now_s - took_s > 0.25, "the wait for the answer is a part of it"


async def test_a_retry_that_comes_meanwhile_asks_no_second_time(desk: Desk) -> None:
    asked, call_sid = len(desk.questions("slow")), new_sid("CA")
    rings = (
        desk.rig.carrier.ring(call_sid, desk.number("slow"), retry_of=call_sid) for _ in range(3)
    )
    answers = await asyncio.gather(*rings)
    assert len({answer.text for answer in answers}) == 1
    assert len(desk.questions("slow")) == asked + 1
