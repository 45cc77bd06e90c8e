"""Wrong tokens: counted, logged and slowed down, without a burden for the operators."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

import httpx2
import pytest
from prometheus_client import CollectorRegistry, Counter
from refusals import until_refused
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from structlog.testing import capture_logs

from gateway import limits
from gateway.errors import DatabaseAway
from gateway.ops.access.audit_log import AuditLog
from gateway.ops.access.token_book import NamedToken, TokenBook
from gateway.ops.database.schema import audit
from gateway.ops.limits.token_bucket import TokenBucket
from gateway.web.api.auth import Guard, OperatorAuth
from gateway.web.http.problems import RequestRefused

TOKEN = "the-token-of-the-operators"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}
WRONG = {"Authorization": "Bearer guessed"}


class NoDatabase:
    """Database that is away."""

    async def read(self, _work: object) -> None:
        raise DatabaseAway


async def handler(_request: Request) -> Response:
    return PlainTextResponse("in")


def client(refused: Counter, clock: Callable[[], float] = monotonic) -> httpx2.AsyncClient:
    book = TokenBook([NamedToken("admin", "admin", TOKEN)], NoDatabase())  # type: ignore[arg-type] # as one
    nothing = AuditLog(None, None)  # type: ignore[arg-type] # is written
    auth = OperatorAuth(book, refused, nothing, clock)
    guarded = auth.only(TokenBucket(1000, 1000.0), Guard("test"), handler)
    app = Starlette(routes=[Route("/api", guarded)])
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://gateway")


async def test_wrong_tokens_are_counted_logged_now_and_then_and_slowed_down() -> None:
    refused = Counter("refused", "Refused.", registry=CollectorRegistry())
    async with client(refused) as browser:
        with capture_logs() as logs:
            *answers, refusal = await until_refused(
                lambda: browser.get("/api", headers=WRONG),
                lambda answer: answer.status_code == 429,
                limits.api.GUESSES_BURST,
                limits.api.GUESSES_PER_S,
            )
        assert {answer.status_code for answer in answers} == {401}
        assert int(refusal.headers["retry-after"]) >= 1
        assert refused._value.get() == len(answers) + 1
        assert [line["event"] for line in logs] == ["admin_token_refused"]
        assert "guessed" not in str(logs)
        # Nobody locks the operators out by guessing.
        assert (await browser.get("/api", headers=RIGHT)).status_code == 200


async def test_each_line_of_the_log_says_how_many_were_refused_since_the_last_one() -> None:
    now_s = 0.0
    refused = Counter("refused", "Refused.", registry=CollectorRegistry())
    async with client(refused, lambda: now_s) as browser:
        with capture_logs() as logs:
            for pause_s in (0.0, 1.0, limits.api.GUESSES_LOGGED_EVERY_S - 2.0, 1.5, 0.0, 99.0, 0.0):
                now_s += pause_s
                await browser.get("/api", headers=WRONG)
    told = [(line["event"], line["log_level"], line["requests"]) for line in logs]
    assert told == [("admin_token_refused", "warning", count) for count in (1, 3, 2)]


async def test_guesses_are_slowed_down_by_a_clock_and_told_when_to_ask_again() -> None:
    now_s = 0.0
    refused = Counter("refused", "Refused.", registry=CollectorRegistry())
    async with client(refused, lambda: now_s) as browser:

        async def guess() -> httpx2.Response:
            return await browser.get("/api", headers=WRONG)

        for _ in range(limits.api.GUESSES_BURST):
            answer = await guess()
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == 'Bearer realm="gateway"'
        answer = await guess()
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        now_s += 1 / limits.api.GUESSES_PER_S
        assert [(await guess()).status_code for _ in "ab"] == [401, 429]


# --- Who may, how often, and what is written down ---


class Audit:
    """Writes down what would stand in the audit log."""

    def __init__(self) -> None:
        self.lines: list[tuple[object, ...]] = []

    def add(self, *line: object) -> None:
        self.lines.append(line)


class Api:
    """One guarded handler at `/api/{id}`, asked with a token of each role."""

    def __init__(
        self, guard: Guard, burst: int = 1000, status: int = 200, source: str = "192.0.2.1"
    ) -> None:
        self.audit = Audit()
        given = [NamedToken(role, role, role * 4) for role in ("viewer", "operator", "admin")]
        book = TokenBook(given, NoDatabase())  # type: ignore[arg-type] # as one
        counter = Counter("refused", "", registry=CollectorRegistry())
        auth = OperatorAuth(book, counter, self.audit)  # type: ignore[arg-type] # as one

        async def answer(_request: Request) -> Response:
            if status == 503:
                raise DatabaseAway
            if status != 200:
                raise RequestRefused(status, "Not so.")
            return PlainTextResponse("in")

        guarded = auth.only(TokenBucket(burst, 0.001), guard, answer)
        routes = [Route("/api/{id}", guarded, methods=["GET", "POST"])]
        transport = httpx2.ASGITransport(Starlette(routes=routes), client=(source, 5))
        self.client = httpx2.AsyncClient(transport=transport, base_url="http://gateway")

    async def ask(
        self, role: str, method: str = "POST", path: str = "CA1", scheme: str = "Bearer"
    ) -> httpx2.Response:
        headers = {"Authorization": f"{scheme} {role * 4}"}
        return await self.client.request(method, f"/api/{path}", headers=headers)


@pytest.mark.parametrize(
    ("needed", "statuses"),
    [("viewer", [200, 200, 200]), ("operator", [403, 200, 200]), ("admin", [403, 403, 200])],
)
async def test_a_role_includes_those_below(needed: Any, statuses: list[int]) -> None:
    api = Api(Guard("act", needed))
    found = [(await api.ask(role)).status_code for role in ("viewer", "operator", "admin")]
    assert found == statuses
    refused = [line for line in api.audit.lines if line[-1] == 403]
    assert len(refused) == len(api.audit.lines) == statuses.count(403), "refusals are written down"


@pytest.mark.parametrize(
    ("status", "audited"), [(200, True), (409, True), (503, True), (200, False)]
)
async def test_what_is_written_down(status: int, audited: bool) -> None:
    api = Api(Guard("say", "operator", audited), status=status)
    response = await api.ask("operator")
    assert response.status_code == status
    assert response.headers["cache-control"] == "no-store"
    line = ("operator", "operator", "192.0.2.1", "say", "CA1", status)
    assert api.audit.lines == [line] * audited
    await api.ask("operator")
    assert len(api.audit.lines) == 2 * audited, "each time"


async def test_looks_at_the_same_call_are_written_down_once() -> None:
    api = Api(Guard("call", audited=True))
    for path in ("CA1", "CA1", "CA2"):
        await api.ask("viewer", "GET", path)
    await api.ask("admin", "GET")
    seen = [(line[0], line[4]) for line in api.audit.lines]
    assert seen == [("viewer", "CA1"), ("viewer", "CA2"), ("admin", "CA1")]


async def test_what_is_written_down_of_an_address_is_bounded_text() -> None:
    longest = audit.c.source.type.length  # type: ignore[attr-defined] # of a text
    api = Api(Guard("say", audited=True), source="h" * 999)
    await api.ask("viewer", path="CA%001")
    await api.ask("viewer", path="C" * 300)
    calls = [line[4] for line in api.audit.lines]
    assert calls == ["CA\ufffd1", "C" * limits.web.CALL_ID_MAX_CHARS]
    assert {line[2] for line in api.audit.lines} == {"h" * longest}


async def test_whoever_asks_too_often_is_told_when_to_ask_again() -> None:
    api = Api(Guard("call"), burst=1)
    assert (await api.ask("viewer")).status_code == 200
    refused = await api.ask("viewer")
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert (await api.ask("viewer", scheme="Basic")).status_code == 401
    assert (await api.ask("viewer", scheme="bearer")).status_code == 429, "in small letters, too"


@pytest.mark.parametrize(
    ("query", "status"), [("", 200), ("?a=1", 200), ("?b=1", 422), ("?a=1&a=2", 422)]
)
async def test_parameters_are_known_and_given_once(query: str, status: int) -> None:
    api = Api(Guard("call", query=frozenset({"a"})))
    answer = await api.ask("viewer", "GET", f"CA1{query}")
    assert answer.status_code == status
    assert ("'b'" in answer.text) == (query == "?b=1"), "the one that is not known is named"


async def test_of_a_long_parameter_the_answer_has_the_beginning() -> None:
    answer = await Api(Guard("call")).ask("viewer", "GET", f"CA1?{'b' * 100}=1")
    assert answer.json()["detail"] == f"There is no parameter '{'b' * 40}' here."
