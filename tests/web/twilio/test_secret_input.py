"""A caller types a PIN: over real sockets, and then the digits are looked for everywhere."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from far_end import FarEnd, far_end
from gateway_calls import QUIET, token_in
from http_end import HttpEnd, http_end
from left_behind import redis_dump
from model_bytes import configured, event, events
from redis_end import running_redis
from running_gateway import PUBLIC_URL, GatewayRig, running_gateway
from twilio_rest_double import RestDesk, rest_desk

from gateway.call import events as notes
from gateway.call.endings import Ending

PIN = "739146"
AGENTS = """
agents:
  bank:
    instructions: Answer the telephone.
    record: transcript
    tools: [collect_digits, take_payment]
    secret_digits:
      pin:
        digits: 6
        attempts: 2
        http: {url: "URL/pin", secret: "${BANK_SECRET}", allow_private: true}
    payments:
      bill: {http: {url: "URL/card", secret: "${BANK_SECRET}", allow_private: true}}
routes:
  - {to: "+15550101", agent: bank}
"""
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


@pytest.fixture(autouse=True)
def _signing_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANK_SECRET", SECRET)


class Vendor:
    """The model's server: each first response calls a tool, when a key has been pressed."""

    def __init__(self, tool: str, what: str) -> None:
        self.tool, self.what = tool, what
        self.heard: list[dict[str, Any]] = []
        """All that any session was told, sound but its length left out."""
        self.outputs: asyncio.Queue[str] = asyncio.Queue()
        self.sessions = 0

    async def __call__(self, end: FarEnd) -> None:
        await configured(end)
        self.sessions += 1
        number = self.sessions
        async for one in events(end):
            if one["type"] == "input_audio_buffer.append":
                continue
            self.heard.append(one)
            if "output" in one.get("item", {}):
                self.outputs.put_nowait(one["item"]["output"])
            if one["type"] == "response.create":
                self.answer(end, number)

    def answer(self, end: FarEnd, number: int) -> None:
        response: dict[str, Any] = {"id": f"resp_{number}", "status": "in_progress"}
        sound = {"response_id": response["id"], "item_id": f"item_{number}"}
        end.say(event("response.created", response=response))
        end.say(event("response.output_audio.delta", delta="f39/fw==", **sound))
        end.say(event("response.output_audio.done", **sound))
        output: list[dict[str, Any]] = []
        if number == 1:
            call = {"id": "call_item", "call_id": "call_1", "name": self.tool}
            arguments = json.dumps({"what": self.what})
            output = [{"type": "function_call", **call, "arguments": arguments}]
        done = response | {"status": "completed", "output": output}
        end.say(event("response.done", response=done))


class Stage:
    """A gateway, a model, Twilio's REST API and the operator's function; one call."""

    def __init__(
        self, rig: GatewayRig, vendor: Vendor, rest: RestDesk, bank: HttpEnd, folder: Path
    ) -> None:
        self.rig, self.vendor, self.rest, self.bank, self.folder = rig, vendor, rest, bank, folder
        self.call_sid = ""

    async def sent_to_type(self) -> ElementTree.Element:
        """A call whose caller was sent to type; what Twilio runs for it now."""
        async with self.rig.carrier.call(QUIET) as stream:
            self.call_sid = stream.call_sid
            await self.rig.note(notes.ModelReady)
            await stream.press("5")
            await stream.press("#")
            await self.rig.note(notes.SecretInputStarted)
            while not self.rest.asked:  # noqa: ASYNC110 - the double tells nobody
                await asyncio.sleep(0)
            await stream.stop()
            ended = await self.rig.note(notes.CallEnded)
        assert ended.ending is Ending.SECRET_INPUT
        (form,) = self.rest.of(f"POST {self.call_sid}.json")
        return ElementTree.fromstring(form["Twiml"][0])

    async def post(self, action: str, status: str = "in-progress", **fields: str) -> str:
        path = action.removeprefix(PUBLIC_URL)
        form = self.rig.carrier.call_fields(self.call_sid, QUIET, status) | fields
        return (await self.rig.carrier.post(path, form)).text

    async def back(self, twiml: str) -> str:
        """The caller's new stream; what the model is told of the tool."""
        async with self.rig.carrier.stream(self.call_sid, token_in(twiml)) as stream:
            await stream.speak()
            output = await asyncio.wait_for(self.vendor.outputs.get(), 10)
            await self.rig.note(notes.SecretInputEnded)
            await stream.stop()
            await self.rig.note(notes.CallEnded, 2)
        return output

    async def outcome(self, outcome: str, kind: str = "digits") -> float:
        labels = {"agent": "bank", "kind": kind, "outcome": outcome}
        return await self.rig.metric("secret_inputs_total", **labels)


