"""What a caller typed at the carrier, step by step: what is asked, counted, and comes next."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from call_doubles import CALL_SID
from starlette.requests import Request
from starlette.responses import Response
from structlog.testing import capture_logs

from gateway import limits
from gateway.agents.config.secret_input import SecretDigits
from gateway.call.briefing import Briefing
from gateway.ops.store.memory import MemoryStore
from gateway.ops.store.shared import Store
from gateway.protocols.twilio_webhooks import VoiceRequest
from gateway.tools.python import ToolContext
from gateway.tools.secret_functions import SecretAnswer
from gateway.web.twilio.secret_entries import SecretEntry
from gateway.web.twilio.secret_input import SecretInputEndpoints

FIELDS = {"CallSid": CALL_SID, "From": "+15550199", "To": "+15550100", "CallStatus": "in-progress"}
LONGEST = limits.tools.SECRET_DIGITS_MAX


class Typing:
    """An input that is under way, and what becomes of it."""

    def __init__(self, kind: Any = "digits", attempts: int = 1, exact: int | None = None) -> None:
        self.entry: SecretEntry | None = SecretEntry("n1", "desk", kind, "pin", "en", attempts)
        self.answer, self.known = SecretAnswer("done"), True
        self.asked: list[tuple[Any, ...]] = []
        self.ended: list[tuple[str, ...]] = []
        self.over: list[str] = []
        self.back: list[tuple[Any, ...]] = []
        self.state: Any = SimpleNamespace(briefing=Briefing(facts={"who": "K-1"}))
        self.store = Store(MemoryStore(lambda: 0.0))
        wanted = SecretDigits.model_construct(digits=exact, attempts=2)
        self.agent = SimpleNamespace(secret_input=lambda _kind, _name: wanted)
        functions = SimpleNamespace(secret_functions=SimpleNamespace(ask=self._ask))
        agents = SimpleNamespace(
            agent=lambda _name, _sid: self.agent if self.known else None,
            version_of=lambda _: SimpleNamespace(toolbox=functions),
        )
        counter = SimpleNamespace(
            labels=lambda *labels: SimpleNamespace(inc=lambda: self.ended.append(labels))
        )
        parts: list[Any] = [
            SimpleNamespace(agents=agents, leg_is_over=self.over.append),
            self.store,
            SimpleNamespace(find=self._find, take=self._take, again=self._again),
            SimpleNamespace(known=self._known),
            SimpleNamespace(back=self._back),
            SimpleNamespace(response=Response),
            self._current,
            counter,
        ]
        self.endpoints = SecretInputEndpoints(*parts)

    async def _ask(self, kind: str, name: str, typed: object, context: object) -> SecretAnswer:
        self.asked.append((kind, name, typed, context))
        return self.answer

    async def _find(self, sid: str, nonce: str) -> SecretEntry | None:
        return self.entry if (sid, nonce) == (CALL_SID, "n1") else None

    async def _take(self, sid: str) -> SecretEntry | None:
        assert sid == CALL_SID
        taken, self.entry = self.entry, None
        return taken

    async def _again(self, _sid: str, entry: SecretEntry, _agent: object) -> str:
        return f"again {entry.attempts}"

    async def _known(self, _sid: str) -> Any:
        return self.state

    async def _back(self, _call: object, *rest: object) -> Response:
        self.back.append(rest)
        return Response("back")

    async def _current(self, call: VoiceRequest) -> tuple[VoiceRequest, Any]:
        return call, self.agent

    async def types(self, keys: str, nonce: str = "n1", retry: str = "") -> str:
        answer = await self.endpoints.digits(FIELDS | {"Digits": keys}, request(nonce, retry))
        return bytes(answer.body).decode()

    async def pays(self, **fields: str) -> str:
        return bytes((await self.endpoints.payment(FIELDS | fields, request())).body).decode()


def request(nonce: str = "n1", retry: str = "") -> Request:
    headers = [(b"i-twilio-idempotency-token", retry.encode())] if retry else []
    query = f"entry={nonce}".encode()
    return Request({"type": "http", "query_string": query, "headers": headers})


TYPED: dict[str, tuple[str, int | None, str]] = {
    # keys, how many are wanted, the outcome
    "some": ("1234#", None, "done"),
    "one": ("1", None, "done"),
    "the most": ("1" * LONGEST, None, "done"),
    "exactly": ("1234", 4, "done"),
    "too many": ("1" * (LONGEST + 1), None, "mistyped"),
    "one too few": ("123", 4, "mistyped"),
    "one too many": ("12345", 4, "mistyped"),
    "a hash between": ("12#34", None, "mistyped"),
    "nothing": ("", None, "timeout"),
    "only a hash": ("#", 4, "timeout"),
    "a star": ("12*", None, "cancelled"),
}


@pytest.mark.parametrize(("keys", "exact", "outcome"), TYPED.values(), ids=TYPED)
async def test_what_was_typed(keys: str, exact: int | None, outcome: str) -> None:
    typing = Typing(attempts=2, exact=exact)
    entry = typing.entry
    assert await typing.types(keys) == "back"
    assert typing.back == [(typing.agent, entry, SecretAnswer(outcome))]
    assert typing.ended == [("desk", "digits", outcome)]
    assert typing.entry is None
    context = ToolContext(
        CALL_SID,
        "+15550199",
        "+15550100",
        "desk",
        CALL_SID,
        direction="inbound",
        facts={"who": "K-1"},
    )
    asked = [("digits", "pin", {"digits": keys.strip("#")}, context)]
    assert typing.asked == (asked if outcome == "done" else [])


@pytest.mark.parametrize(
    ("keys", "again"), [("", True), ("12#3", True), ("99", True), ("*", False)]
)
async def test_a_caller_may_try_again(keys: str, again: bool) -> None:
    typing = Typing()
    typing.answer = SecretAnswer("refused")
    assert await typing.types(keys) == ("again 1" if again else "back")
    assert (typing.ended == []) == again
    assert (typing.entry is not None) == again


async def test_what_failed_is_not_typed_again() -> None:
    typing = Typing()
    typing.answer = SecretAnswer("error")
    assert await typing.types("99") == "back"


async def test_an_agent_that_is_gone_asks_nobody() -> None:
    typing = Typing()
    typing.known = False
    entry = typing.entry
    assert await typing.types("99") == "back"
    assert typing.back == [(None, entry, SecretAnswer("error"))]
    assert typing.asked == []
    assert await Typing().types("") == "again 1"


async def test_a_call_of_which_nothing_is_known_has_no_facts() -> None:
    typing = Typing()
    typing.state = None
    await typing.types("99")
    assert typing.asked[0][3].facts == {}


async def test_an_older_input_is_not_this_one() -> None:
    typing = Typing()
    with capture_logs() as logs:
        assert await typing.types("99", nonce="n0") == "back"
    assert [line["event"] for line in logs] == ["secret_input_unknown"]
    assert typing.back == [(typing.agent,)]
    assert (typing.asked, typing.ended) == ([], [])


async def test_a_request_that_is_repeated_has_the_same_answer() -> None:
    typing = Typing()
    assert await typing.types("99", retry="r1") == "back"
    assert await typing.types("99", retry="r1") == "back"
    assert (len(typing.asked), len(typing.back)) == (1, 1)
    assert await typing.store.get("secret-next:r1") == "back"
    typing = Typing()
    await typing.types("")
    await typing.types("99")
    assert len(typing.asked) == 1, "without a token each counts"


async def test_a_call_that_has_ended_is_counted_and_over() -> None:
    typing = Typing()
    answer = await typing.endpoints.digits(FIELDS | {"CallStatus": "completed"}, request())
    assert bytes(answer.body) == b"hangup.xml"
    assert typing.ended == [("desk", "digits", "hung_up")]
    assert typing.over == [CALL_SID]
    await typing.endpoints.hung_up(CALL_SID)
    assert len(typing.ended) == 1, "no input is under way any more"


PAID = {
    "too-many-failed-attempts": "mistyped",
    "caller-interrupted-with-star": "cancelled",
    "payment-connector-error": "error",
    "": "error",
}


@pytest.mark.parametrize(("result", "outcome"), PAID.items())
async def test_a_payment_without_a_token(result: str, outcome: str) -> None:
    typing = Typing("payment")
    with capture_logs() as logs:
        assert await typing.pays(Result=result) == "back"
    assert typing.ended == [("desk", "payment", outcome)]
    assert [line["event"] for line in logs] == ["payment_failed"] * (outcome == "error")
    assert typing.asked == []


async def test_a_payer_who_hung_up_hears_nothing() -> None:
    typing = Typing("payment")
    assert await typing.pays(Result="caller-hung-up") == "hangup.xml"
    assert typing.ended == [("desk", "payment", "hung_up")]
    assert typing.back == []


async def test_the_operator_gets_the_token_and_what_is_known_of_the_card() -> None:
    typing = Typing("payment")
    fields = {
        "PaymentToken": "t" * 300,
        "PaymentCardType": "visa",
        "PaymentCardNumber": "xxxx1111",
        "ExpirationDate": "",
        "SecurityCode": "xxx",
    }
    assert await typing.pays(Result="success", **fields) == "back"
    [(kind, name, given, _)] = typing.asked
    assert (kind, name) == ("payment", "pin")
    assert given == {"payment_token": "t" * 256, "card_type": "visa", "card": "xxxx1111"}
    assert typing.ended == [("desk", "payment", "done")]
