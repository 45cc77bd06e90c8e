"""Calls over real sockets against the least that can answer one."""

from __future__ import annotations

import asyncio

import httpx2
import pytest
import pytest_asyncio
from echo_gateway import EchoGateway
from voices import speak_tone

from gateway.errors import ServiceUnreachable
from gateway.simulator.caller.gateway_process import free_port
from gateway.simulator.rehearsal.runner import SimulatedCarrier, carrier, rehearse, rehearse_many
from gateway.simulator.scenario.schema import Scenario
from gateway.simulator.twilio.rest_api import listening
from gateway.simulator.twilio.webhooks import Account, GatewayAddress

pytestmark = pytest.mark.asyncio(loop_scope="module")

ACCOUNT = Account("AC" + "0" * 32, "secret")
SHORT = {"until_silence_ms": 100, "at_least_ms": 100, "timeout_s": 3}


def scenario(*steps, **rest) -> Scenario:
    return Scenario.model_validate({"name": "test", "max_s": 30, "steps": list(steps), **rest})


def answering(verbs: str) -> str:
    return f"<Response>{verbs}</Response>"


class CallServers:
    """One pair of servers for all calls here; each test plugs its own small gateway in."""

    def __init__(self, url: str, twilio: SimulatedCarrier) -> None:
        self.url, self.twilio = url, twilio

    def stage(
        self, twiml: str = "", public_url: str = "", **rest
    ) -> tuple[EchoGateway, SimulatedCarrier]:
        base = public_url or self.url
        gateway = EchoGateway(base, (ACCOUNT.sid, ACCOUNT.token), self.twilio.rest_url, **rest)
        gateway.twiml = twiml or gateway.twiml
        self.answering = gateway.app()
        self.twilio.api.calls.clear()
        self.twilio.webhooks.reach = GatewayAddress(self.url, base)
        return gateway, self.twilio

    async def __call__(self, scope, receive, send) -> None:
        await self.answering(scope, receive, send)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def board():
    servers = CallServers("", None)
    async with listening(servers, 0) as url:
        reach = GatewayAddress(url, url)
        async with carrier(ACCOUNT, reach, rest_port=0, speak=speak_tone) as twilio:
            servers.url, servers.twilio = url, twilio
            yield servers


async def test_a_whole_call_with_a_barge_in_and_an_echo(board):
    gateway, twilio = board.stage()
    record = await rehearse(
        twilio,
        scenario(
            {"hear": SHORT},
            {"say": "hello hello hello hello"},
            {"interrupt": {"after_ms": 200, "say": "stop"}},
            {"hear": SHORT},
            "expect_hang_up",
            expect={
                "ending": "gateway",
                "how": "completed_by_rest",
                "barge_ins": 1,
                "min_turns": 2,
                "max_turns": 2,
                "max_latency_ms": 600,
                "silence_after_barge_in_ms": 200,
                "echo": {"of_step": 3, "min_correlation": 0.9},
                "heard_to_the_end": True,
            },
        ),
    )
    assert record.failures == []
    assert gateway.refused == 0
    assert record.turns[1].latency_ms == pytest.approx(310, abs=60)
    check_messages(gateway.messages)
    paths = [path for path, _ in gateway.posts]
    assert paths.count("/twilio/voice") == 1
    assert set(paths) == {"/twilio/voice", "/twilio/stream", "/twilio/after", "/twilio/status"}
    events = [form["StreamEvent"] for path, form in gateway.posts if path == "/twilio/stream"]
    assert events == ["stream-started", "stream-stopped"]
    last = next(form for path, form in gateway.posts if path == "/twilio/status")
    assert (last["CallStatus"], last["CallDuration"]) == ("completed", str(round(record.seconds)))


