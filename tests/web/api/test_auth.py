"""Wrong tokens: counted, logged and slowed down, without a burden for the operators."""

from __future__ import annotations

import httpx2
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
from gateway.ops.limits.token_bucket import TokenBucket
from gateway.web.api.auth import Guard, OperatorAuth

TOKEN = "the-token-of-the-operators"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}
WRONG = {"Authorization": "Bearer guessed"}


class NoDatabase:
    """Database that is away."""

    async def read(self, _work: object) -> None:
        raise DatabaseAway


async def handler(_request: Request) -> Response:
    return PlainTextResponse("in")


def client(refused: Counter) -> httpx2.AsyncClient:
    book = TokenBook([NamedToken("admin", "admin", TOKEN)], NoDatabase())  # type: ignore[arg-type] # as one
    auth = OperatorAuth(book, refused, AuditLog(None, None))  # type: ignore[arg-type] # nothing is written
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
