"""What is answered when a leg has ended, step by step, and once for each of Twilio's requests."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from call_doubles import CALL_SID
from starlette.requests import Request
from starlette.responses import Response
from structlog.testing import capture_logs

from gateway import limits
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store
from gateway.web.twilio.voice import VoiceEndpoints

FIELDS = {"CallSid": CALL_SID, "From": "+15550199", "To": "+15550100", "CallStatus": "in-progress"}
DESK = SimpleNamespace(name="desk")


class Voice:
    """Endpoints whose legs answer a word, each time another one."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.asked: list[tuple[str, str]] = []
        self.over: list[str] = []
        self.out_of_queue: list[str] = []
        self.agent: Any = DESK
        self.warm: Any = None
        agents = SimpleNamespace(agent=lambda *_: self.agent)
        registry = SimpleNamespace(
            agents=agents,
            dials=SimpleNamespace(find=self._none),
            briefings=SimpleNamespace(leader=self._none),
            on_duty=lambda _: self.agent,
            leg_is_over=self.over.append,
        )
        parts: list[Any] = [
            registry,
            Store(MemoryStore(lambda: self.now_s)),
            SimpleNamespace(load=self._none),
            None,
            SimpleNamespace(response=Response),
            None,
            SimpleNamespace(after=self._after),
            SimpleNamespace(
                out_of_queue=self._out_of_queue,
                known=self._known,
                outcome=self._outcome,
                redirected=lambda _: Response("redirected"),
            ),
        ]
        self.endpoints = VoiceEndpoints(*parts)

    async def _none(self, _call_sid: str) -> None:
        return None

    async def _after(self, _call: object, _agent: object, leg: str, status: str) -> Response:
        self.asked.append((leg, status))
        return Response(f"answer {len(self.asked)}")

    async def _out_of_queue(self, call: Any, *_: object) -> None:
        self.out_of_queue.append(call.call_sid)

    async def _known(self, _request: Request) -> Any:
        return self.warm

    async def _outcome(self, warm: Any, _fields: dict[str, str]) -> str:
        return "busy" if warm else "failed"

    async def after(self, query: str = "", retry: str = "", **fields: str) -> str:
        token = [(b"i-twilio-idempotency-token", retry.encode())] if retry else []
        request = Request({"type": "http", "headers": token, "query_string": query.encode()})
        response = await self.endpoints.after(FIELDS | fields, request)
        return bytes(response.body).decode()


async def test_a_retry_gets_the_same_answer_and_nothing_is_decided_again() -> None:
    voice = Voice()
    assert await voice.after(retry="a") == "answer 1"
    voice.now_s += limits.web.WEBHOOK_REMEMBERED_S - 1
    assert await voice.after(retry="a") == "answer 1"
    assert await voice.after(retry="b") == "answer 2", "another request"
    voice.now_s += 2
    assert await voice.after(retry="a") == "answer 3", "remembered for a while"
    assert len(voice.asked) == 3


async def test_a_request_that_is_none_of_a_row_is_decided_each_time() -> None:
    voice = Voice()
    assert [await voice.after() for _ in "ab"] == ["answer 1", "answer 2"]


@pytest.mark.parametrize(
    ("query", "fields", "asked"),
    [
        ("", {}, ("stream", "")),
        ("leg=sip", {"DialCallStatus": "busy"}, ("sip", "busy")),
        ("leg=transfer", {"QueueResult": "bridged"}, ("transfer", "completed")),
        ("leg=transfer", {"QueueResult": "hangup"}, ("transfer", "completed")),
        ("leg=transfer", {"QueueResult": "leave"}, ("transfer", "completed")),
        ("leg=transfer", {"QueueResult": "queue-full"}, ("transfer", "")),
        (
            "leg=transfer",
            {"DialCallStatus": "busy", "QueueResult": "leave"},
            ("transfer", "busy"),
        ),
        ("leg=warm", {"QueueResult": "leave"}, ("transfer", "failed")),
    ],
)
async def test_how_a_leg_ended(query: str, fields: dict[str, str], asked: tuple[str, str]) -> None:
    voice = Voice()
    await voice.after(query, **fields)
    assert voice.asked == [asked]
    assert voice.out_of_queue == [CALL_SID] * (query == "leg=warm")
    assert voice.over == []


@pytest.mark.parametrize(
    ("known", "result", "answer"),
    [
        (True, "redirected", "redirected"),
        (True, "leave", "answer 1"),
        (False, "redirected", "answer 1"),
    ],
)
async def test_a_caller_whom_a_redirect_took_out_of_the_queue(
    known: bool, result: str, answer: str
) -> None:
    voice = Voice()
    voice.warm = SimpleNamespace() if known else None
    assert await voice.after("leg=warm", QueueResult=result) == answer


async def test_a_call_that_is_over_is_asked_nothing_more() -> None:
    voice = Voice()
    assert await voice.after(CallStatus="completed") == "hangup.xml"
    assert (voice.over, voice.asked) == ([CALL_SID], [])


async def test_where_nobody_answers_any_more_the_caller_is_told_so() -> None:
    voice = Voice()
    voice.agent = None
    assert await voice.after() == "apology.xml"


@pytest.mark.parametrize(
    ("query", "fields", "logged"),
    [
        ("leg=sip", {"DialCallStatus": "failed", "DialSipResponseCode": "503"}, "503"),
        ("leg=human", {"DialCallStatus": "busy", "DialSipResponseCode": "busy here"}, ""),
        ("leg=human", {"DialCallStatus": "busy", "DialSipResponseCode": "4860"}, ""),
        ("leg=transfer", {"DialCallStatus": "no-answer"}, ""),
        ("leg=warm", {"QueueResult": "leave"}, ""),
        ("leg=sip", {"DialCallStatus": "completed"}, None),
        ("leg=stream", {"DialCallStatus": "failed"}, None),
    ],
)
async def test_a_leg_that_failed_is_logged_with_its_sip_status(
    query: str, fields: dict[str, str], logged: str | None
) -> None:
    voice = Voice()
    with capture_logs() as logs:
        await voice.after(query, **fields)
    told = [(line["event"], line["call_sid"], line["sip_status"]) for line in logs]
    assert told == ([] if logged is None else [("leg_failed", CALL_SID, logged)])


async def test_what_twilio_says_of_a_failed_leg_is_bounded_in_the_log() -> None:
    voice = Voice()
    with capture_logs() as logs:
        await voice.after("leg=human", DialCallStatus="x" * 100)
    assert logs[0]["dial_status"] == "x" * 16
