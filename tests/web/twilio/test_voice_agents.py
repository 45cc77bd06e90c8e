"""Which agent answers a call, and which one has it when it is asked about again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from call_doubles import CALL_SID
from starlette.requests import Request
from starlette.responses import Response
from structlog.testing import capture_logs

from gateway.agents.config.agent import Agent
from gateway.bridge.calls.outbound_state import OutboundState
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store
from gateway.protocols.twilio_webhooks import VoiceRequest, parse_voice
from gateway.web.twilio.voice import VoiceEndpoints

OURS, PERSON = "+15550100", "+15550199"
FIELDS = {"CallSid": CALL_SID, "From": PERSON, "To": OURS, "CallStatus": "ringing"}
PLACED = FIELDS | {"From": OURS, "To": PERSON}


def an_agent(name: str) -> Agent:
    return Agent(name=name, instructions="Be kind.")


class Process:
    """What is known of a call, and what becomes known of it."""

    def __init__(self, **known: Any) -> None:
        self.known = known
        self.noted: list[tuple[Any, ...]] = []
        self.asked: list[tuple[VoiceRequest, Agent]] = []
        self.agents = {name: an_agent(name) for name in ("desk", "night", "sales")}
        registry = SimpleNamespace(
            agents=SimpleNamespace(agent=lambda name, *_: self.agents.get(name)),
            dials=SimpleNamespace(find=self._dialled, remember=self._remember),
            briefings=SimpleNamespace(leader=self._leader, placed=self._placed),
            on_duty=lambda dialled: self.agents["desk"] if dialled == [OURS] else None,
        )
        parts: list[Any] = [
            registry,
            Store(MemoryStore(lambda: 0.0)),
            SimpleNamespace(load=self._state),
            SimpleNamespace(redeem=self._redeem),
            SimpleNamespace(response=Response),
            SimpleNamespace(answer=self._answer, no_agent=lambda: Response("nobody")),
            SimpleNamespace(refer=self._answer),
            None,
        ]
        self.endpoints = VoiceEndpoints(*parts)

    async def _dialled(self, _call_sid: str) -> Any:
        return self.known.get("dialled")

    async def _leader(self, _call_sid: str) -> Any:
        return self.known.get("leader")

    async def _state(self, _call_sid: str) -> Any:
        return self.known.get("state")

    async def _remember(self, *of: Any) -> None:
        self.noted.append(of)

    async def _placed(self, *of: Any) -> None:
        self.noted.append(of)

    async def _redeem(self, token: str, ours: str, person: str) -> str:
        assert (ours, person) == (OURS, PERSON)
        return token.removeprefix("token-of-")

    async def _answer(self, call: VoiceRequest, agent: Agent) -> Response:
        self.asked.append((call, agent))
        return Response(f"answer {len(self.asked)}")

    async def voice(self, fields: dict[str, str], query: str = "") -> str:
        request = Request({"type": "http", "headers": [], "query_string": query.encode()})
        return bytes((await self.endpoints.voice(fields, request)).body).decode()


async def test_a_call_is_answered_once_by_the_agent_of_its_number() -> None:
    process = Process()
    assert [await process.voice(FIELDS) for _ in "ab"] == ["answer 1", "answer 1"]
    assert process.asked == [(parse_voice(FIELDS), process.agents["desk"])]
    assert process.noted == []


async def test_where_no_agent_answers_the_caller_hears_so() -> None:
    process = Process()
    with capture_logs():
        assert await process.voice(FIELDS | {"To": "+15550111"}) == "nobody"
    assert process.asked == []


async def test_a_call_that_we_placed_is_known_by_its_token() -> None:
    process = Process()
    assert await process.voice(PLACED, "dial=token-of-sales") == "answer 1"
    assert process.noted == [
        (CALL_SID, OutboundState("sales", PERSON, OURS)),
        ("token-of-sales", CALL_SID),
    ]
    ((call, agent),) = process.asked
    assert (call.outbound, call.caller, call.dialled, agent.name) == (True, PERSON, OURS, "sales")


def state(agent: str, language: str = "") -> SimpleNamespace:
    return SimpleNamespace(agent=agent, language=language)


SALES = OutboundState("sales", PERSON, OURS)


@pytest.mark.parametrize(
    ("known", "agent", "language", "outbound"),
    [
        ({}, "desk", "en", False),
        ({"leader": "night"}, "night", "en", False),
        ({"leader": "gone"}, "desk", "en", False),
        ({"state": state("night")}, "night", "en", False),
        ({"state": state("night", "fr"), "leader": "sales"}, "night", "fr", False),
        ({"state": state("gone", "fr")}, "desk", "en", False),
        ({"dialled": SALES}, "sales", "en", True),
        ({"dialled": SALES, "state": state("night")}, "night", "en", True),
    ],
)
async def test_a_call_is_with_the_agent_that_has_it_by_now(
    known: dict[str, Any], agent: str, language: str, outbound: bool
) -> None:
    process = Process(**known)
    fields = PLACED if outbound else FIELDS
    call, found = await process.endpoints.current(parse_voice(fields))
    assert found is not None
    assert (found.name, found.language) == (agent, language)
    assert (call.outbound, call.caller, call.dialled) == (outbound, PERSON, OURS)


@pytest.mark.parametrize(("to", "answer"), [(OURS, "answer 1"), ("+15550111", "apology.xml")])
async def test_a_transfer_of_the_models_leg_needs_its_agent(to: str, answer: str) -> None:
    process = Process()
    request = Request({"type": "http", "headers": [], "query_string": b""})
    response = await process.endpoints.refer(FIELDS | {"To": to}, request)
    assert bytes(response.body).decode() == answer
