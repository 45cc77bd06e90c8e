"""Code in the documentation: it compiles, and what can be run without a server of yours works."""

from __future__ import annotations

import re
from pathlib import Path
from time import time
from typing import Any, Final

import httpx2
import msgspec
import pytest

from gateway.agents.config.agent import Agent
from gateway.protocols.standard_webhooks import signed_headers, signing_keys
from gateway.tools.before_answer import answer_of

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
SNIPPETS: Final = [
    (page.name, code)
    for page in sorted(DOCS.rglob("*.md"))
    for code in re.findall(
        r"^ *```python\n(.*?)^ *```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
]
SECRET: Final = "whsec_c2VjcmV0"
DESK: Final = Agent.model_validate(
    {
        "name": "front",
        "instructions": "x",
        "tools": ["transfer"],
        "transfers": {"desk": {"to": "+15550199"}},
    }
)
AGENTS: Final = {
    name: DESK.model_copy(update={"name": name}) for name in ("front", "front_new", "billing")
}
CALL: Final[dict[str, Any]] = {"caller": "+15550111", "earlier_calls": []}


def snippet(words: str) -> str:
    """Return the only snippet with these words."""
    (code,) = [code for _, code in SNIPPETS if words in code]
    return code


@pytest.mark.parametrize(("page", "code"), SNIPPETS)
def test_it_compiles(page: str, code: str) -> None:
    margin = len(code) - len(code.lstrip(" "))
    compile(re.sub(rf"^ {{{margin}}}", "", code, flags=re.MULTILINE), page, "exec")


@pytest.mark.parametrize(
    ("call", "field"),
    [
        ({"caller": "+15550666"}, "refuse"),
        ({"caller": "+15550777"}, "greeting"),
        ({"caller": "+15550888"}, "transfer"),
        ({"earlier_calls": [{"agent": "billing"}]}, "agent"),
    ],
)
def test_each_answer_of_the_function_before_a_call_can_be_used(
    call: dict[str, Any], field: str
) -> None:
    names: dict[str, Any] = {}
    exec(snippet("def before(call"), names)
    given = names["before"](CALL | call)
    assert field in given
    assert answer_of(given, AGENTS, DESK)[1] == []


async def test_the_service_that_is_asked_before_a_call_verifies_and_answers() -> None:
    names: dict[str, Any] = {}
    exec(snippet("webhook.verify(").replace("whsec_...", SECRET), names)
    body = msgspec.json.encode(CALL | {"caller": "+21671000001"})
    transport = httpx2.ASGITransport(app=names["app"])
    async with httpx2.AsyncClient(transport=transport, base_url="http://crm.example") as client:
        headers = signed_headers(signing_keys(SECRET), "msg_1", int(time()), body)
        answer = await client.post("/call", content=body, headers=headers)
    given = answer.json()
    assert given["language"] == "ar-TN"
    assert answer_of(given, AGENTS, DESK)[1] == []
