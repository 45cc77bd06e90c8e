"""The schema for editors: held against the loader by a validator that is not ours."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator
from pydantic import BaseModel, BeforeValidator
from pydantic_core import PydanticUndefined

from gateway.agents.config.agent import Agent
from gateway.agents.file.document import AgentsDocument
from gateway.agents.file.json_schema import agents_schema
from gateway.agents.file.loader import load_agents
from gateway.errors import AgentFileError

ROOT = Path(__file__).parents[3]
SCHEMA = agents_schema()
VALIDATOR = Draft7Validator(SCHEMA)
DOCS = sorted((ROOT / "docs").glob("**/*.md"))


def files() -> Iterator[tuple[str, Callable[[], Any]]]:
    """Every agents file of the product: examples, deployment, scenarios, documents."""
    for file in (*ROOT.glob("gateway/agents/examples/*.yaml"), *ROOT.glob("k8s/**/agents.yaml")):
        yield str(file.relative_to(ROOT)), partial(read, file.read_text("utf-8"))
    for file in ROOT.glob("gateway/simulator/scenarios/*.yaml"):
        text = file.read_text("utf-8").replace("${services}", "http://127.0.0.1:1")
        # Others name the agents file that they are played with.
        if re.search(r"^agents:\s*(#.*)?$", text, re.MULTILINE):
            yield str(file.relative_to(ROOT)), partial(agents_of, text)
    for page in DOCS:
        blocks = re.findall(r"```yaml\n(agents:\n.*?)```", page.read_text("utf-8"), re.DOTALL)
        for number, block in enumerate(blocks):
            yield f"{page.relative_to(ROOT)} {number}", partial(routed, block)


def read(text: str) -> Any:
    return yaml.load(text, yaml.CSafeLoader)


def agents_of(scenario: str) -> Any:
    agents = read(scenario)["agents"]
    assert isinstance(agents, dict)
    return agents


def routed(block: str) -> Any:
    """Documents show an agent without its routes."""
    return {"routes": [{"to": "*", "agent": "x"}]} | read(block)


FILES = dict(files())
FULL: dict[str, Any] = {
    "agents": {
        "desk": {
            "instructions": "Answer.",
            "voice": {"id": "voice_1"},
            "turn_detection": "semantic_vad",
            "noise_reduction": "near_field",
            "transcription": "none",
            "keypad": "none",
            "fallback": "+15550199",
            "truncation": {"type": "retention_ratio", "retention_ratio": 0.8},
            "max_output_tokens": "inf",
            "hours": {
                "zone": "Europe/Paris",
                "mon-fri": "09:00-12:00, 13:00-17:30",
                "sat": "22:00-06:00",
                "2026-12-25": "closed",
            },
            "out_of_hours": "night",
            "session": {"audio": {"output": {"speed": 1.1}}, "tool_choice": "auto"},
            "outbound": {"from": "+15550100", "countries": ["+1"]},
            "tools": ["end_call", "stock"],
            "functions": {
                "stock": {
                    "description": "What is left.",
                    "http": {"url": "https://shop.example.com/stock"},
                    "parameters": {"type": "object", "properties": {}},
                }
            },
            "mcp": {
                "diary": {
                    "via": "gateway",
                    "url": "https://diary.example.com/mcp",
                    "approval": {"none": ["find"], "operator": ["move"]},
                }
            },
        },
        "night": {"instructions": "Answer.", "turn_detection": "none", "greeting": None},
    },
    "routes": [{"to": "*", "agent": "desk"}],
}


def test_the_schema_is_one() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert "\\\\A" not in str(SCHEMA)


@pytest.mark.parametrize("name", FILES)
def test_every_example_fits(name: str) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(FILES[name]())] == []


def test_every_way_to_write_a_value_fits(tmp_path: Path) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(FULL)] == []
    file = tmp_path / "agents.yaml"
    file.write_text(yaml.safe_dump(FULL), "utf-8")
    load_agents(file)


def _desk(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda file: file["agents"]["desk"].update(fields)


WRONG: dict[str, Callable[[dict[str, Any]], None]] = {
    "an unknown key": _desk(voise="marin"),
    "a number for text": _desk(greeting=12),
    "a word that is none of a few": _desk(path="pstn"),
    "a number out of bounds": _desk(lead_ms=1),
    "a name in the wrong place": _desk(name="desk"),
    "hours that are no span": _desk(hours={"zone": "Europe/Paris", "mon": "nine to five"}),
    "hours of a day that is none": _desk(hours={"zone": "Europe/Paris", "monday": "09:00-17:00"}),
    "hours without a place": _desk(hours={"mon": "09:00-17:00"}),
    "a field of the session that is unknown": _desk(session={"audio": {"output": {"volume": 2}}}),
    "a word for an approval that was another's": _desk(
        mcp={"diary": {"via": "gateway", "url": "https://a.example.com/", "approval": "never"}}
    ),
    "a fallback that is a number": _desk(fallback=15550199),
    "no routes": lambda file: file.pop("routes"),
    "an agent without instructions": lambda file: file["agents"]["night"].pop("instructions"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_the_loader_refuses_does_not_fit(name: str, tmp_path: Path) -> None:
    wrong = copy.deepcopy(FULL)
    WRONG[name](wrong)
    assert not VALIDATOR.is_valid(wrong)
    file = tmp_path / "agents.yaml"
    file.write_text(yaml.safe_dump(wrong), "utf-8")
    with pytest.raises(AgentFileError):
        load_agents(file)


def test_a_key_that_is_added_to_an_agent_is_in_the_schema() -> None:
    described = SCHEMA["definitions"]["Agent"]["properties"]
    assert described.keys() == Agent.model_fields.keys() - {"name"}
    assert "Which agent answers instead." in described["out_of_hours"]["description"]


def models(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """All models below this one, by the names of their definitions."""
    found: dict[str, type[BaseModel]] = {}

    def look(annotation: Any) -> None:
        is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
        if is_model and annotation.__name__ not in found:
            found[annotation.__name__] = annotation
            for field in annotation.model_fields.values():
                look(field.annotation)
        for part in getattr(annotation, "__args__", ()):
            look(part)

    look(model)
    return found


@pytest.mark.parametrize("name", models(AgentsDocument))
def test_what_may_be_written_shorter_is_described(name: str) -> None:
    """A BeforeValidator needs `json_schema_input_type`, or an editor marks the short form."""
    for field, info in models(AgentsDocument)[name].model_fields.items():
        for mark in info.metadata:
            if isinstance(mark, BeforeValidator):
                assert mark.json_schema_input_type is not PydanticUndefined, field
