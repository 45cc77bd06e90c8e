"""`<Enqueue>` and `<Dial><Queue>`: waiting, hold music, and the ways out of a queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import pytest_asyncio
from sip_gateway_rig import ACCOUNT, SipGateway, sip_gateway

from gateway.simulator.rehearsal.expectations import failures
from gateway.simulator.rehearsal.record import RehearsalRecord
from gateway.simulator.rehearsal.runner import rehearse
from gateway.simulator.scenario.expect import Expect
from gateway.simulator.scenario.schema import Scenario
from gateway.simulator.twilio.call import TwilioCall

pytestmark = pytest.mark.asyncio(loop_scope="module")

DESK = "+15550142"
QUEUE = "<Enqueue waitUrl='/twilio/hold' action='/twilio/after'>q</Enqueue><Say>went on</Say>"
MUSIC = "<Say>so many words to hear</Say>"
ASKED = "<Gather numDigits='1' action='/twilio/key'><Say>take it</Say></Gather><Hangup/>"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def board() -> AsyncIterator[SipGateway]:
    async with sip_gateway() as running:
        yield running


@pytest.fixture
def gateway(board: SipGateway) -> SipGateway:
    board.reset()
    board.documents |= {"/twilio/voice": QUEUE, "/twilio/hold": MUSIC}
    return board


class RestClient:
    """REST client of the account while a caller waits."""

    def __init__(self, gateway: SipGateway, client: httpx2.AsyncClient) -> None:
        self.gateway, self.client = gateway, client
        self.records: list[RehearsalRecord] = []
        self.account = f"/2010-04-01/Accounts/{ACCOUNT.sid}"

    @property
    def caller(self) -> TwilioCall:
        return next(
            call for call in self.gateway.twilio.api.calls.values() if call.direction == "inbound"
        )

    async def request(self, method: str, path: str, **form: str) -> int:
        answer = await self.client.request(method, self.account + path, data=form)
        return answer.status_code

    async def dial(self, number: str = DESK) -> int:
        url = self.gateway.url
        return await self.request(
            "POST",
            "/Calls.json",
            To=number,
            From="+15550100",
            Url=f"{url}/twilio/whisper",
            StatusCallback=f"{url}/twilio/person",
        )


@asynccontextmanager
async def waiting(gateway: SipGateway, *steps: Any, **more: Any) -> AsyncIterator[RestClient]:
    """A caller in the queue; the record is complete when the context is left."""
    gateway.twilio.api.calls.clear()
    steps = steps or ({"expect_hang_up": {"timeout_s": 5}},)
    given = Scenario.model_validate({"name": "test", "max_s": 30, "steps": list(steps), **more})
    async with httpx2.AsyncClient(
        verify=False,
        base_url=gateway.twilio.rest_url,
        auth=(ACCOUNT.sid, ACCOUNT.token),
        trust_env=False,
    ) as client:
        call = asyncio.create_task(rehearse(gateway.twilio, given))
        try:
            async with asyncio.timeout(5):
                await gateway.twilio.reachable.queues.named("q").joined.wait()
            rest = RestClient(gateway, client)
            yield rest
            rest.records.append(await call)
        finally:
            call.cancel()


async def test_the_wait_document_repeats_until_it_leaves(
    gateway: SipGateway,
) -> None:
    gateway.documents["/twilio/hold"] = [MUSIC, f"<Pause length='0'/>{MUSIC}", "<Leave/>"]
    async with waiting(gateway) as rest:
        pass
    (record,) = rest.records
    assert record.failures == []
    asked = gateway.forms("/twilio/hold")
    assert len(asked) == 3
    assert (asked[0]["QueuePosition"], asked[0]["CurrentQueueSize"]) == ("1", "1")
    after = gateway.form("/twilio/after")
    assert after["QueueResult"] == "leave"
    assert after["QueueSid"] == asked[0]["QueueSid"]
    assert failures(record, Expect(music=True)) == []
    assert gateway.refused == 0


async def test_silence_is_no_music(gateway: SipGateway) -> None:
    gateway.documents["/twilio/hold"] = ["<Pause length='1'/>", "<Leave/>"]
    async with waiting(gateway) as rest:
        pass
    (problem,) = failures(rest.records[0], Expect(music=True))
    assert "heard something for 0% of the wait" in problem


async def test_nobody_who_was_in_no_queue_heard_music(gateway: SipGateway) -> None:
    gateway.documents["/twilio/voice"] = "<Say>Hello</Say>"
    given = Scenario.model_validate({"name": "test", "steps": ["expect_hang_up"]})
    record = await rehearse(gateway.twilio, given)
    assert failures(record, Expect(music=True)) == ["the caller was in no queue"]
    assert failures(record, Expect(talked=True)) == ["a person heard 0 ms of the caller"]


@pytest.mark.parametrize("verb", ["<Dial>+15550142</Dial>", "<Record/>", "<Enqueue>p</Enqueue>"])
async def test_what_a_wait_url_must_not_do(gateway: SipGateway, verb: str) -> None:
    gateway.documents["/twilio/hold"] = verb
    async with waiting(gateway) as rest:
        pass
    assert [fault.code for fault in rest.records[0].warnings] == [12200]
    assert gateway.form("/twilio/after")["QueueResult"] == "error"


async def test_a_wait_url_that_cannot_be_had(gateway: SipGateway) -> None:
    gateway.documents["/twilio/voice"] = QUEUE.replace("/twilio/hold", "/nowhere")
    async with waiting(gateway) as rest:
        pass
    assert [fault.code for fault in rest.records[0].warnings] == [11200]
    assert gateway.form("/twilio/after")["QueueResult"] == "error"


async def test_taken_out_of_it_by_rest(gateway: SipGateway) -> None:
    """The action is asked besides, and what it answers is not obeyed."""
    gateway.documents["/twilio/out"] = "<Say>out</Say>"
    gateway.documents["/twilio/after"] = "<Say>not this</Say>"
    async with waiting(gateway) as rest:
        path = f"/Calls/{rest.caller.call_sid}.json"
        assert await rest.request("POST", path, Url=gateway.url + "/twilio/out") == 200
    assert [form["QueueResult"] for form in gateway.forms("/twilio/after")] == ["redirected"]
    said = [moment.detail for moment in rest.records[0].moments if moment.kind[:4] == "said"]
    assert said[-1] == "out"
    assert "not this" not in said


async def test_the_caller_hangs_up(gateway: SipGateway) -> None:
    async with waiting(gateway, {"wait_ms": 100}, "hang_up"):
        pass
    (after,) = gateway.forms("/twilio/after")
    assert (after["QueueResult"], after["CallStatus"]) == ("hangup", "completed")


async def test_a_person_is_called_and_dials_the_queue(gateway: SipGateway) -> None:
    gateway.documents |= {
        "/twilio/whisper": ASKED,
        "/twilio/key": "<Dial timeout='1'><Queue>q</Queue></Dial><Hangup/>",
    }
    person = {"answers_after_s": 0.1, "presses": "1", "says": "hello", "hangs_up_after_s": 1}
    steps = (
        {"hear": {"who": DESK, "until_silence_ms": 50, "at_least_ms": 10}},
        {"say": "words for the person"},
        "expect_hang_up",
    )
    async with waiting(gateway, *steps, people={DESK: person}) as rest:
        queue = gateway.twilio.reachable.queues.named("q")
        assert await rest.request("DELETE", f"/Queues/{queue.sid}.json") == 400
        assert await rest.dial() == 201
        assert await rest.dial() == 400, "they have one telephone"
        assert await rest.dial("+15550143") == 400, "nobody is there"
        async with asyncio.timeout(5):
            await rest.caller.line.over.wait()
        assert await rest.request("DELETE", f"/Queues/{queue.sid}.json") == 204
        assert await rest.request("DELETE", f"/Queues/{queue.sid}.json") == 404
    (record,) = rest.records
    assert record.failures == []
    assert (record.screened, record.transferred_to, record.whispered) == ([DESK], [DESK], "take it")
    assert failures(record, Expect(music=True, talked=True)) == []
    assert gateway.form("/twilio/key")["Digits"] == "1"
    assert gateway.form("/twilio/key")["Direction"] == "outbound-api"
    assert gateway.form("/twilio/after")["QueueResult"] == "bridged"
    assert [form["CallStatus"] for form in gateway.forms("/twilio/person")] == ["completed"]
    assert gateway.refused == 0


@pytest.mark.parametrize(
    ("person", "status"),
    [("busy", "busy"), ({"presses": "", "answers_after_s": 0.1}, "completed")],
)
async def test_a_person_who_does_not_come(gateway: SipGateway, person: Any, status: str) -> None:
    gateway.documents["/twilio/whisper"] = "<Hangup/>"
    async with waiting(gateway, people={DESK: person}) as rest:
        assert await rest.dial() == 201
        over = [call for call in gateway.twilio.api.calls.values() if call is not rest.caller]
        async with asyncio.timeout(5):
            await over[0].line.over.wait()
        path = f"/Calls/{rest.caller.call_sid}.json"
        assert await rest.request("POST", path, Status="completed") == 200
    assert [form["CallStatus"] for form in gateway.forms("/twilio/person")] == [status]
    assert rest.records[0].transferred_to == []
    assert gateway.form("/twilio/after")["QueueResult"] == "hangup"


@pytest.mark.parametrize(("name", "status"), [("other", "failed"), ("empty", "no-answer")])
async def test_a_queue_in_which_nobody_waits(gateway: SipGateway, name: str, status: str) -> None:
    gateway.twilio.reachable.queues.named("empty")
    gateway.documents["/twilio/voice"] = (
        f"<Dial timeout='0.1' action='/twilio/after'><Queue>{name}</Queue></Dial>"
    )
    given = Scenario.model_validate({"name": "test", "steps": ["expect_hang_up"]})
    await rehearse(gateway.twilio, given)
    assert gateway.form("/twilio/after")["DialCallStatus"] == status
