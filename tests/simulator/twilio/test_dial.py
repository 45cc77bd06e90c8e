"""`<Dial>` and trunks: what the simulated carrier does with a SIP address, and with people."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio
from sip_gateway_rig import URI, SipGateway, sip_gateway

from gateway.simulator.openai.realtime.script import SipScript
from gateway.simulator.rehearsal.record import RehearsalRecord
from gateway.simulator.rehearsal.runner import rehearse
from gateway.simulator.scenario.schema import Scenario

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHORT = {"until_silence_ms": 100, "at_least_ms": 100, "timeout_s": 4}
DESK = "+15550142"
YES: Any = {"instructions": 'Say exactly: "Yes."'}
PERSON = f"<Dial answerOnBridge='true' timeout='1' action='/twilio/later'>{DESK}</Dial>"


def scenario(*steps: Any, **rest: Any) -> Scenario:
    return Scenario.model_validate({"name": "test", "max_s": 30, "steps": list(steps), **rest})


@asynccontextmanager
async def calling(
    gateway: SipGateway, *steps: Any, **rest: Any
) -> AsyncIterator[list[RehearsalRecord]]:
    """A call in the background; its record is there when this is left."""
    records: list[RehearsalRecord] = []
    call = asyncio.create_task(rehearse(gateway.twilio, scenario(*steps, **rest)))
    try:
        yield records
        records.append(await call)
    finally:
        call.cancel()


async def greet(gateway: SipGateway, call_id: str) -> None:
    async with gateway.sideband(call_id) as sideband:
        await sideband.connection.response.create(response=YES)
        await sideband.until("output_audio_buffer.stopped")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def board() -> AsyncIterator[SipGateway]:
    async with sip_gateway() as running:
        yield running


@pytest.fixture
def gateway(board: SipGateway) -> SipGateway:
    return board.reset()


async def test_a_call_is_carried_to_the_model_and_ended_by_it(gateway: SipGateway) -> None:
    gateway.dials(URI + "?X-Tenant=a%20b&amp;X-Call=1")
    async with calling(gateway, {"hear": SHORT}, "expect_hang_up") as records:
        event = await gateway.webhook.next()
        call_id = event.data.call_id
        await gateway.client.realtime.calls.accept(call_id, type="realtime")
        await greet(gateway, call_id)
        await gateway.client.realtime.calls.hangup(call_id)
    (record,) = records
    assert record.failures == []
    assert (record.paths, record.ending.how) == (["sip"], "end_of_document")
    assert record.heard_ms == pytest.approx(180, abs=40)
    headers = {header.name: header.value for header in event.data.sip_headers}
    after = gateway.form("/twilio/after")
    assert event.data.sip_media_security == "srtp"
    assert (headers["X-Tenant"], headers["X-Call"]) == ("a b", "1")
    assert headers["X-Twilio-CallSid"] == after["DialCallSid"] != after["CallSid"]
    assert "+15550199" in headers["From"]
    assert headers["Call-ID"] == after["DialSipCallId"]
    assert (after["DialCallStatus"], after["DialSipResponseCode"]) == ("completed", "200")
    assert gateway.form("/twilio/voice")["CallStatus"] == "ringing"
    assert gateway.refused == 0


@pytest.mark.parametrize(
    ("sip_status", "dial_status"),
    [(486, "busy"), (503, "failed"), (603, "failed"), (404, "failed"), (480, "no-answer")],
)
async def test_a_rejected_leg_is_told_to_the_action(
    gateway: SipGateway, sip_status: int, dial_status: str
) -> None:
    gateway.dials()
    gateway.documents["/twilio/after"] = "<Say>sorry</Say>"
    async with calling(gateway, "expect_hang_up") as records:
        event = await gateway.webhook.next()
        calls = gateway.client.realtime.calls
        await calls.reject(event.data.call_id, status_code=sip_status)
    after = gateway.form("/twilio/after")
    assert (after["DialCallStatus"], after["CallStatus"]) == (dial_status, "ringing")
    assert (after["DialSipResponseCode"], after["DialCallDuration"]) == (str(sip_status), "0")
    assert records[0].heard_ms == pytest.approx(200, abs=30)


async def test_nobody_who_answers_in_time(gateway: SipGateway) -> None:
    gateway.dials()
    gateway.documents["/twilio/voice"] = str(gateway.documents["/twilio/voice"]).replace(
        "'3'", "'0.3'"
    )
    async with calling(gateway, "expect_hang_up"):
        call_id = (await gateway.webhook.next()).data.call_id
    after = gateway.form("/twilio/after")
    assert (after["DialCallStatus"], after["DialSipResponseCode"]) == ("no-answer", "487")
    assert gateway.model.sip.calls[call_id].state == "over"


@pytest.mark.parametrize(
    ("uri", "warning", "rings"),
    [
        (URI + "?Subject=x&amp;X-A=1", 13252, True),
        (URI + "?X-A=" + "x" * 1024, 21227, True),
        (URI.replace("proj_test", "proj_" + "x" * 255), 13224, False),
        (URI.replace("tls", "quic"), 13224, False),
        ("proj_test@sip.api.openai.com", 13224, False),
    ],
)
async def test_what_twilio_warns_of_fails_the_scenario(
    gateway: SipGateway, uri: str, warning: int, rings: bool
) -> None:
    gateway.dials(uri)
    async with calling(gateway, "expect_hang_up") as records:
        if rings:
            event = await gateway.webhook.next()
            shown = [h.name for h in event.data.sip_headers if h.name in ("Subject", "X-A")]
            assert shown == (["X-A"] if warning == 13252 else [])
            await gateway.client.realtime.calls.reject(event.data.call_id)
    assert [fault.code for fault in records[0].warnings] == [warning]
    assert str(warning) in " ".join(records[0].failures)
    assert gateway.form("/twilio/after")["DialCallStatus"] == "failed"


async def test_a_line_without_srtp_is_told_so(gateway: SipGateway) -> None:
    gateway.dials(URI.removesuffix(";secure=true"))
    async with calling(gateway, "expect_hang_up"):
        event = await gateway.webhook.next()
        await gateway.client.realtime.calls.reject(event.data.call_id)
    assert event.data.sip_media_security == "rtp"


async def test_the_caller_speaks_presses_and_hangs_up(gateway: SipGateway) -> None:
    gateway.dials()
    steps = (
        {"hear": SHORT},
        {"press": "7"},
        {"say": "hello there"},
        {"wait_ms": 400},
        "hang_up",
    )
    async with calling(gateway, *steps) as records:
        call_id = await gateway.accept()
        async with gateway.sideband(call_id) as sideband:
            await sideband.connection.response.create(response=YES)
            key = (await sideband.until("input_audio_buffer.dtmf_event_received"))[-1]
            heard = await sideband.until("input_audio_buffer.speech_stopped")
    assert key["event"] == "7"
    assert "input_audio_buffer.speech_started" in [event["type"] for event in heard]
    assert records[0].failures == []
    after = gateway.form("/twilio/after")
    assert (after["DialCallStatus"], after["DialBridged"]) == ("completed", "true")
    assert gateway.model.sip.calls[call_id].state == "over"


@pytest.mark.parametrize(
    ("person", "status"),
    [
        ({"answers_after_s": 0.1, "says": "hello", "hangs_up_after_s": 0.1}, "completed"),
        ("busy", "busy"),
        ("no_answer", "no-answer"),
    ],
)
async def test_the_far_end_has_the_caller_transferred(
    gateway: SipGateway, person: Any, status: str
) -> None:
    gateway.dials()
    gateway.documents["/twilio/refer"] = PERSON
    people = {"people": {DESK: person}}
    async with calling(gateway, {"hear": SHORT}, "expect_hang_up", **people) as records:
        call_id = await gateway.accept()
        await greet(gateway, call_id)
        await gateway.client.realtime.calls.refer(call_id, target_uri=f"tel:{DESK}")
    assert gateway.form("/twilio/refer")["ReferTransferTarget"] == f"tel:{DESK}"
    assert gateway.form("/twilio/later")["DialCallStatus"] == status
    assert "/twilio/after" not in [path for path, _ in gateway.posts]
    assert records[0].transferred_to == ([DESK] if status == "completed" else [])
    assert gateway.model.sip.calls[call_id].state == "over", "the leg that referred is let go"


async def test_a_refer_that_nobody_relays_changes_nothing(gateway: SipGateway) -> None:
    gateway.model.sip.script = SipScript(refer="ignored")
    gateway.dials()
    async with calling(gateway, {"hear": SHORT}, "expect_hang_up") as records:
        call_id = await gateway.accept()
        await greet(gateway, call_id)
        calls = gateway.client.realtime.calls
        await calls.refer(call_id, target_uri=f"tel:{DESK}")
        await calls.hangup(call_id)
    assert "/twilio/refer" not in [path for path, _ in gateway.posts]
    assert records[0].transferred_to == []


async def test_a_hang_up_before_the_last_word_is_noticed(gateway: SipGateway) -> None:
    gateway.dials()
    ending = {"expect": {"heard_to_the_end": True}}
    async with calling(gateway, "expect_hang_up", **ending) as records:
        call_id = await gateway.accept()
        async with gateway.sideband(call_id) as sideband:
            await sideband.connection.response.create()
            await sideband.until("output_audio_buffer.started")
            await sideband.until("response.done")
            await gateway.client.realtime.calls.hangup(call_id)
    assert "cut off by the hang-up" in " ".join(records[0].failures)


# --- a trunk ---


def trunk(**more: Any) -> dict[str, Any]:
    return {"call": {"path": "trunk", "to": "+15550111", **more}}


async def test_a_trunk_asks_no_gateway_and_shows_whom_the_caller_dialled(
    gateway: SipGateway,
) -> None:
    more = trunk(diversion="+15550177")
    async with calling(gateway, {"hear": SHORT}, "expect_hang_up", **more) as records:
        event = await gateway.webhook.next()
        call_id = event.data.call_id
        await gateway.client.realtime.calls.accept(call_id, type="realtime")
        await greet(gateway, call_id)
        await gateway.client.realtime.calls.hangup(call_id)
    assert (records[0].paths, records[0].ending.how) == (["trunk"], "far_end_hung_up")
    headers = {header.name: header.value for header in event.data.sip_headers}
    assert headers["To"] == "<sip:+15550111@sip.api.openai.com>"
    assert "+15550177" in headers["Diversion"]
    assert not any(name.startswith("X-") for name in headers)
    assert gateway.posts == []


@pytest.mark.parametrize(
    ("sip_status", "how"),
    [(503, "end_of_document"), (486, "rejected_486"), (603, "rejected_603")],
)
async def test_a_trunk_fails_over_on_503_and_not_on_busy(
    gateway: SipGateway, sip_status: int, how: str
) -> None:
    gateway.documents["/twilio/disaster"] = "<Say>sorry</Say>"
    more = trunk(disaster_recovery="/twilio/disaster")
    async with calling(gateway, "expect_hang_up", **more) as records:
        event = await gateway.webhook.next()
        calls = gateway.client.realtime.calls
        await calls.reject(event.data.call_id, status_code=sip_status)
    assert records[0].ending.how == how
    assert (records[0].heard_ms > 0) is (sip_status == 503)


@pytest.mark.parametrize(("mode", "moved"), [("enable-all", True), ("sip-only", False)])
async def test_a_trunk_transfers_where_it_may(gateway: SipGateway, mode: str, moved: bool) -> None:
    person = {"answers_after_s": 0.1, "says": "hello", "hangs_up_after_s": 0.1}
    more = trunk(transfer_mode=mode) | {"people": {DESK: person}}
    async with calling(gateway, {"hear": SHORT}, "expect_hang_up", **more) as records:
        call_id = await gateway.accept()
        await greet(gateway, call_id)
        await gateway.client.realtime.calls.refer(call_id, target_uri=f"tel:{DESK}")
        if not moved:
            await greet(gateway, call_id)
            await gateway.client.realtime.calls.hangup(call_id)
    assert records[0].transferred_to == ([DESK] if moved else [])
    assert records[0].ending.how == ("transferred_and_over" if moved else "far_end_hung_up")
