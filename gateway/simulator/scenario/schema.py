"""A rehearsal written as YAML: who says what when, what goes wrong, and what must happen."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.errors import ScenarioError
from gateway.simulator.audio.analysis import read_mulaw
from gateway.simulator.scenario.errors import mistake
from gateway.simulator.scenario.faults import Malformed

Milliseconds = Annotated[float, Field(ge=0)]
Seconds = Annotated[float, Field(gt=0)]


class StrictModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Hear(StrictModel):
    """Listen until the far side has spoken and has fallen silent."""

    until_silence_ms: Milliseconds = 700
    at_least_ms: Milliseconds = 500
    timeout_s: Seconds = 20
    who: str | None = None
    """Somebody to whom the call is transferred: from the moment when he answers."""


class Interrupt(StrictModel):
    """Speak while the far side speaks."""

    say: str
    after_ms: Milliseconds = 1200
    timeout_s: Seconds = 20


class ExpectHangUp(StrictModel):
    timeout_s: Seconds = 20


GENERATED: Final = "generated"
"""In place of a file: a photo that is made up."""
Photo = Path | Literal["generated"]


class SendText(StrictModel):
    """A text to the number that he called; several photos at once, if need be."""

    body: str = ""
    photos: Annotated[list[Photo], Field(max_length=10)] = []
    whatsapp: bool = False

    @model_validator(mode="before")
    @classmethod
    def _one_photo(cls, value: Any) -> Any:
        if isinstance(value, dict) and "photo" in value:
            value = {**value, "photos": [value["photo"]]}
            del value["photo"]
        return value


class OpenLink(StrictModel):
    """The newest link that he was texted, and a photo sent by the page behind it."""

    photo: Photo = "generated"
    timeout_s: Seconds = 20


class Decide(StrictModel):
    """An operator's word on a tool that waits for it, as soon as it does."""

    tool: str
    approve: bool
    timeout_s: Seconds = 20


KINDS: Final = (
    "hear", "say", "play", "interrupt", "wait_ms", "press", "hang_up", "expect_hang_up",
    "malformed", "stall_ms", "drop_socket", "text", "open_link", "kill", "start", "decide",
)  # fmt: skip


class CallerStep(StrictModel):
    """One thing to do: exactly one of these keys."""

    hear: Hear | None = None
    say: str | None = None
    play: Path | None = None
    interrupt: Interrupt | None = None
    wait_ms: Milliseconds | None = None
    press: Annotated[str, Field(pattern=r"^[0-9*#A-Dw]+$")] | None = None
    hang_up: Literal[True] | None = None
    expect_hang_up: ExpectHangUp | None = None
    malformed: Malformed | None = None
    stall_ms: Milliseconds | None = None
    drop_socket: Literal[True] | None = None
    text: SendText | None = None
    open_link: OpenLink | None = None
    kill: str | None = None
    """One of `processes`."""
    start: str | None = None
    decide: Decide | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare_words(cls, value: Any) -> Any:
        """`- hang_up` and `- hear:` stand for the step with nothing to say about it."""
        if isinstance(value, str):
            value = {value: None}
        if not isinstance(value, dict):
            return value
        if len(value) != 1:
            raise ValueError(f"a step is exactly one of: {', '.join(KINDS)}")
        bare = {
            "hear": {}, "expect_hang_up": {}, "hang_up": True, "drop_socket": True,
            "text": {"photos": [GENERATED]}, "open_link": {},
        }  # fmt: skip
        return {key: bare.get(key) if it is None else it for key, it in value.items()}

    @property
    def photos(self) -> list[Path | str]:
        """What is sent in it."""
        link = [self.open_link.photo] if self.open_link else []
        return [*(self.text.photos if self.text else ()), *link]

    @property
    def kind(self) -> str:
        return next(iter(self.model_fields_set))