@contextlib.asynccontextmanager
async def stage(
    tmp_path: Path, tool: str = "collect_digits", what: str = "pin", **settings: str
) -> AsyncIterator[Stage]:
    vendor = Vendor(tool, what)
    async with contextlib.AsyncExitStack() as stack:
        bank = await stack.enter_async_context(http_end())
        bank.answers["/pin"] = (200, {}, b'{"ok": true, "say": "six digits", "token": "tok_x"}')
        bank.answers["/card"] = (200, {}, b'{"ok": true}')
        rest = await stack.enter_async_context(rest_desk())
        url = await stack.enter_async_context(far_end(vendor))
        agents = tmp_path / "agents.yaml"
        agents.write_text(AGENTS.replace("URL", bank.url))
        rig = await stack.enter_async_context(
            running_gateway(
                agents,
                f"{url.replace('ws:', 'http:')}/v1",
                TWILIO_BASE_URL=rest.url,
                **settings,
            )
        )
        yield Stage(rig, vendor, rest, bank, tmp_path)


def gather_of(document: ElementTree.Element) -> ElementTree.Element:
    gather = document.find("Gather")
    assert gather is not None
    return gather


async def test_the_agent_learns_what_came_of_it_and_no_digit(tmp_path: Path) -> None:
    async with stage(tmp_path) as play:
        gather = gather_of(await play.sent_to_type())
        assert (gather.get("numDigits"), gather.get("actionOnEmptyResult")) == ("6", "true")
        twiml = await play.post(gather.get("action", ""), Digits=PIN)
        output = await play.back(twiml)
        assert output.startswith("Typed, and accepted.")
        assert "six digits" in output
        assert "tok_x" in output
        assert await play.outcome("done") == 1
        (seen,) = play.bank.seen
        assert json.loads(seen.body)["digits"] == PIN


async def test_a_caller_may_try_again_and_then_the_agent_is_told(tmp_path: Path) -> None:
    async with stage(tmp_path) as play:
        action = gather_of(await play.sent_to_type()).get("action", "")
        again = ElementTree.fromstring(await play.post(action, Digits="12"))
        assert "did not work" in "".join(again.itertext())
        assert play.bank.seen == []
        output = await play.back(await play.post(action, Digits=""))
        assert "typed nothing" in output
        assert await play.outcome("timeout") == 1


async def test_a_no_of_the_operators_counts_as_a_try(tmp_path: Path) -> None:
    async with stage(tmp_path) as play:
        play.bank.answers["/pin"] = (200, {}, b'{"ok": false, "say": "unknown"}')
        action = gather_of(await play.sent_to_type()).get("action", "")
        assert "<Gather" in await play.post(action, Digits=PIN)
        output = await play.back(await play.post(action, Digits=PIN))
        assert "not accepted" in output
        assert await play.outcome("refused") == 1


async def test_a_star_brings_the_caller_back_with_their_question(tmp_path: Path) -> None:
    async with stage(tmp_path) as play:
        action = gather_of(await play.sent_to_type()).get("action", "")
        assert "pressed the star" in await play.back(await play.post(action, Digits="12*"))
        assert await play.outcome("cancelled") == 1
        assert play.bank.seen == []


async def test_a_function_that_fails_is_not_asked_twice(tmp_path: Path) -> None:
    async with stage(tmp_path) as play:
        play.bank.answers["/pin"] = (500, {}, b"")
        action = gather_of(await play.sent_to_type()).get("action", "")
        assert "does not work" in await play.back(await play.post(action, Digits=PIN))
        assert (await play.outcome("error"), len(play.bank.seen)) == (1, 1)