def check_messages(messages: list[dict]) -> None:
    """Order, counters and spelling as Twilio has them."""
    assert messages[0] == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    start = messages[1]["start"]
    assert start["customParameters"] == {"token": "one & only"}
    assert start["mediaFormat"] == {
        "encoding": "audio/x-mulaw",
        "sampleRate": 8000,
        "channels": 1,
    }
    numbers = [message["sequenceNumber"] for message in messages[1:]]
    assert numbers == [str(number) for number in range(1, len(messages))]
    media = [message["media"] for message in messages if message["event"] == "media"]
    assert [one["chunk"] for one in media] == [str(n) for n in range(1, len(media) + 1)]
    assert [one["timestamp"] for one in media] == [str(20 * n) for n in range(len(media))]
    assert {one["track"] for one in media} == {"inbound"}
    assert messages[-1]["event"] == "stop"


async def test_signatures_are_made_over_the_public_address(board):
    steps = ({"hear": SHORT}, "hang_up")
    gateway, twilio = board.stage(public_url="https://gw.example.com")
    gateway.twiml = gateway.twiml.replace("{url}", "wss://gw.example.com/twilio/media")
    record = await rehearse(twilio, scenario(*steps, expect={"ending": "caller"}))
    assert record.failures == []
    assert gateway.refused == 0


@pytest.mark.parametrize(
    ("junk", "code"),
    [
        (b"\x00\x01", 31950),
        ("no json", 31951),
        ('{"event":"media","streamSid":"MZ0","media":{"payload":"//8="}}', 31951),
        ('{"event":"mark","streamSid":"SID","mark":{"name":"a","more":1}}', 31951),
    ],
)
async def test_what_twilio_would_warn_of_fails_the_scenario(board, junk, code):
    _, twilio = board.stage(junk_first=junk)
    record = await rehearse(twilio, scenario({"hear": SHORT}, "hang_up"))
    assert [warning.code for warning in record.warnings if warning.counts] == [code]
    assert len(record.failures) == 1
    assert str(code) in record.failures[0]


async def test_keys_reach_the_stream_one_by_one(board):
    gateway, twilio = board.stage()
    await rehearse(twilio, scenario({"hear": SHORT}, {"press": "1#"}, "hang_up"))
    digits = [message["dtmf"] for message in gateway.messages if message["event"] == "dtmf"]
    assert digits == [
        {"digit": "1", "track": "inbound_track"},
        {"digit": "#", "track": "inbound_track"},
    ]


async def test_a_dropped_socket_goes_on_to_the_action_and_ends(board):
    gateway, twilio = board.stage()
    steps = ({"hear": SHORT}, "drop_socket", "expect_hang_up")
    record = await rehearse(twilio, scenario(*steps, expect={"how": "end_of_document"}))
    assert record.failures == []
    assert [m["event"] for m in gateway.messages][-1] == "media"
    after = next(form for path, form in gateway.posts if path == "/twilio/after")
    assert after["CallStatus"] == "in-progress"


@pytest.mark.parametrize(
    ("verbs", "how", "heard_ms"),
    [
        ("<Say>hello</Say><Hangup/><Say>never</Say>", "hangup_verb", 200),
        ("<Say>hello</Say><Pause length='0.1'/><Say>you</Say>", "end_of_document", 320),
        ("<Play digits='1'/>", "end_of_document", 120),
        ("<Reject/>", "rejected", 0),
        ("<Reject reason='busy'/>", "rejected_busy", 0),
        ("<Dial>+15550111</Dial><Say>hello</Say>", "end_of_document", 200),
        ("<Redirect>/twilio/next</Redirect><Say>never</Say>", "end_of_document", 0),
        ("<Gather timeout='0.1'><Say>hello</Say></Gather>", "end_of_document", 200),
        ("<Dance/>", "application_error", 0),
    ],
)
async def test_twiml_is_executed(board, verbs, how, heard_ms):
    _, twilio = board.stage(twiml=answering(verbs))
    record = await rehearse(twilio, scenario("expect_hang_up"))
    assert record.ending.how == how
    assert record.heard_ms == pytest.approx(heard_ms, abs=30)


async def test_a_stream_that_cannot_start_is_reported_and_the_document_goes_on(board):
    verbs = "<Connect><Stream url='{base}/x?a=1' statusCallback='{base}/twilio/stream'/></Connect>"
    gateway, twilio = board.stage(twiml=answering(verbs + "<Say>sorry</Say>"))
    record = await rehearse(twilio, scenario("expect_hang_up"))
    assert [warning.code for warning in record.warnings] == [31922]
    error = next(form for path, form in gateway.posts if path == "/twilio/stream")
    assert (error["StreamEvent"], error["StreamError"][:5]) == ("stream-error", "31922")
    assert record.heard_ms > 0


