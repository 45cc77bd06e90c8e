"""Calls out over real ports: who may be called, what the carrier is asked for, and what follows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from gateway_calls import Stream, new_sid, token_in
from refusals import until_refused
from running_gateway import GatewayRig, running_gateway
from twilio_rest_double import RestDesk, rest_desk

from gateway import limits
from gateway.call import events
from gateway.call.briefing import Briefing
from gateway.call.endings import Ending
from gateway.protocols.realtime_server import RateLimit
from gateway.simulator.openai.main import ModelServer
from gateway.tuning import DEFAULT_TUNING, Tuning

TOKEN = "a-token-of-the-operators"
OURS, PERSON = "+14155550100", "+14155550123"
AGENTS = """
agents:
  caller:
    greeting: Hello {facts.name|there}.
    instructions: Call people.
    outbound: {from: "+14155550100", ring_timeout_s: 20}
    fallback: {to: "+14155550177", voicemail: true}
  polite:
    instructions: Call people.
    max_calls: 1
    outbound:
      from: "+14155550101"
      countries: ["+1415"]
      machine: leave_message
      message: Please call us back.
  talker:
    instructions: Call people.
    outbound: {from: "+14155550102", machine: talk, fax: talk, unknown: talk}
  never:
    instructions: Call people.
    outbound: {from: "+14155550103", hours: {zone: Europe/Paris, "2020-01-01": "09:00-10:00"}}
  always:
    instructions: Call people.
    outbound: {from: "+14155550104", hours: {zone: Europe/Paris, mon-sun: "00:00-24:00"}}
  asking:
    greeting: Hello {facts.name|there}.
    instructions: Call people.
    before: {python: "before_functions:known"}
    outbound: {from: "+14155550100"}
  barred:
    instructions: Call people.
    before: {python: "before_functions:is_not_called"}
    outbound: {from: "+14155550100"}
  desk:
    instructions: Answer people.
routes:
  - {to: "*", agent: desk}
"""


@pytest.fixture
def caller_agents(tmp_path: Path) -> Path:
    file = tmp_path / "agents.yaml"
    file.write_text(AGENTS)
    return file


Office = tuple[GatewayRig, httpx2.AsyncClient, RestDesk]


@asynccontextmanager
async def an_office(
    agents: Path,
    model: ModelServer,
    data: Path,
    tuning: Tuning = DEFAULT_TUNING,
    **settings: str,
) -> AsyncIterator[Office]:
    """A gateway, an operator at its API, and the carrier's REST end."""
    more = {"GATEWAY_ADMIN_TOKEN": TOKEN, "GATEWAY_DATA_DIR": str(data), **settings}
    async with (
        rest_desk() as rest,
        running_gateway(agents, model, tuning, TWILIO_BASE_URL=rest.url, **more) as rig,
        httpx2.AsyncClient(
            verify=False,
            base_url=rig.url,
            headers={"Authorization": f"Bearer {TOKEN}"},
            trust_env=False,
            timeout=10.0,
        ) as client,
    ):
        yield rig, client, rest
        for call_sid in rest.placed:  # or the gateway would wait for them to be answered
            rig.gateway.registry.release_slot(call_sid)


@pytest.fixture
async def office(caller_agents: Path, model: ModelServer, tmp_path: Path) -> AsyncIterator[Office]:
    settings = {"GATEWAY_DIAL_COUNTRIES": "+1, +44", "GATEWAY_MAX_CALLS": "2"}
    async with an_office(caller_agents, model, tmp_path / "data", **settings) as found:
        yield found


async def dial(client: httpx2.AsyncClient, key: str = "", **body: Any) -> httpx2.Response:
    wanted = {"to": PERSON, "agent": "caller"} | body
    headers = {"Idempotency-Key": key} if key else {}
    return await client.post("/api/calls", json=wanted, headers=headers)


async def placed(client: httpx2.AsyncClient, agent: str = "caller") -> str:
    """The CallSid of a call that rings."""
    answer = await dial(client, agent=agent)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["call"])