@pytest.mark.parametrize("by_status", [True, False])
async def test_a_caller_who_hangs_up_has_an_outcome(tmp_path: Path, by_status: bool) -> None:
    async with stage(tmp_path) as play:
        action = gather_of(await play.sent_to_type()).get("action", "")
        await play.post("/twilio/status" if by_status else action, "completed")
        assert await play.outcome("hung_up") == 1
        assert "<Hangup" in await play.post(action, "completed", Digits=PIN)
        assert (await play.outcome("hung_up"), play.bank.seen) == (1, [])


async def test_keys_of_another_input_are_not_believed(tmp_path: Path) -> None:
    async with stage(tmp_path) as play:
        await play.sent_to_type()
        twiml = await play.post("/twilio/digits?entry=made-up", Digits=PIN)
        assert play.bank.seen == []
        async with play.rig.carrier.stream(play.call_sid, token_in(twiml)) as stream:
            await stream.speak()
            assert "not known" in await asyncio.wait_for(play.vendor.outputs.get(), 10)
            await stream.stop()
            await play.rig.note(notes.CallEnded, 2)


async def test_a_card_becomes_a_token_for_the_operator(tmp_path: Path) -> None:
    async with stage(tmp_path, "take_payment", "bill") as play:
        pay = (await play.sent_to_type()).find("Pay")
        assert pay is not None
        assert (pay.get("tokenType"), pay.get("chargeAmount")) == ("one-time", None)
        fields = {"PaymentToken": "tok_card", "PaymentCardNumber": "xxxxxxxxxxxx4242"}
        action = pay.get("action", "")
        output = await play.back(await play.post(action, Result="success", **fields))
        assert "Typed, and accepted." in output
        assert "tok_card" not in output, "it is the operator's"
        (seen,) = play.bank.seen
        assert json.loads(seen.body) == {
            "kind": "payment",
            "name": "bill",
            "payment_token": "tok_card",
            "card": "xxxxxxxxxxxx4242",
        }
        assert await play.outcome("done", "payment") == 1


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        ("too-many-failed-attempts", "mistyped"),
        ("caller-interrupted-with-star", "cancelled"),
        ("payment-connector-error", "error"),
        ("brand-new", "error"),
    ],
)
async def test_a_card_that_comes_to_nothing(tmp_path: Path, result: str, outcome: str) -> None:
    async with stage(tmp_path, "take_payment", "bill") as play:
        pay = (await play.sent_to_type()).find("Pay")
        assert pay is not None
        await play.back(await play.post(pay.get("action", ""), Result=result))
        assert await play.outcome(outcome, "payment") == 1
        assert play.bank.seen == []


@pytest.mark.needs("redis-server")
async def test_the_digits_are_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Typed too short, right and into a function that repeats them: then all is searched."""
    caplog.set_level(logging.DEBUG)
    async with (
        running_redis() as redis,
        stage(tmp_path, GATEWAY_STORE=redis.url, GATEWAY_DATA_DIR=str(tmp_path / "data")) as play,
    ):
        play.bank.answers["/pin"] = (200, {}, f'{{"ok": true, "say": "{PIN}"}}'.encode())
        action = gather_of(await play.sent_to_type()).get("action", "")
        await play.post(action, Digits=PIN[:5])
        await play.back(await play.post(action, Digits=PIN))
        assert len(play.bank.seen) == 1
        metrics = (await play.rig.client.get("/metrics")).text
        stored = (await redis_dump(redis.port)).decode("latin-1")
        told = json.dumps(play.vendor.heard)
        rest = str(play.rest.asked)
        events_told = str([note for _, note in play.rig.notes])
    files = b"".join(p.read_bytes() for p in (tmp_path / "data").rglob("*") if p.is_file())
    shown = capsys.readouterr()
    logs = caplog.text + shown.out + shown.err
    assert "secret_function_failed" in logs
    assert files
    assert stored
    for place in (metrics, stored, told, rest, events_told, logs, files.decode("latin-1")):
        assert PIN[:5] not in place, place
