"""Routes that say whether their calls come over a SIP trunk, and agents that cannot work there."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.agents.file.loader import load_agents
from gateway.errors import AgentFileError

FUNCTION = '{http: {url: "https://bank.example.com/pin", secret: "${BANK_SECRET}"}}'
SECRET = f"tools: [collect_digits]\n    secret_digits: {{pin: {FUNCTION}}}"
RECORDED = "recording: {consent: Recorded.}"
FILE = """
agents:
  front:
    path: PATH
    instructions: Answer.
    FRONT
  back:
    path: PATH
    instructions: Answer.
    BACK
routes:
  - {to: "+15550100", agent: front TRUNK}
  - {to: "+15550101", agent: back, trunk: false}
"""


def file_of(tmp_path: Path, front: str, back: str, trunk: str = "", path: str = "sip") -> Path:
    file = tmp_path / "agents.yaml"
    text = FILE.replace("FRONT", front).replace("BACK", back).replace("PATH", path)
    file.write_text(text.replace(" TRUNK", f", trunk: {trunk}" if trunk else ""))
    return file


NO_MORE = "voice: marin"
HANDS_OVER = "tools: [hand_over]\n    hand_over: {back: when they pay}"
ASKS = f"before: {FUNCTION}"
CLOSES = 'hours: {zone: UTC, mon: "09:00-12:00"}\n    out_of_hours: back'


@pytest.mark.parametrize("path", ["sip", "media-streams"])
@pytest.mark.parametrize(
    ("front", "back", "lost"),
    [
        (SECRET, NO_MORE, "front has collect_digits,"),
        (RECORDED, NO_MORE, "front has recording,"),
        (CLOSES, SECRET, "back has collect_digits,"),
        (ASKS, f"{RECORDED}\n    {SECRET}", "back has recording and collect_digits,"),
        (HANDS_OVER, RECORDED, "back has recording,"),
    ],
)
def test_a_route_over_a_trunk_to_what_cannot_work_there_is_refused(
    tmp_path: Path, path: str, front: str, back: str, lost: str
) -> None:
    """By whichever way the agent comes to lead the call, and on whichever path it has."""
    file = file_of(tmp_path, front, back, "true", path)
    with pytest.raises(AgentFileError) as raised:
        load_agents(file)
    assert raised.value.key == "routes.1.trunk"
    assert raised.value.problem.startswith(f"{lost} which no call over a trunk can have: have the")
    assert "write `trunk: false`" in raised.value.problem


def test_where_nobody_says_how_a_number_is_routed_it_is_a_warning(tmp_path: Path) -> None:
    warnings = load_agents(file_of(tmp_path, HANDS_OVER, SECRET)).warnings
    (warning,) = [one for one in warnings if "trunk" in one]
    assert "agents.back.tools: collect_digits works with path: sip where Twilio dials" in warning
    assert "Say `trunk: false` in the route" in warning


def test_a_number_that_is_on_no_trunk_is_no_cause_of_a_warning(tmp_path: Path) -> None:
    assert load_agents(file_of(tmp_path, NO_MORE, SECRET)).warnings == ()
    assert load_agents(file_of(tmp_path, RECORDED, SECRET, "false")).warnings == ()
    assert load_agents(file_of(tmp_path, NO_MORE, SECRET, "true")).warnings == ()
