"""A call arrives: which TwiML it gets, how many calls and sessions come of it, and what is told."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode
from pathlib import Path
from urllib.parse import urlencode
from xml.etree import ElementTree

import httpx2
import pytest
from gateway_calls import CALLER, QUIET, RECEPTION, TOKEN, new_sid, signature, token_in
from running_gateway import API_KEY, PUBLIC_URL, GatewayRig, running_gateway
from starlette.requests import Request
from structlog.testing import capture_logs
from vendor import SIP_SETTINGS

from gateway.call import events
from gateway.call.endings import Ending
from gateway.simulator.openai.main import ModelServer
from gateway.tuning import Tuning
from gateway.web.health import HealthEndpoints

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG_NAME = "a-name-of-sixty-four-characters-which-is-as-long-as-one-can-be-1"


@pytest.fixture
def rig(shared_rig: GatewayRig) -> GatewayRig:
    return shared_rig


@pytest.fixture
def model(shared_model: ModelServer) -> ModelServer:
    return shared_model


def document(response: httpx2.Response) -> ElementTree.Element:
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/xml")
    root = ElementTree.fromstring(response.content)
    assert root.tag == "Response"
    return root


def verbs(response: httpx2.Response) -> list[str]:
    return [verb.tag for verb in document(response)]


def agent_in(response: httpx2.Response) -> str:
    body = token_in(response.text).split(".")[0]
    _expires_at, _nonce, call_sid, agent = json.loads(
        urlsafe_b64decode(body + "=" * (-len(body) % 4))
    )
    assert call_sid.startswith("CA")
    return str(agent)


async def test_the_document_connects_the_caller_and_says_sorry_behind_it(rig: GatewayRig) -> None:
    root = document(await rig.carrier.ring(new_sid("CA")))
    assert [verb.tag for verb in root] == ["Connect", "Say", "Hangup"]
    connect, say, _ = root
    (stream,) = connect
    (parameter,) = stream
    assert connect.attrib == {
        "action": f"{PUBLIC_URL}/twilio/after?leg=stream#rc=2&rp=all",
        "method": "POST",
    }
    assert stream.attrib == {
        "url": "wss://gw.example.com/twilio/media",
        "statusCallback": f"{PUBLIC_URL}/twilio/stream-status",
        "statusCallbackMethod": "POST",
    }
    assert "?" not in stream.attrib["url"], "a query breaks the handshake: error 31920"
    assert parameter.attrib.keys() == {"name", "value"}
    assert say.attrib["language"] == "en-US"


@pytest.mark.parametrize(
    ("dialled", "agent"),
    [
        (RECEPTION, "reception"),
        (QUIET, "quiet"),
        ("+201155500000", "arabic"),
        ("+15550103", LONG_NAME),
    ],
)
async def test_the_dialled_number_says_who_answers(
    rig: GatewayRig, dialled: str, agent: str
) -> None:
    response = await rig.carrier.ring(call_sid := new_sid("CA"), dialled)
    assert agent_in(response) == agent
    call = rig.gateway.registry.expected(call_sid)
    assert call is not None
    assert (call.facts.agent, call.facts.caller) == (agent, CALLER)


async def test_a_parameter_stays_below_twilios_bound(rig: GatewayRig) -> None:
    """ "name+value together < 500 characters"."""
    for dialled in (RECEPTION, "+15550103"):
        token = token_in((await rig.carrier.ring(new_sid("CA"), dialled)).text)
        assert len(token) + len("token") < 500


async def test_the_agents_language_is_twilios_voice(rig: GatewayRig) -> None:
    say = document(await rig.carrier.ring(new_sid("CA"), "+201155500000")).find("Say")
    assert say is not None
    assert say.attrib["language"] == "ar-XA"
    assert "نعتذر" in (say.text or "")


async def test_nobody_answers_a_number_that_nobody_has(rig: GatewayRig, model: ModelServer) -> None:
    await rig.quiet()
    opened, calls = len(model.journal.of("opened")), rig.gateway.registry.calls
    with capture_logs() as logs:
        response = await rig.carrier.ring(new_sid("CA"), "+4930123456")
    assert verbs(response) == ["Say", "Hangup"]
    assert await rig.metric("calls_refused_total", reason="no_agent") == 1
    assert rig.gateway.registry.calls == calls
    assert len(model.journal.of("opened")) == opened
    assert "4930123456" not in str(logs)


async def test_a_call_by_get_is_a_call(rig: GatewayRig) -> None:
    query = urlencode(rig.carrier.call_fields(new_sid("CA")))
    path = f"/twilio/voice?{query}"
    signed = {"X-Twilio-Signature": signature(PUBLIC_URL + path)}
    response = await rig.client.get(path, headers=signed)
    assert verbs(response)[0] == "Connect"


async def test_no_secret_and_no_number_gets_out(rig: GatewayRig) -> None:
    """Neither in the document, nor in what is logged or measured of a whole call."""
    with capture_logs() as logs:
        ring = (await rig.carrier.ring(new_sid("CA"))).text
        async with rig.carrier.call() as stream:
            await rig.note(events.FirstAudioSent, of=stream.call_sid)
            await stream.stop()
            await rig.note(events.CallEnded, of=stream.call_sid)
        scrape = (await rig.client.get("/metrics")).text
    assert [line["event"] for line in logs if line["log_level"] == "info"] == ["answered", "ended"]
    for told in (ring, str(logs), scrape):
        for secret in (TOKEN, API_KEY, CALLER[1:], RECEPTION[1:]):
            assert secret not in told


# --- The same call more than once ---


async def test_a_retry_gets_the_same_answer_and_is_the_same_call(
    rig: GatewayRig, model: ModelServer
) -> None:
    await rig.quiet()
    opened, call_sid = len(model.journal.of("opened")), new_sid("CA")
    answers = [await rig.carrier.ring(call_sid, retry_of=call_sid) for _ in range(3)]
    assert len({answer.content for answer in answers}) == 1
    await rig.note(events.ModelReady, of=call_sid)
    assert len(model.journal.of("opened")) == opened + 1


async def test_retries_at_the_same_time_too(rig: GatewayRig, model: ModelServer) -> None:
    """Twilio's first try may still be worked on when the second one comes."""
    await rig.quiet()
    opened, call_sid = len(model.journal.of("opened")), new_sid("CA")
    rings = [rig.carrier.ring(call_sid, retry_of=call_sid) for _ in range(8)]
    assert len({answer.content for answer in await asyncio.gather(*rings)}) == 1
    await rig.note(events.ModelReady, of=call_sid)
    assert len(model.journal.of("opened")) == opened + 1


