"""How an agent calls people, as its file says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.agents.config.outbound import E164, reaches
from gateway.agents.file.loader import load_agents
from gateway.errors import AgentFileError

FILE = """
agents:
  desk: {{instructions: Be brief.}}
  caller:
    instructions: Be brief.
    outbound: {{{outbound}}}
routes:
  - {{to: "*", agent: desk}}
"""


def written(tmp_path: Path, outbound: str) -> Path:
    file = tmp_path / "agents.yaml"
    file.write_text(FILE.format(outbound=outbound))
    return file


def test_an_agent_that_only_calls_out_needs_no_route(tmp_path: Path) -> None:
    outbound = load_agents(written(tmp_path, 'from: "+14155550100"')).agents["caller"].outbound
    assert outbound is not None
    assert (outbound.from_, outbound.ring_timeout_s, outbound.machine) == (
        "+14155550100",
        25,
        "hang_up",
    )
    assert outbound.detects
    assert not outbound.leaves_message


@pytest.mark.parametrize(
    ("outbound", "key", "problem"),
    [
        ("", "from", "is missing"),
        ("from: 14155550100", "from", "text"),
        ('from: "14155550100"', "from", "must be a number"),
        ('from: "+04155550100"', "from", "must be a number"),
        ('from: "+911"', "from", "must be a number"),
        ('from: "+14155550100", machine: leave_message', "message", "leave_message"),
        ('from: "+14155550100", message: Hello', "message", "leave_message"),
        ('from: "+14155550100", machine: sing', "machine", "must be"),
        ('from: "+14155550100", fax: leave_message, message: Hello', "fax", "must be"),
        ('from: "+14155550100", ring_timeout_s: 601', "ring_timeout_s", "less than or equal"),
        ('from: "+14155550100", ring_timeout_s: 4', "ring_timeout_s", "greater than or equal"),
        ('from: "+14155550100", countries: ["0044"]', "countries.1", "must be the start"),
        ('from: "+14155550100", countries: ["*"]', "countries.1", "must be the start"),
        ('from: "+14155550100", form: x', "form", "is unknown here"),
    ],
)
def test_a_mistake_has_its_key(tmp_path: Path, outbound: str, key: str, problem: str) -> None:
    with pytest.raises(AgentFileError) as refused:
        load_agents(written(tmp_path, outbound))
    assert refused.value.key == f"agents.caller.outbound.{key}"
    assert problem in str(refused.value)
    assert refused.value.line == 6


@pytest.mark.parametrize(
    "text",
    ["911", "+911", "+1911", "+44112", "+044207946000", "0044207946000", "+1234567890123456", "+",
     "+1 4155550123", "+1415555O123", "+\u0661\u0662\u0663\u0664\u0665\u0666\u0667",
     "+14155550123\n"],
)  # fmt: skip
def test_what_is_no_number(text: str) -> None:
    assert not E164.fullmatch(text)


@pytest.mark.parametrize("text", ["+14155550123", "+442079460000", "+4930123456", "+6834321"])
def test_what_is_one(text: str) -> None:
    assert E164.fullmatch(text)


def test_a_prefix_may_be_longer_than_a_countrys() -> None:
    assert reaches("+14155550123", ["+44", "+1415"])
    assert not reaches("+18765550123", ["+1415", "+44"])
    assert not reaches("+14155550123", [])