CallPath = Literal["media", "sip", "trunk"]
Party = Annotated[str, Field(pattern=r"^(\+[1-9][0-9]{5,14}|sips?:[^\s;?]+@[^\s;?]+|queue:\S+)$")]
"""A number, a SIP address, or a queue at whose other end somebody sits."""


class CallerSpec(StrictModel):
    from_: str = Field("+15550199", alias="from")
    to: str = "+15550100"
    frame_ms: Annotated[int, Field(ge=5, le=100)] = 20
    path: CallPath = "media"
    """`sip` has a gateway that is started for it answer by SIP; `trunk` asks no gateway first."""
    diversion: str = ""
    media: Literal["srtp", "rtp"] = "srtp"
    transfer_mode: Literal["enable-all", "disable-all", "sip-only"] = "enable-all"
    disaster_recovery: str = ""
    """Path or URL that a trunk falls back on."""
    direction: Literal["inbound", "outbound"] = "inbound"
    """`outbound`: the gateway is asked to call `to`, who is one of `people` and does the steps."""
    agent: str = ""
    """Which agent calls."""

    @model_validator(mode="after")
    def _who_calls(self) -> CallerSpec:
        if (self.direction == "outbound") != bool(self.agent):
            raise ValueError("direction: outbound goes with `agent`: which one calls")
        if self.direction == "outbound" and self.path == "trunk":
            raise ValueError("path: trunk carries calls that come in, not calls out")
        return self


class PersonSpec(StrictModel):
    """Somebody who can be called; `busy` and `no_answer` may stand for the whole."""

    answers_after_s: Annotated[float, Field(ge=0)] = 1
    says: str = ""
    says_after_s: Annotated[float, Field(ge=0)] = 0
    """Until he has the telephone at his ear."""
    language: str = "en"
    presses: Annotated[str, Field(pattern=r"^[0-9*#A-D]*$")] = ""
    """When he is asked for a key before he is connected."""
    hangs_up_after_s: Annotated[float, Field(ge=0)] | None = None
    """From his last word; none leaves it to the caller."""
    busy: bool = False
    no_answer: bool = False
    machine: bool = False
    """What is said is a recording, and then there is a beep."""
    beep: bool = True
    fax: bool = False

    @model_validator(mode="before")
    @classmethod
    def _in_a_word(cls, value: Any) -> Any:
        return {value: True} if isinstance(value, str) else value


class Answer(StrictModel):
    """What a web service says on one path."""

    delay_ms: Milliseconds = 0
    status: Annotated[int, Field(ge=200, le=599)] = 200
    json_: Any = Field(None, alias="json")


class FaultSpec(StrictModel):
    """A bad network for the whole call."""

    jitter_ms: Milliseconds = 0
    stall_at_s: Seconds | None = None
    stall_ms: Milliseconds = 500
    drop_socket_after_s: Seconds | None = None


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from error
    return text


class Range(StrictModel):
    min: float = 0
    max: float = float("inf")


class Echo(StrictModel):
    """What was heard after a step is the caller's own sound of that step."""

    of_step: Annotated[int, Field(ge=1)]
    min_correlation: Annotated[float, Field(gt=0, le=1)] = 0.8
    first_ms: Annotated[float, Field(ge=500)] | None = None
    """Only so much of its beginning: the rest was interrupted."""


