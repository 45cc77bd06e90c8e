"""Placeholders that nobody fills in: the writer is warned, with the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.agents.file.loader import load_agents

FILE = """\
agents:
  desk:
    greeting: Hello {facts.name|there}.
    instructions: Serve {facts.name|them}.
    tools: [ask, hand_over]
    hand_over: {billing: "%(hand_over)s"}
    goodbye: "%(goodbye)s"
    idle: {nudge: "%(nudge)s"}
    functions:
      ask:
        description: "%(description)s"
        parameters: {type: object, properties: {tea: {type: string, description: "%(tea)s"}}}
        http: {url: "https://a.example/{call.sid}", headers: {X-From: "{call.caller}"}}
        filler: "%(filler)s"
    outbound: {from: "+15550100", machine: leave_message, message: "Call {facts.name|us}."}
  billing: {instructions: Be kind.}
routes:
  - {to: "*", agent: desk}
"""
PLAIN = dict.fromkeys(("hand_over", "goodbye", "nudge", "description", "tea", "filler"), "Hello.")


def warnings(tmp_path: Path, **texts: str) -> list[str]:
    file = tmp_path / "agents.yaml"
    file.write_text(FILE % (PLAIN | texts))
    found = load_agents(file).warnings
    return [one.removeprefix(f"{file}:") for one in found if "is not filled in" in one]


def test_where_they_are_filled_in_nothing_is_said(tmp_path: Path) -> None:
    assert not warnings(tmp_path)
    assert not warnings(tmp_path, goodbye="Other braces, {tea} or {calling}, are the writer's own.")


@pytest.mark.parametrize(
    ("name", "line", "key"),
    [
        ("hand_over", 6, "hand_over.billing"),
        ("goodbye", 7, "goodbye"),
        ("nudge", 8, "idle.nudge"),
        ("description", 11, "functions.ask.description"),
        ("tea", 12, "functions.ask.parameters.properties.tea.description"),
        ("filler", 14, "functions.ask.filler"),
    ],
)
@pytest.mark.parametrize("written", ["{facts.name|there}", "{call.caller}"])
def test_elsewhere_the_writer_is_warned(
    tmp_path: Path, name: str, line: int, key: str, written: str
) -> None:
    (warning,) = warnings(tmp_path, **{name: f"Goodbye {written}."})
    assert warning.startswith(f"{line}: agents.desk.{key}: {written} is not filled in here")
