"""Files of scenarios: found, read, and with the files that they name."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from gateway.errors import ScenarioError
from gateway.simulator.audio.analysis import read_mulaw
from gateway.simulator.scenario.errors import scenario_error
from gateway.simulator.scenario.schema import Scenario
from gateway.simulator.scenario.steps import GENERATED, CallerStep


def shipped() -> list[str]:
    """Return the names of the scenarios in the package."""
    folder = resources.files("gateway.simulator") / "scenarios"
    return sorted(it.name.removesuffix(".yaml") for it in folder.iterdir() if it.is_file())


def find(name: str) -> Path:
    """Return a scenario file by path, or a shipped one by name. Raises ScenarioError."""
    path = Path(name)
    if path.is_file():
        return path
    if name in shipped():
        return Path(str(resources.files("gateway.simulator") / "scenarios" / f"{name}.yaml"))
    problem = f"there is no such file, and no such scenario among: {', '.join(shipped())}"
    raise ScenarioError(name, None, None, problem)


def load(path: Path) -> Scenario:
    """Read a scenario; the files that it names are beside it. Raises ScenarioError."""
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, yaml.SafeLoader)
        scenario = Scenario.model_validate(yaml.safe_load(text))
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(path, None, None, f"cannot be read: {_why(error)}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        raise ScenarioError(path, mark and mark.line + 1, None, f"is no YAML: {problem}") from error
    except ValidationError as error:
        raise scenario_error(path, node, error) from error
    return _beside(scenario, path)


def _why(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or "for no reason given" if isinstance(error, OSError) else "is not UTF-8"


def _beside(scenario: Scenario, path: Path) -> Scenario:
    steps = [_step_beside(step, path.parent) for step in scenario.steps]
    for number, step in enumerate(steps, 1):
        if step.play:
            try:
                read_mulaw(step.play)
            except ValueError as error:
                raise ScenarioError(path, None, f"steps.{number}.play", str(error)) from error
    files = {key: _path(getattr(scenario, key), path.parent) for key in ("agents", "model")}
    return scenario.model_copy(update={"steps": steps, **files})


def _step_beside(step: CallerStep, folder: Path) -> CallerStep:
    if step.play:
        return step.model_copy(update={"play": folder / step.play})
    if step.text:
        photos = [photo if photo == GENERATED else folder / photo for photo in step.text.photos]
        return step.model_copy(update={"text": step.text.model_copy(update={"photos": photos})})
    if step.open_link and step.open_link.photo != GENERATED:
        link = step.open_link.model_copy(update={"photo": folder / step.open_link.photo})
        return step.model_copy(update={"open_link": link})
    return step


def _path(value: Any, folder: Path) -> Any:
    """Return the path of a file that one line of text names; all else is the content itself."""
    return str(folder / value) if isinstance(value, str) and "\n" not in value.strip() else value
