"""What was typed goes to the operator, signed, and comes back from nowhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from http_end import HttpEnd, http_end
from structlog.testing import capture_logs

from gateway.agents.config.agent import Agent
from gateway.agents.routing import AgentBook, Route
from gateway.errors import SettingsError
from gateway.protocols.standard_webhooks import signed_headers, signing_keys
from gateway.tools.python import ToolContext
from gateway.tools.secret_functions import SecretAnswer, SecretFunctions

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
CALL = ToolContext("CA1", "+21671000001", "+15550100", "bank", "CA1")
TYPED = {"digits": "7391"}


def book_of(**http: Any) -> AgentBook:
    inputs = {"pin": {"http": {"allow_private": True, **http}}}
    agent = Agent(name="bank", instructions="x", tools=["collect_digits"], secret_digits=inputs)
    return AgentBook({"bank": agent}, (Route(to="*", agent="bank"),))


async def asked(
    answer: bytes, status: int = 200, headers: dict[str, str] | None = None
) -> tuple[SecretAnswer, HttpEnd, list[Any]]:
    async with http_end() as end:
        end.answers["/pin"] = (status, headers or {}, answer)
        functions = SecretFunctions(book_of(url=f"{end.url}/pin", secret="${KEY}"), {"KEY": SECRET})
        with capture_logs() as logs:
            found = await functions.ask("digits", "pin", TYPED, CALL)
        await functions.close()
    assert "7391" not in str(logs)
    assert "7391" not in str(found)
    return found, end, logs


async def test_the_request_is_signed_and_says_whose_it_is() -> None:
    found, end, _ = await asked(b'{"ok": true, "say": "correct", "token": "tok_1"}')
    assert found == SecretAnswer("done", "correct", "tok_1")
    (seen,) = end.seen
    assert json.loads(seen.body) == {"kind": "digits", "name": "pin", "digits": "7391"}
    assert "7391" not in seen.raw_path + str(seen.headers)
    assert seen.headers["x-gateway-call-sid"] == "CA1"
    signed = signed_headers(
        signing_keys(SECRET),
        seen.headers["webhook-id"],
        int(seen.headers["webhook-timestamp"]),
        seen.body,
    )
    assert seen.headers["webhook-signature"] == signed["webhook-signature"]


async def test_a_no_is_a_refusal() -> None:
    found, _, _ = await asked(b'{"ok": false, "say": "not known"}')
    assert found == SecretAnswer("refused", "not known")


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        (b'{"ok": true, "say": "your PIN is 7391"}', 200, "repeats_digits"),
        (b'{"ok": true, "say": "7 3-9, 1 it was"}', 200, "repeats_digits"),
        (b'{"ok": true, "token": "acc_7391"}', 200, "repeats_digits"),
        (b'{"ok": true, "say": "it was seven three nine one"}', 200, "repeats_digits"),
        (b'{"ok": true, "say": "soixante-treize quatre-vingt-onze"}', 200, "repeats_digits"),
        (b"fine", 200, "not_an_answer"),
        (b'{"say": "7391"}', 200, "not_an_answer"),
        (b'{"ok": "yes"}', 200, "not_an_answer"),
        (b"", 500, "status_500"),
        (b"", 302, "redirect"),
    ],
)
async def test_other_answers_are_an_error_that_says_nothing(
    answer: bytes, status: int, reason: str
) -> None:
    found, _, logs = await asked(answer, status)
    assert found == SecretAnswer("error")
    assert [(one["event"], one["reason"]) for one in logs] == [("secret_function_failed", reason)]


async def test_numbers_that_do_not_stand_together_repeat_nothing() -> None:
    say = "73 is your bonus this month, and nine orders are on their way, one of them late"
    found, _, _ = await asked(json.dumps({"ok": True, "say": say}).encode())
    assert found == SecretAnswer("done", say)


async def test_an_answer_is_cut() -> None:
    found, _, _ = await asked(json.dumps({"ok": True, "say": "x" * 9_000}).encode())
    assert len(found.say) == 600


async def test_what_an_older_file_had_is_an_error() -> None:
    functions = SecretFunctions(
        book_of(url="https://bank.example.com/", secret="${KEY}"), {"KEY": SECRET}
    )
    assert (await functions.ask("digits", "tan", TYPED, CALL)).outcome == "error"
    await functions.close()


@pytest.mark.parametrize("environ", [{}, {"KEY": "plain"}])
def test_a_secret_that_is_missing_or_none_refuses_to_start(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="KEY"):
        SecretFunctions(book_of(url="https://bank.example.com/", secret="${KEY}"), environ)