def refused(response: httpx2.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return str(response.json()["detail"])


def of_call(rig: GatewayRig, call_sid: str, status: str, ours: str = OURS) -> dict[str, str]:
    """What Twilio posts of a call that we placed: our number calls."""
    fields = rig.carrier.call_fields(call_sid, PERSON, status)
    return fields | {"From": ours, "Direction": "outbound-api"}


async def told(rig: GatewayRig, call_sid: str, status: str) -> None:
    answer = await rig.carrier.post("/twilio/status", of_call(rig, call_sid, status))
    assert answer.status_code == 204


async def record(client: httpx2.AsyncClient, call_sid: str) -> dict[str, Any]:
    answer = await client.get(f"/api/calls/{call_sid}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def eventually(
    look: Callable[[], Awaitable[dict[str, Any]]], fits: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """What is seen, as soon as it fits: nobody tells of it."""
    async with asyncio.timeout(30):
        while not fits(found := await look()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return found


async def becomes(client: httpx2.AsyncClient, call_sid: str, **wanted: Any) -> dict[str, Any]:
    """The record, as soon as it says so."""
    return await eventually(
        lambda: record(client, call_sid),
        lambda found: all(found[key] == value for key, value in wanted.items()),
    )


async def becomes_free(rig: GatewayRig) -> None:
    """No call, and no place that is kept for one."""
    async with asyncio.timeout(30):
        while rig.gateway.registry.active:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.01)


def voice_path(rest: RestDesk, nth: int = -1) -> str:
    placed = [form for line, form in rest.asked if "/Calls.json" in line]
    url = urlsplit(placed[nth]["Url"][0])
    return f"{url.path}?{url.query}"


async def answered(rig: GatewayRig, rest: RestDesk, call_sid: str, ours: str = OURS) -> str:
    """The person takes the call: the document that Twilio gets."""
    fields = of_call(rig, call_sid, "in-progress", ours)
    answer = await rig.carrier.post(voice_path(rest), fields)
    assert answer.status_code == 200, answer.text
    return answer.text


@asynccontextmanager
async def talking(rig: GatewayRig, rest: RestDesk, call_sid: str) -> AsyncIterator[Stream]:
    """The same, and the first sound of the person who answers."""
    token = token_in(await answered(rig, rest, call_sid))
    async with rig.carrier.stream(call_sid, token) as stream:
        await stream.speak()
        yield stream


async def detected(rig: GatewayRig, call_sid: str, who: str) -> None:
    answer = await rig.carrier.post("/twilio/amd", {"CallSid": call_sid, "AnsweredBy": who})
    assert answer.status_code == 204


# --- Who may be called ---


@pytest.mark.parametrize(
    "to",
    [
        "911", "112", "+911", "+1911", "+44999", "0044207946000", "+0441514960000", "14155550123",
        "+1 415 555 0123", "+1415555012345678", "tel:+14155550123", "sip:x@example.com",
        "client:bob", "+1415555012x", "", "+٤٤١٥١٤٩٦٠٠٠٠", "+14155550123\n",
    ],
)  # fmt: skip
async def test_what_is_no_number_is_never_dialled(office: Office, to: str) -> None:
    _, client, rest = office
    refused(await dial(client, to=to), 422)
    assert rest.asked == []


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"agent": "nobody"}, 404, "no such agent"),
        ({"agent": "desk"}, 403, "outbound"),
        ({"to": "+33123456789"}, 403, "GATEWAY_DIAL_COUNTRIES"),
        ({"to": "+442079460000", "agent": "polite"}, 403, "countries"),
        ({"agent": "never"}, 409, "may not call that number at this hour"),
        ({"from": "0100"}, 422, "from"),
        ({"more": 1}, 422, "more"),
    ],
)
async def test_who_is_not_to_be_called_is_not(
    office: Office, body: dict[str, Any], status: int, says: str
) -> None:
    _, client, rest = office
    assert says in refused(await dial(client, **body), status)
    assert rest.asked == []


async def test_at_an_agents_hours_it_calls(office: Office) -> None:
    _, client, rest = office
    await placed(client, "always")
    assert len(rest.placed) == 1