async def test_another_request_for_the_same_call_is_still_one_call(
    rig: GatewayRig, model: ModelServer
) -> None:
    """The fallback address asks again, with an idempotency token of its own."""
    await rig.quiet()
    opened, call_sid = len(model.journal.of("opened")), new_sid("CA")
    first = await rig.carrier.ring(call_sid, retry_of="a request that was thought lost")
    second = await rig.carrier.ring(call_sid, retry_of="its fallback")
    await rig.note(events.ModelReady, of=call_sid)
    assert len(model.journal.of("opened")) == opened + 1
    assert token_in(first.text) != token_in(second.text)


async def test_two_calls_are_two(rig: GatewayRig, model: ModelServer) -> None:
    await rig.quiet()
    opened, calls = len(model.journal.of("opened")), [new_sid("CA"), new_sid("CA")]
    for call_sid in calls:
        await rig.carrier.ring(call_sid, retry_of=call_sid)
    for call_sid in calls:
        await rig.note(events.ModelReady, of=call_sid)
    assert len(model.journal.of("opened")) == opened + 2


# --- Full ---


async def test_a_full_gateway_is_busy_until_a_call_ends(
    agents_file: Path, model: ModelServer
) -> None:
    async with running_gateway(agents_file, model, GATEWAY_MAX_CALLS="1") as rig:
        async with rig.carrier.call() as stream:
            assert (await rig.client.get("/readyz")).status_code == 503
            assert (await rig.client.get("/readyz")).json() == {"status": "full", "calls": 1}
            refused = document(await rig.carrier.ring(new_sid("CA"), retry_of="r"))
            again = document(await rig.carrier.ring(new_sid("CA"), retry_of="r"))
            for root in (refused, again):
                assert [(verb.tag, verb.attrib) for verb in root] == [
                    ("Reject", {"reason": "busy"})
                ]
            assert await rig.metric("calls_refused_total", reason="full") == 1
            await stream.stop()
            await rig.note(events.CallEnded)
        assert (await rig.client.get("/readyz")).json() == {"status": "ready", "calls": 0}
        assert verbs(await rig.carrier.ring(new_sid("CA")))[0] == "Connect"