class Expect(StrictModel):
    """What must hold when the call is over; what is not named is not looked at."""

    ending: Literal["gateway", "caller"] | None = None
    how: str | None = None
    min_turns: int | None = None
    max_turns: int | None = None
    barge_ins: int | None = None
    max_latency_ms: float | None = None
    silence_after_barge_in_ms: float | None = None
    heard_ms: Range | None = None
    heard_to_the_end: bool = False
    echo: Echo | None = None
    transferred_to: str | None = None
    """A person who must have been on the line with the caller."""
    keys_heard: str | None = None
    """Keys that must have sounded in the caller's ear, and no others."""
    not_transferred_to: str | None = None
    """A person who was rung for the caller and whom he never had on the line."""
    whispered: str | None = None
    """What must have been said to somebody before he took a call: a regular expression."""
    music: bool = False
    """Wherever the caller waited in a queue, he heard something."""
    talked: bool = False
    """Somebody to whom he was transferred heard him as well."""
    tools: list[str] = []
    """Called by the model, in this order, among others; told by the model's journal."""
    held: bool = False
    """The sound to wait by was heard."""
    texts: list[Annotated[str, AfterValidator(_expression)]] = []
    """That the caller got, in this order: each fits one whole text."""
    said: list[Annotated[str, AfterValidator(_expression)]] = []
    """By the model, in this order, among others: each fits one whole saying."""
    asked: dict[str, int] = {}
    """How often each path of `services` was."""
    paths: dict[Literal["media", "sip", "trunk"], int] = {}
    """How many of a run's calls were first answered on each."""
    after_beep: str | None = None
    """Words that a machine has recorded, all of them, and nothing else."""
    record: dict[str, Any] = {}
    """What the gateway's own record of a call out says."""
    no_protocol_warnings: bool = True
    metrics: dict[str, float] = {}


class Scenario(StrictModel):
    name: str
    description: str = ""
    call: CallerSpec = CallerSpec()
    language: str = "en"
    max_s: Seconds = 180
    agents: str | dict[str, Any] | None = None
    model: dict[str, Any] | str | None = None
    people: dict[Party, PersonSpec] = {}
    services: dict[Annotated[str, Field(pattern=r"^/")], Answer] = {}
    """Web services for the agent's functions, by path; `${services}` in `agents` is where."""
    processes: dict[Annotated[str, Field(pattern=r"^[a-z]+$")], list[str]] = {}
    """Commands that run beside, `${port}` being each one's own; `${NAME}` in `agents` is where."""
    environment: dict[str, str] = {}
    """For a gateway that is started for this rehearsal, before all else."""
    steps: Annotated[list[CallerStep], Field(min_length=1)]
    faults: FaultSpec = FaultSpec()
    expect: Expect = Expect()

    @model_validator(mode="after")
    def _processes_are_there(self) -> Scenario:
        for number, step in enumerate(self.steps, 1):
            name = step.kill or step.start
            if name and name not in self.processes:
                raise ValueError(f"steps.{number}: no process is named {name}")
        return self

    @model_validator(mode="after")
    def _somebody_is_called(self) -> Scenario:
        if self.call.direction == "outbound" and self.call.to not in self.people:
            raise ValueError(f"call.to: {self.call.to} must be one of `people`, who is called")
        return self

    @model_validator(mode="after")
    def _echo_of_words(self) -> Scenario:
        if (echo := self.expect.echo) and (
            echo.of_step > len(self.steps)
            or self.steps[echo.of_step - 1].kind not in ("say", "play", "interrupt")
        ):
            raise ValueError(f"expect.echo: step {echo.of_step} is none that the caller speaks in")
        return self


def shipped() -> list[str]:
    """The names of the scenarios that come with the package."""
    folder = resources.files("gateway.simulator") / "scenarios"
    return sorted(it.name.removesuffix(".yaml") for it in folder.iterdir() if it.is_file())


def find(name: str) -> Path:
    """A scenario file by path, or a shipped one by name. Raises ScenarioError."""
    path = Path(name)
    if path.is_file():
        return path
    if name in shipped():
        return Path(str(resources.files("gateway.simulator") / "scenarios" / f"{name}.yaml"))
    problem = f"there is no such file, and no such scenario among: {', '.join(shipped())}"
    raise ScenarioError(name, None, None, problem)


def load(path: Path) -> Scenario:
    """Reads a scenario; files it names are found beside it. Raises ScenarioError."""
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
        raise mistake(path, node, error) from error
    return _beside(scenario, path)


def _why(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or "why, nobody says" if isinstance(error, OSError) else "is not UTF-8"


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
    """Text of one line names a file beside the scenario; all else is the content itself."""
    return str(folder / value) if isinstance(value, str) and "\n" not in value.strip() else value
