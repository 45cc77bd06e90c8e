"""Hand-overs in the agents file: to whom, and what a call cannot change on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.agents.file.loader import load_agents
from gateway.errors import AgentFileError


def file_of(tmp_path: Path, front: str, billing: str) -> Path:
    file = tmp_path / "agents.yaml"
    file.write_text(
        f"""
agents:
  front:
    instructions: Be kind.
    tools: [hand_over]
    {front}
  billing:
    instructions: Be exact.
    tools: [hand_over]
    hand_over: {{front: about the rest}}
    {billing}
routes:
  - {{to: "*", agent: front}}
"""
    )
    return file


TO_BILLING = "hand_over: {billing: about an invoice}"
SIP = "{0}\n    path: sip".format


def test_an_agent_that_others_hand_over_to_needs_no_route_and_a_circle_is_fine(
    tmp_path: Path,
) -> None:
    book = load_agents(file_of(tmp_path, TO_BILLING, "voice: cedar"))
    assert book.agents["front"].hand_over == {"billing": "about an invoice"}


@pytest.mark.parametrize(
    ("front", "billing", "key", "problem"),
    [
        (
            "hand_over: {biling: about an invoice}",
            "",
            "agents.front.hand_over.biling",
            "no agent is named biling (did you mean billing?)",
        ),
        (
            "hand_over: {billing: x, front: y}",
            "",
            "agents.front.hand_over.front",
            "is this agent itself",
        ),
        (SIP(TO_BILLING), "", "agents.front.hand_over.billing", "a call stays on the path"),
        (
            SIP(TO_BILLING),
            SIP("voice: cedar"),
            "agents.front.hand_over.billing",
            "billing has another voice",
        ),
        (
            SIP(TO_BILLING),
            SIP("model: gpt-realtime-2.1-mini"),
            "agents.front.hand_over.billing",
            "billing has another model",
        ),
        (
            SIP(TO_BILLING + "\n    reasoning_effort: low"),
            SIP("language: fr"),
            "agents.front.hand_over.billing",
            "billing has no reasoning_effort",
        ),
    ],
)
def test_hand_overs_that_cannot_be(
    tmp_path: Path, front: str, billing: str, key: str, problem: str
) -> None:
    with pytest.raises(AgentFileError) as refused:
        load_agents(file_of(tmp_path, front, billing))
    assert f"{key}: " in str(refused.value)
    assert problem in str(refused.value)


def test_by_sip_what_can_change_may_differ(tmp_path: Path) -> None:
    front = SIP(TO_BILLING + "\n    reasoning_effort: high")
    billing = SIP("language: fr\n    reasoning_effort: low")
    assert set(load_agents(file_of(tmp_path, front, billing)).agents) == {"front", "billing"}


@pytest.mark.parametrize(
    ("front", "billing", "warned"),
    [
        ("redact: [cards, emails]", "redact: [emails, cards]", []),
        ("privacy: pci", "privacy: pci", []),
        ("", "privacy: pci", ["billing and front differ in redact and retain_days: of a call"]),
        ("record: none", "record: transcript", ["billing and front differ in record: of a call"]),
        ("recording: {consent: Recorded.}", "", ["billing has no recording: from when it leads"]),
        ("", "recording: {consent: Recorded.}", ["front has no recording: from when it leads"]),
    ],
)
def test_what_is_kept_may_differ_and_the_file_is_told_so_once(
    tmp_path: Path, front: str, billing: str, warned: list[str]
) -> None:
    book = load_agents(file_of(tmp_path, f"{TO_BILLING}\n    {front}", billing))
    assert len(book.warnings) == len(warned)
    for warning, wanted in zip(book.warnings, warned, strict=True):
        assert "agents.front.hand_over.billing: " in warning
        assert wanted in warning