async def test_many_calls_at_once_are_told_apart(board):
    steps = ({"hear": SHORT}, {"say": "hello there"}, {"hear": SHORT}, "hang_up")
    gateway, twilio = board.stage()
    gateway.rest_url = ""
    records = await rehearse_many(twilio, scenario(*steps), calls=5, concurrency=5)
    assert [record.failures for record in records] == [[]] * 5
    assert len({record.call_sid for record in records}) == 5


async def test_nobody_there_is_one_sentence():
    url = f"http://127.0.0.1:{free_port()}"
    async with carrier(ACCOUNT, GatewayAddress(url, url), rest_port=0, speak=speak_tone) as twilio:
        with pytest.raises(ServiceUnreachable, match="is it running there"):
            await rehearse_many(twilio, scenario("expect_hang_up"), calls=2, concurrency=2)


async def a_call_in_progress(twilio, do):
    """Run a call that only listens, and give `do` its REST address once the stream is up."""
    running = asyncio.create_task(rehearse(twilio, scenario("expect_hang_up")))
    while not twilio.api.calls:  # noqa: ASYNC110 - one turn of the loop, until the call is there
        await asyncio.sleep(0)
    (call,) = twilio.api.calls.values()
    await call.line.streaming.wait()
    path = f"/2010-04-01/Accounts/{ACCOUNT.sid}/Calls/{call.call_sid}.json"
    async with httpx2.AsyncClient(
        verify=False, base_url=twilio.rest_url, trust_env=False
    ) as client:
        client.auth = (ACCOUNT.sid, ACCOUNT.token)
        await do(client, path)
        record = await running
        return record, await client.post(path, data={"Status": "completed"})


async def test_rest_redirects_a_call_out_of_its_stream(board):
    async def redirect(client, path):
        shown = (await client.get(path)).json()
        assert (shown["status"], shown["direction"]) == ("in-progress", "inbound")
        answer = await client.post(path, data={"Twiml": answering("<Say>goodbye</Say>")})
        assert answer.status_code == 200

    gateway, twilio = board.stage()
    record, late = await a_call_in_progress(twilio, redirect)
    assert gateway.messages[-1]["event"] == "stop"
    assert record.ending.how == "end_of_document"
    assert (late.status_code, late.json()["code"]) == (400, 21220)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"Status": "dancing"}, 21218),
        ({"Status": "canceled"}, 21220),
        ({"Url": "ftp://example.com"}, 21205),
        ({"Twiml": "<Response>" + "x" * 4000 + "</Response>"}, 21612),
        ({"Twiml": "<Response>"}, 12100),
    ],
)
async def test_rest_refuses_what_twilio_refuses(board, data, code):
    async def refuse(client, path):
        answer = await client.post(path, data=data)
        body = answer.json()
        assert (answer.status_code, body["status"], body["code"]) == (400, 400, code)
        assert body["message"]
        assert str(code) in body["more_info"]
        await client.post(path, data={"Status": "completed"})

    _, twilio = board.stage()
    record, _ = await a_call_in_progress(twilio, refuse)
    assert record.ending.how == "completed_by_rest"


@pytest.mark.parametrize(
    ("auth", "sid", "status", "code"),
    [
        ((ACCOUNT.sid, ACCOUNT.token), "CA" + "1" * 32, 404, 20404),
        ((ACCOUNT.sid, "wrong"), "CA" + "1" * 32, 401, 20003),
        (None, "CA" + "1" * 32, 401, 20003),
    ],
)
async def test_rest_knows_its_calls_and_its_account(board, auth, sid, status, code):
    _, twilio = board.stage()
    async with httpx2.AsyncClient(verify=False, trust_env=False, auth=auth) as client:
        url = f"{twilio.rest_url}/2010-04-01/Accounts/{ACCOUNT.sid}/Calls/{sid}.json"
        answer = await client.get(url)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