async def test_nobody_is_called_before_it_is_said_whom(
    caller_agents: Path, model: ModelServer, tmp_path: Path
) -> None:
    async with an_office(caller_agents, model, tmp_path / "data") as (_, client, rest):
        assert "GATEWAY_DIAL_COUNTRIES" in refused(await dial(client), 403)
        assert rest.asked == []


async def test_without_the_token_nobody_is_called(office: Office) -> None:
    rig, _, rest = office
    answer = await rig.client.post("/api/calls", json={"to": PERSON, "agent": "caller"})
    refused(answer, 401)
    assert rest.asked == []


# --- What the call is for ---


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"about": "x" * 2_001}, "about"),
        ({"facts": {"first name": "Amel"}}, "facts"),
        ({"facts": {"name": "x" * 1_001}}, "facts"),
        ({"facts": {"names": ["Amel" * 300]}}, "facts: names may have 1000 characters"),
        ({"facts": {f"f{n}": ["x" * 900] for n in range(9)}}, "facts: f8 is one too many"),
        ({"facts": "Amel"}, "facts"),
    ],
)
async def test_what_cannot_be_told_to_the_agent_is_refused(
    office: Office, body: dict[str, Any], says: str
) -> None:
    _, client, rest = office
    assert says in refused(await dial(client, **body), 422)
    assert rest.asked == []


async def test_the_agent_is_told_what_the_call_is_for(office: Office) -> None:
    rig, client, rest = office
    answer = await dial(client, about="A parcel.", facts={"name": "Amel", "parcels": [1, 2]})
    assert answer.status_code == 202, answer.text
    async with talking(rig, rest, rest.placed[0]):
        call = rig.gateway.registry.media_call(rest.placed[0])
        assert call is not None
        assert call.machine.briefing == Briefing("A parcel.", {"name": "Amel", "parcels": "[1,2]"})
        assert call.machine.agent.greeting == "Hello Amel."


async def test_what_the_operator_is_asked_comes_on_top_of_what_the_call_is_for(
    office: Office,
) -> None:
    rig, client, rest = office
    told_of = {"name": "Amel", "caller": "nobody"}
    await dial(client, agent="asking", about="A parcel.", facts=told_of)
    async with talking(rig, rest, rest.placed[0]):
        call = rig.gateway.registry.media_call(rest.placed[0])
        assert call is not None
        known = Briefing("A parcel.", {"name": "Amel", "caller": PERSON})
        assert call.machine.briefing == known, "the person is the caller, whoever called whom"
        assert call.machine.agent.greeting == "Hello Amel."
        assert await rig.metric("before_seconds_count", agent="asking", outcome="ok") == 1


async def test_a_call_of_ours_that_is_refused_then_ends(office: Office) -> None:
    rig, client, rest = office
    document = await answered(rig, rest, await placed(client, "barred"))
    assert "<Hangup" in document
    assert "Reject" not in document, "it was answered already: no tone can be sent any more"
    assert "Stream" not in document


async def test_the_same_key_with_other_facts_is_another_call(office: Office) -> None:
    _, client, _ = office
    assert (await dial(client, "k", facts={"name": "Amel"})).status_code == 202
    assert (await dial(client, "k", facts={"name": "Amel"})).status_code == 202
    assert "another call" in refused(await dial(client, "k", facts={"name": "Sami"}), 422)


# --- What the carrier is asked for ---


async def test_the_order(office: Office) -> None:
    _, client, rest = office
    answer = await dial(client)
    assert answer.status_code == 202
    assert answer.json() == {"call": rest.placed[0], "action": "dial"}
    ((line, form),) = rest.asked
    assert line.startswith("POST /2010-04-01/Accounts/AC")
    url = form.pop("Url")[0]
    assert url.startswith("https://gw.example.com/twilio/voice?dial=")
    assert PERSON[1:] not in url
    assert form == {
        "To": [PERSON],
        "From": [OURS],
        "Method": ["POST"],
        "StatusCallback": ["https://gw.example.com/twilio/status"],
        "StatusCallbackMethod": ["POST"],
        "StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"],
        "Timeout": ["20"],
        "MachineDetection": ["Enable"],
        "MachineDetectionTimeout": ["30"],
        "AsyncAmd": ["true"],
        "AsyncAmdStatusCallback": ["https://gw.example.com/twilio/amd"],
        "AsyncAmdStatusCallbackMethod": ["POST"],
    }


