"""The SIP connector over real sockets, with the vendor's own client as the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from openai import APIStatusError, ConflictError, NotFoundError
from sip_rig import HEADERS, URI, Sideband, SipRig, sip_rig
from voices import tone
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

pytestmark = pytest.mark.asyncio(loop_scope="module")

SESSION: Any = {"type": "realtime", "model": "gpt-realtime-2.1", "instructions": "Be brief."}
QUICK_EAR = {"type": "server_vad", "silence_duration_ms": 200}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def table() -> AsyncIterator[SipRig]:
    async with sip_rig() as rig:
        yield rig


async def test_an_invite_is_announced_with_its_headers_as_they_came(table: SipRig) -> None:
    rig = table.play()
    call = await rig.invite()
    event = await rig.webhook.next()
    assert event.type == "realtime.call.incoming"
    assert event.data.call_id == call["call_id"]
    assert call["call_id"].startswith("rtc_u1_")
    shown = [header.model_dump() for header in event.data.sip_headers]
    assert shown == HEADERS[:-1], "all but the authorization, order and case kept"
    assert event.data.sip_media_security == "srtp"
    assert rig.webhook.user_agents[0].startswith("OpenAI/1.0")


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        ("sip:proj_other@sip.api.openai.com;transport=tls", 404),
        ("sip:proj_test@sip.api.openai.com", 503),
        ("sip:proj_test@sip.example.com;transport=tls", 503),
        ("proj_test@sip.api.openai.com", 400),
    ],
)
async def test_an_address_that_would_not_work_does_not_ring(
    table: SipRig, uri: str, status: int
) -> None:
    rig = table.play()
    assert await rig.invite(uri) == {"status": status}
    assert len(rig.model.journal.of("violation")) == 1
    assert rig.webhook.events.empty()


async def test_a_webhook_that_fails_comes_again_with_the_same_id(table: SipRig) -> None:
    rig = table.play()
    rig.webhook.statuses = [500, 302]
    await rig.invite()
    await rig.webhook.next()
    assert len(rig.webhook.ids) == 3
    assert len(set(rig.webhook.ids)) == 1


async def test_spoiled_webhooks_on_demand(table: SipRig) -> None:
    rig = table.play()
    kinds = ["plain", "again", "new_id", "tampered", "stale", "old_secret", "unsigned", "live"]
    url = rig.model.url + "/simulator/webhook"
    answers = (await rig.http.post(url, json={"webhooks": kinds})).json()
    statuses = [answer["status"] for answer in answers]
    assert statuses == [200, 200, 200, 400, 400, 400, 400, 200]
    first, again, other, live = rig.webhook.ids
    assert first == again != other
    assert live not in (first, other)
    events = [await rig.webhook.next() for _ in range(4)]
    assert [e.type for e in events][-1] == "live.transport.incoming"


async def test_accept_is_answered_with_nothing_and_decides_once(table: SipRig) -> None:
    rig = table.play()
    call = await rig.invite()
    raw = await rig.client.realtime.calls.with_raw_response.accept(call["call_id"], **SESSION)
    assert (raw.status_code, raw.content) == (200, b"")
    for verb, body in (("accept", SESSION), ("reject", {"status_code": 486})):
        answer = await rig.control(call["call_id"], verb, body)
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "decision_already_made"


@pytest.mark.parametrize(
    ("session", "param"),
    [
        ({"model": "gpt-realtime-2.1"}, "type"),
        ({**SESSION, "voice": "marin"}, "voice"),
        ({**SESSION, "audio": {"output": {"voice": "bob"}}}, "session.audio.output.voice"),
        ({**SESSION, "model": "gpt-9"}, "model"),
        ({**SESSION, "tools": [{"type": "function", "nome": "x"}]}, "tools[0].nome"),
        ([], None),
    ],
)
async def test_a_session_that_the_vendor_would_refuse_leaves_the_call_ringing(
    table: SipRig, session: Any, param: str | None
) -> None:
    rig = table.play()
    call = await rig.invite()
    answer = await rig.control(call["call_id"], "accept", session)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
    assert len(rig.model.journal.of("violation")) == 1
    assert (await rig.control(call["call_id"], "accept", SESSION)).status_code == 200


async def test_formats_are_for_sip_to_negotiate(table: SipRig) -> None:
    rig = table.play()
    audio = {"input": {"format": {"type": "audio/pcm", "rate": 24000}}}
    async with rig.talking(audio=audio) as (_, _, sideband):
        created = (await sideband.until("session.created"))[0]["session"]
        assert created["audio"]["input"]["format"] == {"type": "audio/pcmu"}
        assert [v["code"] for v in rig.model.journal.of("violation")] == ["format_on_sip"]


async def test_control_calls_need_a_key_and_a_call(table: SipRig) -> None:
    rig = table.play()
    url = f"{rig.model.base_url}/realtime/calls/rtc_x/accept"
    assert (await rig.http.post(url, json=SESSION)).status_code == 401
    with pytest.raises(NotFoundError) as error:
        await rig.client.realtime.calls.hangup("rtc_x")
    assert error.value.code == "call_id_not_found"


async def test_reject_sends_the_status_and_ends_the_ringing(table: SipRig) -> None:
    rig = table.play()
    for given, sent in ((486, 486), (None, 603)):
        call = await rig.invite()
        async with rig.leg(call) as leg:
            more = {} if given is None else {"status_code": given}
            await rig.client.realtime.calls.reject(call["call_id"], **more)
            assert (await leg.signal())["bye"] == sent
    with pytest.raises(ConflictError):
        await rig.client.realtime.calls.accept(call["call_id"], **SESSION)
    late = await rig.invite()
    for status in (200, 700):
        refused = await rig.control(late["call_id"], "reject", {"status_code": status})
        assert refused.status_code == 400


async def test_refer_reaches_the_carrier_and_hangup_ends_everything(table: SipRig) -> None:
    rig = table.play()
    async with rig.talking() as (call_id, leg, sideband):
        calls = rig.client.realtime.calls
        await calls.refer(call_id, target_uri="tel:+15550123")
        assert await leg.signal() == {"refer": "tel:+15550123"}
        assert (await rig.control(call_id, "refer", {"target_uri": "Ann"})).status_code == 400
        await calls.hangup(call_id)
        assert (await leg.signal())["bye"] == 200
        with pytest.raises(ConnectionClosed) as closed:
            await sideband.until("never")
        assert closed.value.rcvd is None, "1006: no close frame"
        with pytest.raises(NotFoundError):
            await calls.hangup(call_id)


async def handshake(rig: Any, call_id: str) -> int:
    url = rig.model.base_url.replace("http", "ws") + f"/realtime?call_id={call_id}"
    headers = {"Authorization": "Bearer sk-test"}
    try:
        async with connect(url, additional_headers=headers, compression=None, proxy=None):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


async def test_the_sideband_is_404_before_the_session_exists_and_after_the_end(
    table: SipRig,
) -> None:
    rig = table.play("sip: {sideband_404_ms: 300}")
    call = await rig.invite()
    call_id = call["call_id"]
    async with rig.leg(call) as leg:
        assert await handshake(rig, call_id) == 404
        await rig.client.realtime.calls.accept(call_id, **SESSION)
        assert await handshake(rig, call_id) == 404
        assert [await leg.signal(), await leg.signal()] == [{"sip": 180}, {"sip": 200}]
        assert await handshake(rig, call_id) == 101
    async with asyncio.timeout(5):
        await rig.model.sip.calls[call_id].ended.wait()
    assert await handshake(rig, call_id) == 404
    assert rig.model.journal.of("violation") == []


async def test_a_greeting_is_heard_on_the_line_and_not_on_the_sideband(table: SipRig) -> None:
    rig = table.play("{speed: 50, think_ms: 0}")
    async with rig.talking() as (_, leg, sideband):
        say = {"instructions": 'Say exactly: "Yes."'}
        await sideband.connection.response.create(response=say)
        events = await sideband.until("output_audio_buffer.stopped")
        kinds = [event["type"] for event in events]
        assert "response.output_audio.delta" not in kinds
        assert "response.output_audio_transcript.done" in kinds
        assert kinds.index("output_audio_buffer.started") < kinds.index("response.done")
        said = rig.model.journal.of("said")[0]
        heard = await leg.listen(said["ms"] * 8)
        assert 0 <= len(heard) - said["ms"] * 8 < 160


async def test_the_caller_is_heard_and_interrupts_with_the_server_truncating(
    table: SipRig,
) -> None:
    script = "{speed: 50, think_ms: 0, greeting: [{say: %s}]}" % ("one two three four " * 6)
    rig = table.play(script)
    ear = {"input": {"turn_detection": QUICK_EAR}}
    async with rig.talking(audio=ear) as (_, leg, sideband):
        await sideband.connection.response.create()
        await sideband.until("response.done")
        await leg.listen(1600)
        await leg.speak(tone(400) + b"\xff" * 2400)
        events = await sideband.until("response.created")
        kinds = [event["type"] for event in events]
        for wanted in (
            "input_audio_buffer.speech_started",
            "output_audio_buffer.cleared",
            "conversation.item.truncated",
            "input_audio_buffer.speech_stopped",
        ):
            assert wanted in kinds, kinds
        cut = events[kinds.index("conversation.item.truncated")]
        assert cut["audio_end_ms"] * 8 <= len(leg.sound) + 480
        assert rig.model.journal.of("violation") == []


@pytest.mark.parametrize("blank", [False, True])
async def test_keys_arrive_without_an_event_id(table: SipRig, blank: bool) -> None:
    rig = table.play(f"sip: {{dtmf_blank: {str(blank).lower()}}}")
    async with rig.talking() as (_, leg, sideband):
        await sideband.until("conversation.created")
        await leg.press("5")
        event = (await sideband.until("input_audio_buffer.dtmf_event_received"))[0]
        assert event.pop("received_at") > 1_700_000_000
        kind = "input_audio_buffer.dtmf_event_received"
        assert event == {"type": f" {kind}" if blank else kind, "event": "5"}


async def test_sound_does_not_go_over_a_sideband(table: SipRig) -> None:
    rig = table.play()
    async with rig.talking() as (_, _, sideband):
        await sideband.connection.input_audio_buffer.append(audio="////")
        error = (await sideband.until("error"))[-1]["error"]
        assert error["code"] == "invalid_event"
        assert len(rig.model.journal.of("violation")) == 1


async def test_the_client_may_cut_the_answer_itself(table: SipRig) -> None:
    rig = table.play("{speed: 50, think_ms: 0}")
    async with rig.talking() as (_, leg, sideband):
        await sideband.connection.response.create()
        await leg.listen(800)
        await sideband.connection.output_audio_buffer.clear()
        events = await sideband.until("conversation.item.truncated")
        assert "output_audio_buffer.cleared" in [event["type"] for event in events]


async def test_a_sideband_that_breaks_does_not_end_the_call_and_another_may_come(
    table: SipRig,
) -> None:
    rig = table.play("sip: {drop_sideband_after_s: 0.05}")
    async with rig.talking() as (call_id, leg, sideband):
        with pytest.raises(ConnectionClosed):
            await sideband.until("never")
        async with rig.client.realtime.connect(call_id=call_id) as second:
            await second.response.create(response={"instructions": 'Say exactly: "Hi."'})
            await leg.listen(1600)
        assert rig.model.sip.calls[call_id].state == "live"


async def test_scripted_failures_of_control_calls(table: SipRig) -> None:
    rig = table.play("sip: {accept_status: 500, times: 1, reject_broken: true}")
    call_id = (await rig.invite())["call_id"]
    with pytest.raises(APIStatusError) as error:
        await rig.client.realtime.calls.accept(call_id, **SESSION)
    assert error.value.status_code == 500
    await rig.client.realtime.calls.reject(call_id, status_code=503)
    assert rig.model.sip.calls[call_id].state == "ringing", "nothing came of the reject"
    await rig.client.realtime.calls.accept(call_id, **SESSION)


async def test_a_call_that_nobody_decides_on_stops_ringing(table: SipRig) -> None:
    rig = table.play("sip: {ring_s: 0.1}")
    call = await rig.invite()
    async with rig.leg(call) as leg:
        assert (await leg.signal())["bye"] == 480
    with pytest.raises(NotFoundError):
        await rig.client.realtime.calls.accept(call["call_id"], **SESSION)


async def test_without_an_account_there_is_no_sip(table: SipRig) -> None:
    from gateway.simulator.openai.main import running_model  # noqa: PLC0415

    rig = table.play()
    async with running_model() as bare:
        body = {"uri": URI, "headers": []}
        answer = await rig.http.post(bare.url + "/simulator/invite", json=body)
        assert answer.status_code == 503


async def test_a_socket_that_a_script_closes_is_not_the_call(table: SipRig) -> None:
    script = (
        "{speed: 50, think_ms: 0, greeting: [{say: one}, {close: 1011}], turns: [[{say: two}]]}"
    )
    rig = table.play(script)
    async with rig.talking() as (call_id, _, sideband):
        await sideband.connection.response.create()
        with pytest.raises(ConnectionClosed) as closed:
            await sideband.until("never")
        assert closed.value.rcvd.code == 1011
        async with rig.client.realtime.connect(call_id=call_id) as second:
            await second.response.create()
            await Sideband(second).until("output_audio_buffer.stopped")


async def test_a_session_that_expires_ends_the_call(table: SipRig) -> None:
    rig = table.play("session_seconds: 0.3")
    async with rig.talking() as (_, leg, sideband):
        error = (await sideband.until("error"))[-1]["error"]
        assert error["code"] == "session_expired"
        assert (await leg.signal())["bye"] == 200


async def test_a_key_may_be_wrong_and_a_control_call_slow(table: SipRig) -> None:
    rig = table.play("sip: {slow_ms: 200, hangup_status: 500}")
    async with rig.talking() as (call_id, _, _):
        began_s = asyncio.get_running_loop().time()
        answer = await rig.control(call_id, "hangup")
        assert answer.status_code == 500
        assert asyncio.get_running_loop().time() - began_s >= 0.2
        wrong = {"Authorization": "Bearer sk-invalid"}
        url = f"{rig.model.base_url}/realtime/calls/{call_id}/hangup"
        assert (await rig.http.post(url, headers=wrong)).status_code == 401
        assert rig.model.sip.calls[call_id].state == "live"
