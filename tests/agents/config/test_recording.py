"""The `recording` key of an agent."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.agents.config.agent import Agent


def agent(**fields: Any) -> Agent:
    return Agent.model_validate({"name": "desk", "instructions": "Be kind."} | fields)


def test_an_agent_is_not_recorded_unless_it_asks_for_it() -> None:
    assert agent().recording is None


def test_opus_is_the_default_and_keys_stay() -> None:
    recording = agent(recording={"consent": "This call is recorded."}).recording
    assert recording is not None
    assert (recording.format, recording.keys, recording.delete_at_carrier) == ("opus", "keep", True)


@pytest.mark.parametrize(
    ("recording", "key"),
    [({}, "consent"), ({"consent": ""}, "consent"), ({"consent": "!", "format": "mp3"}, "format")],
)
def test_nobody_is_recorded_without_being_told(recording: dict[str, str], key: str) -> None:
    with pytest.raises(ValidationError, match=f"recording.{key}"):
        agent(recording=recording)


def test_only_a_recording_can_be_paused() -> None:
    with pytest.raises(ValidationError, match="pause_recording goes with `recording`"):
        agent(tools=["pause_recording"])
    assert agent(tools=["pause_recording"], recording={"consent": "Recorded."}).tools