async def test_a_full_gateway_with_another_answer_for_callers_stays_ready(
    agents_file: Path, model: ModelServer
) -> None:
    """Else nobody would ask it, and nobody would get it: neither by SIP nor a person."""
    for overflow in ("sip", "human"):
        settings = SIP_SETTINGS | {"GATEWAY_OVERFLOW": overflow, "GATEWAY_MAX_CALLS": "1"}
        async with running_gateway(agents_file, model, **settings) as rig:
            await rig.carrier.ring(new_sid("CA"))
            ready = await rig.client.get("/readyz")
            assert (ready.status_code, ready.json()) == (200, {"status": "full", "calls": 1})


async def test_a_full_process_leaves_callers_to_other_processes_rather_than_to_people(
    agents_file: Path, model: ModelServer
) -> None:
    settings = {"GATEWAY_OVERFLOW": "human", "GATEWAY_MAX_CALLS": "1"}
    async with running_gateway(agents_file, model, **settings) as rig:
        await rig.carrier.ring(new_sid("CA"))
        for shared_store, status in ((False, 200), (True, 503)):
            health = HealthEndpoints(
                rig.gateway.registry, rig.gateway.metrics, "human", shared_store=shared_store
            )
            assert (await health.readyz(Request({"type": "http"}))).status_code == status


async def test_a_process_that_is_full_by_sip_too_is_not_ready(
    agents_file: Path, model: ModelServer
) -> None:
    none = Tuning(sip_calls_max=0)
    settings = SIP_SETTINGS | {"GATEWAY_OVERFLOW": "sip", "GATEWAY_MAX_CALLS": "1"}
    async with running_gateway(agents_file, model, none, **settings) as rig:
        assert (await rig.client.get("/readyz")).status_code == 200
        await rig.carrier.ring(new_sid("CA"))
        assert (await rig.client.get("/readyz")).status_code == 503


async def test_a_process_that_stops_takes_no_call(rig: GatewayRig) -> None:
    with rig.draining():
        assert verbs(await rig.carrier.ring(new_sid("CA"))) == ["Reject"]
        ready = await rig.client.get("/readyz")
    assert await rig.metric("calls_refused_total", reason="draining") == 1
    assert (ready.status_code, ready.json()["status"]) == (503, "draining")
    assert (await rig.client.get("/healthz")).json() == {"status": "alive"}


# --- What comes after ---


async def after(rig: GatewayRig, call_sid: str, status: str = "in-progress") -> list[str]:
    fields = rig.carrier.call_fields(call_sid, status=status)
    return verbs(await rig.carrier.post("/twilio/after?leg=stream", fields))


async def test_after_a_stream_that_broke_the_agent_goes_on(rig: GatewayRig) -> None:
    async with rig.carrier.call() as stream:
        await stream.socket.close()
        ended = await rig.note(events.CallEnded, of=stream.call_sid)
    assert ended.ending is Ending.MEDIA_BROKEN
    assert await after(rig, stream.call_sid) == ["Connect", "Say", "Hangup"]