async def test_whoever_leaves_a_message_waits_for_the_end_of_the_greeting(office: Office) -> None:
    _, client, rest = office
    await dial(client, agent="polite")
    ((_, form),) = rest.asked
    assert form["MachineDetection"] == ["DetectMessageEnd"]
    assert form["From"] == ["+14155550101"]


async def test_who_talks_to_everybody_pays_for_no_detection(office: Office) -> None:
    _, client, rest = office
    await dial(client, agent="talker", **{"from": "+14155550109"})
    ((_, form),) = rest.asked
    assert not [name for name in form if "Amd" in name or "Machine" in name]
    assert form["From"] == ["+14155550109"]


async def test_the_same_key_is_the_same_call(office: Office) -> None:
    _, client, rest = office
    answers = [await dial(client, "visit-4711") for _ in range(3)]
    assert {answer.json()["call"] for answer in answers} == {rest.placed[0]}
    assert len(rest.asked) == 1
    assert "another call" in refused(await dial(client, "visit-4711", to="+14155550124"), 422)
    refused(await dial(client, "x" * 129), 422)


async def test_two_requests_of_one_moment_dial_once(office: Office) -> None:
    _, client, rest = office
    answers = await asyncio.gather(*(dial(client, "once") for _ in range(5)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len(rest.placed) == 1


async def test_a_key_whose_call_was_not_placed_may_be_tried_again(office: Office) -> None:
    _, client, rest = office
    rest.answers = [(400, 21215), (201, None)]
    assert "21215" in refused(await dial(client, "again"), 422)
    assert (await dial(client, "again")).status_code == 202


@pytest.mark.parametrize("code", [20429, None])
async def test_what_is_too_much_for_the_carrier_may_be_tried_again(
    office: Office, code: int | None
) -> None:
    _, client, rest = office
    rest.answers = [(429, code)] * limits.web.REST_TRIES
    answer = await dial(client, "later")
    refused(answer, 429)
    assert answer.headers["retry-after"] == "1"
    rest.answers = [(201, None)]
    assert (await dial(client, "later")).status_code == 202


async def test_when_nobody_knows_whether_it_rings_it_is_not_tried_again(office: Office) -> None:
    rig, client, rest = office
    rest.answers = [(500, None), (201, None)]
    refused(await dial(client, "unsure"), 504)
    refused(await dial(client, "unsure"), 409)
    assert len(rest.asked) == 1
    assert await rig.metric("dials_total", agent="caller", outcome="refused") == 1


async def test_not_more_than_so_many_at_once(office: Office) -> None:
    _, client, rest = office
    rest.answers = [(400, 21211)]
    *answers, refusal = await until_refused(
        lambda: dial(client),
        lambda answer: answer.status_code == 429,
        limits.outbound.DIALS_BURST,
        limits.outbound.DIALS_PER_S,
    )
    assert {answer.status_code for answer in answers} == {422}
    assert int(refusal.headers["retry-after"]) >= 1


async def test_a_call_that_rings_has_its_place(office: Office) -> None:
    """This gateway takes two calls; one is that agent's."""
    _, client, rest = office
    await dial(client, agent="polite")
    refused(await dial(client, agent="polite"), 409)
    await dial(client)
    refused(await dial(client), 503)
    assert len(rest.placed) == 2


async def test_a_process_that_stops_places_none(office: Office) -> None:
    rig, client, rest = office
    rig.gateway.registry.draining = True
    assert "stopping" in refused(await dial(client), 503)
    assert rest.asked == []


async def test_nobody_is_called_while_the_model_is_down(office: Office) -> None:
    rig, client, rest = office
    rig.model_fails()
    assert "down" in refused(await dial(client), 503)
    assert rest.asked == []


async def test_nobody_is_called_while_the_models_rate_limit_is_short(office: Office) -> None:
    rig, client, rest = office
    used_up = RateLimit("tokens", limit=1000, remaining=0, reset_seconds=60.0)
    rig.gateway.capacity.rates.update((used_up,))
    assert "rate" in refused(await dial(client), 503)
    assert rest.asked == []


async def test_who_has_answered_meanwhile_is_not_asked_to_leave_a_message(
    office: Office,
) -> None:
    """No person is called instead either: it was we who placed the call."""
    rig, client, rest = office
    call_sid = await placed(client)
    rig.model_fails()
    answer = await answered(rig, rest, call_sid)
    assert "<Say" in answer
    assert "<Record" not in answer
    assert "<Dial" not in answer
    assert await rig.metric("calls_refused_total", reason="model_down") == 1


# --- While it rings ---


async def test_how_it_goes_stands_in_its_record(office: Office) -> None:
    rig, client, rest = office
    call_sid = await placed(client)
    step = await record(client, call_sid)
    assert (step["state"], step["direction"], step["rings_s"]) == ("expected", "outbound", None)
    assert (step["caller"], step["dialled"]) == ("...23", "...00")
    await told(rig, call_sid, "ringing")
    await eventually(lambda: record(client, call_sid), lambda found: found["rings_s"] is not None)
    await told(rig, call_sid, "initiated")  # it was overtaken
    assert rig.gateway.registry.calls == []  # nothing was asked of the model
    assert rest.placed == [call_sid]


@pytest.mark.parametrize(
    ("status", "ending", "outcome"),
    [
        ("no-answer", "no_answer", "no_answer"),
        ("busy", "busy", "busy"),
        ("failed", "dial_failed", "failed"),
        ("canceled", "canceled", "canceled"),
    ],
)
async def test_nobody_takes_it(office: Office, status: str, ending: str, outcome: str) -> None:
    rig, client, _ = office
    call_sid = await placed(client, "polite")
    await told(rig, call_sid, status)
    over = await becomes(client, call_sid, state="ended")
    assert (over["ending"], over["well"], over["answered_s"]) == (ending, False, None)
    (listed,) = (await client.get("/api/calls?state=ended")).json()["calls"]
    assert (listed["id"], listed["direction"]) == (call_sid, "outbound")
    assert await rig.metric("dials_total", agent="polite", outcome=outcome) == 1
    await becomes_free(rig)
    assert (await dial(client, agent="polite")).status_code == 202


async def test_an_operator_calls_it_off(office: Office) -> None:
    rig, client, rest = office
    call_sid = await placed(client)
    answer = await client.post(f"/api/calls/{call_sid}/hangup")
    assert (answer.status_code, answer.json()["action"]) == (202, "hangup")
    assert rest.asked[-1][1] == {"Status": ["canceled"]}
    await told(rig, call_sid, "canceled")
    assert (await becomes(client, call_sid, state="ended"))["ending"] == "canceled"


@pytest.mark.parametrize(("told_now", "ending"), [("busy", "busy"), ("ringing", "dial_failed")])
async def test_when_no_callback_comes_the_carrier_is_asked(
    caller_agents: Path, model: ModelServer, tmp_path: Path, told_now: str, ending: str
) -> None:
    """And what it still has ringing by then is ended."""
    at_once = Tuning(dial_late_s=-20.0)
    settings = {"GATEWAY_DIAL_COUNTRIES": "+1"}
    async with an_office(caller_agents, model, tmp_path / "data", at_once, **settings) as office:
        _, client, rest = office
        rest.looked_up = told_now
        call_sid = await placed(client)
        assert (await becomes(client, call_sid, state="ended"))["ending"] == ending
        asked = [(line.split()[0], form) for line, form in rest.asked[1:]]
        ended = [("POST", {"Status": ["completed"]})] if told_now == "ringing" else []
        assert asked == [("GET", {}), *ended]


# --- Somebody takes it ---


async def test_the_agent_that_called_has_whoever_answers(office: Office) -> None:
    rig, client, rest = office
    call_sid = await placed(client)
    await told(rig, call_sid, "in-progress")
    async with talking(rig, rest, call_sid) as stream:
        await rig.note(events.FirstAudioSent)
        (call,) = rig.gateway.registry.calls
        assert rig.gateway.registry.active == 1, "the slot in which it rang is this call's"
        assert (call.facts.caller, call.facts.dialled) == (PERSON, OURS)
        assert (call.facts.agent, call.facts.direction) == ("caller", "outbound")
        talks = await record(client, call_sid)
        assert (talks["state"], talks["agent"]) == ("talking", "caller")
        assert talks["answered_s"] is not None
        await stream.stop()
        await rig.note(events.CallEnded)
    await told(rig, call_sid, "completed")
    over = await becomes(client, call_sid, state="ended")
    assert (over["ending"], over["direction"]) == ("caller_hung_up", "outbound")
    assert await rig.metric("dials_total", agent="caller", outcome="answered") == 1
    await becomes_free(rig)


async def test_a_machine_is_hung_up(office: Office) -> None:
    rig, client, rest = office
    call_sid = await placed(client)
    async with talking(rig, rest, call_sid):
        await rig.note(events.CallerConnected)
        await detected(rig, call_sid, "machine_start")
        assert (await rig.note(events.CallEnded)).ending is Ending.MACHINE_ANSWERED
    assert (await rest.hears(2))[-1][1] == {"Status": ["completed"]}
    assert (await record(client, call_sid))["answered_by"] == "machine"
    assert await rig.metric("answered_by_total", agent="caller", who="machine") == 1


async def test_what_was_found_out_before_the_call_was_here_counts(office: Office) -> None:
    rig, client, rest = office
    call_sid = await placed(client)
    await detected(rig, call_sid, "fax")
    await answered(rig, rest, call_sid)
    assert (await rig.note(events.CallEnded)).ending is Ending.MACHINE_ANSWERED


@pytest.mark.parametrize("call_sid", ["", "CA1", "x" * 100])
async def test_a_detection_without_a_call_is_refused(office: Office, call_sid: str) -> None:
    rig, _, _ = office
    answer = await rig.carrier.post("/twilio/amd", {"CallSid": call_sid, "AnsweredBy": "fax"})
    assert answer.status_code == 400


async def test_a_detection_that_is_not_signed_is_refused(office: Office) -> None:
    rig, _, _ = office
    answer = await rig.client.post("/twilio/amd", data={"CallSid": new_sid("CA")})
    assert answer.status_code == 403


@pytest.mark.parametrize("change", ["token", "person", "ours"])
async def test_the_token_is_good_for_one_agent_and_two_numbers(office: Office, change: str) -> None:
    rig, client, rest = office
    call_sid = await placed(client)
    path, fields = voice_path(rest), of_call(rig, call_sid, "in-progress")
    if change == "token":
        token = parse_qs(urlsplit(path).query)["dial"][0]
        path = f"/twilio/voice?dial={token[:-3]}AAA"
    fields |= {"person": {"To": "+14155550124"}, "ours": {"From": "+14155550199"}}.get(change, {})
    answer = await rig.carrier.post(path, fields)
    assert answer.status_code == 403
    assert rig.gateway.registry.calls == []


async def test_a_retry_gets_the_same_answer_and_another_call_none(office: Office) -> None:
    rig, client, rest = office
    call_sid = await placed(client)
    first = await answered(rig, rest, call_sid)
    assert await answered(rig, rest, call_sid) == first
    fields = of_call(rig, new_sid("CA"), "in-progress")
    assert (await rig.carrier.post(voice_path(rest), fields)).status_code == 403


async def test_a_stopping_process_takes_those_whom_it_has_called(office: Office) -> None:
    rig, client, rest = office
    call_sid = await placed(client)
    rig.gateway.registry.draining = True
    assert "<Stream" in await answered(rig, rest, call_sid)


async def test_what_comes_after_a_broken_stream_is_the_same_agent(office: Office) -> None:
    rig, client, rest = office
    call_sid = await placed(client)
    async with talking(rig, rest, call_sid):
        await rig.note(events.FirstAudioSent)
    await rig.note(events.CallEnded)
    fields = of_call(rig, call_sid, "in-progress")
    answer = await rig.carrier.post("/twilio/after?leg=stream", fields)
    assert "<Stream" in answer.text
    (call,) = rig.gateway.registry.calls
    assert (call.facts.agent, call.facts.caller) == ("caller", PERSON)
    assert call.facts.direction == "outbound"
