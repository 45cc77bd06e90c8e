"""What is wrong in a file, as its writer reads it: no pattern, and no word of our types."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.agents.file.document import AgentsDocument
from gateway.agents.file.loader import load_agents
from gateway.agents.file.sentences import OF_PATTERNS
from gateway.errors import AgentFileError

FILE = """\
agents:
  desk:
    instructions: Be kind.
    before: {python: "shop.calls:before"}
    %s
  billing: {instructions: Be kind.}
routes:
  - {to: "*", agent: desk}
"""
FUNCTION = "tools: [f]\n    functions: {f: {description: d, parameters: {type: object}, %s}}"


@pytest.mark.parametrize(
    ("wrong", "key", "sentence"),
    [
        ("mcp: {m: {via: gateway, url: 'stdio:x'}}", "mcp.m.url", "must be an address like"),
        (
            "mcp: {m: {via: openai, url: 'https://a.example/', authorization: abc}}",
            "mcp.m.authorization",
            'must name a variable of the environment, like "${TOKEN}"',
        ),
        (
            "mcp: {m: {via: openai, connector: gmail}}",
            "mcp.m.connector",
            "must be the name of a connector of OpenAI's",
        ),
        (
            "mcp: {m: {via: openai, url: 'https://a.example/', allowed_tools: ['a b']}}",
            "mcp.m.allowed_tools.1",
            "must be the name of a tool",
        ),
        (
            FUNCTION % "http: {url: 'https://{call.sid}.example/'}",
            "functions.f.http.url",
            "must be an address like",
        ),
        (
            FUNCTION % "http: {url: 'https://a.example/{call.facts.x|a b}'}",
            "functions.f.http.url",
            "must be an address like",
        ),
        (
            "tools: [f]\n    functions: {f: {python: shop.find}}",
            "functions.f.python",
            'must be `module:function`, like "shop.calls:before"',
        ),
        (
            "tools: [transfer]\n    transfers: {boss: {to: boss}}",
            "transfers.boss.to",
            'must be a number like "+15550199", or a SIP address like "sip:desk@example.com"',
        ),
        ("knows: caller_number", "knows", "must be a list, like [this, that]"),
        ("outbound: {from: '+15550100', hours: {}}", "outbound.hours", "must not be empty"),
        (
            "hand_over: {billing: about invoices}",
            "hand_over",
            "needs `hand_over` in `tools`: without it the model cannot hand over",
        ),
        (
            "tools: [hand_over]",
            "hand_over",
            "is missing: `hand_over` in `tools` needs at least one agent, and when",
        ),
        (
            "transfers: {boss: {to: '+15550199'}}",
            "transfers",
            "needs `transfer` in `tools`: without it the model cannot transfer",
        ),
        (
            "tools: [transfer]",
            "transfers",
            "is missing: `transfer` in `tools` needs somebody to transfer to",
        ),
    ],
)
def test_a_sentence_says_what_to_write(tmp_path: Path, wrong: str, key: str, sentence: str) -> None:
    file = tmp_path / "agents.yaml"
    file.write_text(FILE % wrong)
    with pytest.raises(AgentFileError) as refused:
        load_agents(file)
    assert refused.value.key == f"agents.desk.{key}"
    assert refused.value.problem.startswith(sentence)


@pytest.mark.parametrize(
    ("before", "key", "sentence"),
    [
        ("{http: {url: 'a.example'}}", "http.url", "must be an address like"),
        ("{http: {url: 'https://a.example/{call.sid}'}}", "http.url", "must be an address like"),
        (
            "{http: {url: 'https://a.example/', secret: whsec_abc}}",
            "http.secret",
            'must name a variable of the environment, like "${TOKEN}"',
        ),
        ("{python: shop}", "python", "must be `module:function`"),
    ],
)
def test_the_same_before_a_call(tmp_path: Path, before: str, key: str, sentence: str) -> None:
    file = tmp_path / "agents.yaml"
    file.write_text(FILE.replace('{python: "shop.calls:before"}', before) % "")
    with pytest.raises(AgentFileError) as refused:
        load_agents(file)
    assert refused.value.key == f"agents.desk.before.{key}"
    assert refused.value.problem.startswith(sentence)


def test_no_pattern_is_without_a_sentence() -> None:
    def patterns(value: object) -> set[str]:
        if isinstance(value, list):
            return set().union(*map(patterns, value))
        if not isinstance(value, dict):
            return set()
        own = {value["pattern"]} if isinstance(value.get("pattern"), str) else set()
        return own.union(*map(patterns, value.values()))

    # Those with other anchors are for editors: the file is read without them.
    read = {one for one in patterns(AgentsDocument.model_json_schema()) if one.startswith(r"\A")}
    assert read <= set(OF_PATTERNS)