async def test_after_a_model_that_failed_the_caller_is_told_so(rig: GatewayRig) -> None:
    async with rig.carrier.call() as stream:
        call = rig.gateway.registry.media_call(stream.call_sid)
        assert call is not None
        await rig.note(events.CallerConnected, of=stream.call_sid)
        call.hang_up(Ending.MODEL_REFUSED)
        await rig.note(events.CallEnded, of=stream.call_sid)
        assert await after(rig, stream.call_sid) == ["Say", "Hangup"]


async def test_after_a_call_that_is_over_there_is_nothing_to_say(rig: GatewayRig) -> None:
    assert await after(rig, new_sid("CA"), "completed") == ["Hangup"]


async def test_after_a_call_that_we_ended_the_line_is_put_down(rig: GatewayRig) -> None:
    async with rig.carrier.call() as stream:
        call = rig.gateway.registry.media_call(stream.call_sid)
        assert call is not None
        await rig.note(events.CallerConnected, of=stream.call_sid)
        call.hang_up(Ending.OPERATOR_HUNG_UP)
        await rig.note(events.CallEnded, of=stream.call_sid)
        assert await after(rig, stream.call_sid) == ["Hangup"]


async def test_a_stream_of_a_call_that_was_ended_meanwhile(rig: GatewayRig) -> None:
    """It is not begun again: the stream is closed, and the line put down."""
    call_sid = new_sid("CA")
    token = await rig.carrier.token(call_sid)
    call = rig.gateway.registry.media_call(call_sid)
    assert call is not None
    call.hang_up(Ending.OPERATOR_HUNG_UP)
    async with rig.carrier.stream(call_sid, token) as stream:
        assert await stream.closed() == 1008
    assert await after(rig, call_sid) == ["Hangup"]


async def test_after_a_call_that_nobody_knows_the_caller_is_not_left_in_silence(
    rig: GatewayRig,
) -> None:
    before = await rig.metric("resumes_total", how="without_history")
    assert await after(rig, new_sid("CA")) == ["Connect", "Say", "Hangup"]
    assert await rig.metric("resumes_total", how="without_history") == before + 1


async def test_a_caller_who_gives_up_while_it_rings_is_not_waited_for(rig: GatewayRig) -> None:
    await rig.carrier.ring(call_sid := new_sid("CA"))
    await rig.note(events.ModelReady, of=call_sid)
    expired = await rig.metric("sessions_prepared_total", outcome="expired")
    fields = rig.carrier.call_fields(call_sid, status="completed")
    assert (await rig.carrier.post("/twilio/status", fields)).status_code == 204
    ended = await rig.note(events.CallEnded, of=call_sid)
    assert (ended.ending, ended.arrived) == (Ending.NEVER_ARRIVED, False)
    assert await rig.metric("sessions_prepared_total", outcome="expired") == expired + 1
    assert rig.gateway.registry.media_call(call_sid) is None


async def test_a_status_callback_does_not_end_a_call_that_goes_on(rig: GatewayRig) -> None:
    async with rig.carrier.call() as stream:
        for status in ("in-progress", "ringing", "completed"):
            fields = rig.carrier.call_fields(stream.call_sid, status=status)
            await rig.carrier.post("/twilio/status", fields)
        await stream.press()
        await rig.note(events.KeyPressed, of=stream.call_sid)
        assert not rig.said(events.CallEnded, stream.call_sid)


async def test_stream_events_are_counted_by_known_names(rig: GatewayRig) -> None:
    for event in ("stream-started", "stream-stopped", "stream-error", "stream-invented", ""):
        fields = {"CallSid": new_sid("CA"), "StreamEvent": event, "StreamError": "31920 handshake"}
        assert (await rig.carrier.post("/twilio/stream-status", fields)).status_code == 204
    counted = {
        event: await rig.metric("stream_events_total", event=event)
        for event in ("stream-started", "stream-stopped", "stream-error", "other")
    }
    assert counted == {"stream-started": 1, "stream-stopped": 1, "stream-error": 1, "other": 2}
