"""Who would answer a number, and why."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.agents.file.loader import load_agents
from gateway.cli.agents.route import described, trace
from gateway.errors import AgentFileError, SettingsError
from gateway.yaml_source import parse

FILE = """\
agents:
  desk:
    instructions: Answer.
    hours: {zone: Europe/Paris, mon-sat: "08:00-20:00", "2026-12-25": closed}
    out_of_hours: night
  night:
    instructions: Answer.
    tools: [hand_over]
    hand_over: {desk: when they ask for it}
routes:
  - {to: "+1555*", agent: desk}
  - {to: "+15550142", agent: night}
"""
NOW = datetime(2026, 12, 1, 11, tzinfo=UTC)


def told(tmp_path: Path, number: str, at: str | None, text: str = FILE) -> list[str]:
    file = tmp_path / "agents.yaml"
    file.write_text(text, "utf-8")
    found = trace(load_agents(file), number, at, NOW)
    lines = described(found, parse(text, "agents.yaml", AgentFileError))
    return list(lines)


def test_outside_its_hours_another_agent_answers(tmp_path: Path) -> None:
    assert told(tmp_path, "+1 555 0100", "2026-12-25T09:00") == [
        "+15550100, Friday 2026-12-25 09:00 (Europe/Paris)",
        "  agents.yaml:11: route +1555* fits, and no other does: agent desk",
        "  agents.yaml:2: desk is closed until tomorrow, Saturday 08:00 (Europe/Paris): "
        "night is asked instead",
        "  agents.yaml:6: night has no hours: it answers at all times",
        "  agents.yaml:9: it may hand over to desk: when they ask for it",
        "night answers.",
    ]


@pytest.mark.parametrize(
    ("before", "what"),
    [
        ("http: {url: 'https://crm.example.com/call'}", "https://crm.example.com/call"),
        ("python: shop.calls:before", "shop.calls:before"),
    ],
)
def test_what_is_asked_before_it_answers_is_said(tmp_path: Path, before: str, what: str) -> None:
    text = FILE.replace("    tools:", f"    before: {{{before}}}\n    tools:")
    assert told(tmp_path, "+15550142", None, text)[3] == (
        f"  agents.yaml:8: {what} is asked first: it may name another agent, refuse the call or "
        "transfer it"
    )


def test_in_its_hours_it_answers_by_the_clock_of_its_place(tmp_path: Path) -> None:
    assert told(tmp_path, "+15550100", None) == [
        "+15550100, Tuesday 2026-12-01 12:00 (Europe/Paris)",
        "  agents.yaml:11: route +1555* fits, and no other does: agent desk",
        "  agents.yaml:2: desk is open (Europe/Paris); outside its hours night answers",
        "desk answers.",
    ]
    assert told(tmp_path, "+15550100", "2026-12-01T06:30:00+00:00")[-1] == "night answers."


def test_the_closest_route_counts(tmp_path: Path) -> None:
    assert told(tmp_path, "+15550142", None)[1:] == [
        "  agents.yaml:12: route +15550142 fits, closer than +1555*: agent night",
        "  agents.yaml:6: night has no hours: it answers at all times",
        "  agents.yaml:9: it may hand over to desk: when they ask for it",
        "night answers.",
    ]


def test_nobody_answers_where_no_route_fits(tmp_path: Path) -> None:
    assert told(tmp_path, "sip:desk@example.com", None)[-1] == "Nobody answers."


@pytest.mark.parametrize(
    ("number", "at"),
    [
        ("reception", None),
        ("+15550100", "at nine"),
        ("+15550100", "0001-01-01T00:00"),
        ("+15550100", "9999-12-31T23:59"),
    ],
)
def test_what_is_no_number_or_time_is_refused(tmp_path: Path, number: str, at: str | None) -> None:
    with pytest.raises(SettingsError):
        told(tmp_path, number, at)
