"""Schema of scenarios: a rehearsal as YAML, with steps, faults and expectations."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.errors import ScenarioError
from gateway.simulator.audio.analysis import read_mulaw
from gateway.simulator.scenario.errors import scenario_error
from gateway.simulator.scenario.faults import Malformed

Milliseconds = Annotated[float, Field(ge=0)]
Seconds = Annotated[float, Field(gt=0)]


class StrictModel(BaseModel):
    """Base of all parts of a scenario: no unknown keys, docstrings as descriptions."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Hear(StrictModel):
    """Listen until the far end has spoken and has fallen silent."""

    until_silence_ms: Milliseconds = 700
    """Length of the silence that ends the step."""
    at_least_ms: Milliseconds = 500
    """Sound that must have been heard before."""
    timeout_s: Seconds = 20
    """The step fails after this."""
    who: str | None = None
    """Number of a person to whom the call is transferred: listen from their answer on."""


class Interrupt(StrictModel):
    """Speak while the far end speaks (barge-in)."""

    say: str
    """Words of the interruption."""
    after_ms: Milliseconds = 1200
    """How long the far end has spoken by then."""
    timeout_s: Seconds = 20
    """The step fails when there was nothing to interrupt within this."""


class ExpectHangUp(StrictModel):
    """Wait for the far end to hang up."""

    timeout_s: Seconds = 20
    """The step fails after this."""


GENERATED: Final = "generated"
"""Stands for a generated photo in place of a file."""
Photo = Path | Literal["generated"]


class SendText(StrictModel):
    """Send a message to the number that the caller dialled."""

    body: str = ""
    """Text of the message."""
    photos: Annotated[list[Photo], Field(max_length=10)] = []
    """Files beside the scenario, or `generated`; `photo` names a single one."""
    whatsapp: bool = False
    """Send it by WhatsApp instead of SMS or MMS."""

    model_config = ConfigDict(
        json_schema_extra=lambda schema: schema["properties"].update(
            photo={"type": "string", "description": "A single photo, in place of `photos`."}
        )
    )

    @model_validator(mode="before")
    @classmethod
    def _one_photo(cls, value: Any) -> Any:
        if isinstance(value, dict) and "photo" in value:
            value = {**value, "photos": [value["photo"]]}
            del value["photo"]
        return value


class OpenLink(StrictModel):
    """Open the newest link that was texted to the caller and send a photo by its page."""

    photo: Photo = "generated"
    """A file beside the scenario, or `generated`."""
    timeout_s: Seconds = 20
    """The step fails when no link was texted within this."""


class Decide(StrictModel):
    """Answer a tool's request for approval as the operator, as soon as it is pending."""

    tool: str
    """Name of the tool."""
    approve: bool
    """Whether the tool may run."""
    timeout_s: Seconds = 20
    """The step fails when no approval was requested within this."""


KINDS: Final = (
    "hear", "say", "play", "interrupt", "wait_ms", "press", "hang_up", "expect_hang_up",
    "malformed", "stall_ms", "drop_socket", "text", "open_link", "kill", "start", "decide",
)  # fmt: skip
BARE: Final[dict[str, Any]] = {
    "hear": {},
    "expect_hang_up": {},
    "hang_up": True,
    "drop_socket": True,
    "text": {"photos": [GENERATED]},
    "open_link": {},
}
"""Steps that may be written as a bare word, and what they stand for."""


def _or_bare_words(*words: str) -> Callable[[dict[str, Any]], None]:
    """Return a change of a JSON schema that allows these words in place of the object."""

    def change(schema: dict[str, Any]) -> None:
        whole = dict(schema)
        schema.clear()
        schema["description"] = whole.pop("description", "")
        schema["anyOf"] = [{"enum": list(words)}, whole]

    return change


class CallerStep(StrictModel):
    """One step of the caller: exactly one of these keys."""

    hear: Hear | None = None
    """Listen until the far end has spoken and has fallen silent."""
    say: str | None = None
    """Speak a sentence."""
    play: Path | None = None
    """Play a WAV file beside the scenario."""
    interrupt: Interrupt | None = None
    """Speak while the far end speaks."""
    wait_ms: Milliseconds | None = None
    """Do nothing for this long."""
    press: Annotated[str, Field(pattern=r"^[0-9*#A-Dw]+$")] | None = None
    """Press keys of the keypad; `w` is a pause."""
    hang_up: Literal[True] | None = None
    """Hang up."""
    expect_hang_up: ExpectHangUp | None = None
    """Wait for the far end to hang up."""
    malformed: Malformed | None = None
    """Send a message on the media stream that Twilio never sends."""
    stall_ms: Milliseconds | None = None
    """Delay the media stream once by this."""
    drop_socket: Literal[True] | None = None
    """Break the media stream's connection."""
    text: SendText | None = None
    """Send a message to the number that was dialled."""
    open_link: OpenLink | None = None
    """Send a photo by the newest texted link."""
    kill: str | None = None
    """Kill one of `processes`."""
    start: str | None = None
    """Start one of `processes` again."""
    decide: Decide | None = None
    """Answer a tool's request for approval as the operator."""

    @staticmethod
    def _json_schema(schema: dict[str, Any]) -> None:
        schema |= {"minProperties": 1, "maxProperties": 1}
        for word in BARE:  # `- hear:` is the same as `- hear`
            schema["properties"][word].pop("default", None)
        _or_bare_words(*BARE)(schema)

    model_config = ConfigDict(json_schema_extra=_json_schema)

    @model_validator(mode="before")
    @classmethod
    def _bare_words(cls, value: Any) -> Any:
        """Read `- hang_up` and `- hear:` as the step with its defaults."""
        if isinstance(value, str):
            value = {value: None}
        if not isinstance(value, dict):
            return value
        if len(value) != 1:
            raise ValueError(f"a step is exactly one of: {', '.join(KINDS)}")
        return {key: BARE.get(key) if it is None else it for key, it in value.items()}

    @property
    def photos(self) -> list[Path | str]:
        """The photos that this step sends."""
        link = [self.open_link.photo] if self.open_link else []
        return [*(self.text.photos if self.text else ()), *link]

    @property
    def kind(self) -> str:
        """The key of this step."""
        return next(iter(self.model_fields_set))


CallPath = Literal["media", "sip", "trunk"]
Party = Annotated[str, Field(pattern=r"^(\+[1-9][0-9]{5,14}|sips?:[^\s;?]+@[^\s;?]+|queue:\S+)$")]
"""A number, a SIP address, or a queue that somebody dials."""


class CallerSpec(StrictModel):
    """Numbers, path and direction of a call."""

    from_: str = Field("+15550199", alias="from")
    """Number of the caller."""
    to: str = "+15550100"
    """Number that is dialled."""
    frame_ms: Annotated[int, Field(ge=5, le=100)] = 20
    """Length of the media stream's frames."""
    path: CallPath = "media"
    """`sip`: a spawned gateway answers by SIP; `trunk`: the carrier dials the model at once."""
    diversion: str = ""
    """Number that forwarded the call over a trunk."""
    media: Literal["srtp", "rtp"] = "srtp"
    """Encryption that a trunk negotiates."""
    transfer_mode: Literal["enable-all", "disable-all", "sip-only"] = "enable-all"
    """Transfers that a trunk allows."""
    disaster_recovery: str = ""
    """Path or URL that a trunk fails over to."""
    direction: Literal["inbound", "outbound"] = "inbound"
    """`outbound`: the gateway is asked to call `to`, one of `people`, who does the steps."""
    agent: str = ""
    """Name of the agent that makes an outbound call."""
    about: str = ""
    """What an outbound call is for, in the request to the gateway."""
    facts: dict[str, str] = Field(default_factory=dict)
    """Facts in that request."""

    @model_validator(mode="after")
    def _who_calls(self) -> CallerSpec:
        if (self.direction == "outbound") != bool(self.agent):
            raise ValueError("direction: outbound goes with `agent`: which one calls")
        if self.direction == "outbound" and self.path == "trunk":
            raise ValueError("path: trunk carries inbound calls only")
        return self


class PersonSpec(StrictModel):
    """Person who can be called; `busy`, `no_answer` and the like may stand for the whole."""

    answers_after_s: Annotated[float, Field(ge=0)] = 1
    """How long it rings."""
    says: str = ""
    """Words on answering."""
    says_after_s: Annotated[float, Field(ge=0)] = 0
    """Silence between the answer and the words."""
    language: str = "en"
    """Language of the words."""
    presses: Annotated[str, Field(pattern=r"^[0-9*#A-D]*$")] = ""
    """Keys pressed when the call is screened."""
    hangs_up_after_s: Annotated[float, Field(ge=0)] | None = None
    """Time from the last word to the hang-up; unset, the caller hangs up."""
    busy: bool = False
    """The line is busy."""
    no_answer: bool = False
    """Nobody answers."""
    machine: bool = False
    """An answering machine answers: the words are a recording, and a beep follows."""
    beep: bool = True
    """Whether the machine beeps."""
    fax: bool = False
    """A fax machine answers."""

    model_config = ConfigDict(
        json_schema_extra=_or_bare_words("busy", "no_answer", "machine", "fax")
    )

    @model_validator(mode="before")
    @classmethod
    def _in_a_word(cls, value: Any) -> Any:
        return {value: True} if isinstance(value, str) else value


class Answer(StrictModel):
    """Response of a web service on one path."""

    delay_ms: Milliseconds = 0
    """Time until the response."""
    status: Annotated[int, Field(ge=200, le=599)] = 200
    """HTTP status."""
    json_: Any = Field(None, alias="json")
    """Body of the response."""


class FaultSpec(StrictModel):
    """Faults of the network between carrier and gateway."""

    jitter_ms: Milliseconds = 0
    """Largest random delay of each frame."""
    stall_at_s: Seconds | None = None
    """When the stream stalls once."""
    stall_ms: Milliseconds = 500
    """How long it stalls."""
    drop_socket_after_s: Seconds | None = None
    """When the stream's connection breaks."""


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from error
    return text


Expression = Annotated[str, AfterValidator(_expression)]


def _without_default(schema: dict[str, Any]) -> None:
    """Remove a default that JSON cannot express."""
    schema.pop("default", None)


class Range(StrictModel):
    """Bounds of a number, both included."""

    min: float = 0
    """Lower bound."""
    max: float = Field(float("inf"), json_schema_extra=_without_default)
    """Upper bound."""


class Echo(StrictModel):
    """The caller's own words of a step must have been played back after it."""

    of_step: Annotated[int, Field(ge=1)]
    """Number of the step, from 1."""
    min_correlation: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Least correlation with the original."""
    first_ms: Annotated[float, Field(ge=500)] | None = None
    """Compare only this much of the beginning: the rest was interrupted."""


class Expect(StrictModel):
    """Expectations after the call; a key that is missing is not checked."""

    ending: Literal["gateway", "caller"] | None = None
    """Who ended the call."""
    how: str | None = None
    """How it ended, as the report names it."""
    min_turns: int | None = None
    """Least number of the caller's turns."""
    max_turns: int | None = None
    """Largest number of the caller's turns."""
    barge_ins: int | None = None
    """Number of interruptions that stopped the far end."""
    max_latency_ms: float | None = None
    """Longest wait for an answer (95th percentile of the call)."""
    silence_after_barge_in_ms: float | None = None
    """Longest time from an interruption to the silence of the far end."""
    heard_ms: Range | None = None
    """Sound that the caller heard in all."""
    heard_to_the_end: bool = False
    """No sound was cut off by the hang-up."""
    echo: Echo | None = None
    """The caller's own words came back."""
    transferred_to: str | None = None
    """Person who must have been on the line with the caller."""
    keys_heard: str | None = None
    """DTMF tones that the caller must have heard, and no others."""
    not_transferred_to: str | None = None
    """Person who was called for the caller and never connected."""
    whispered: Expression | None = None
    """What a person heard before they were connected: a regular expression."""
    music: bool = False
    """The caller heard something for as long as they waited in a queue."""
    talked: bool = False
    """A person to whom the call was transferred heard the caller."""
    tools: list[str] = []
    """Tools that the model called, in this order, among others."""
    held: bool = False
    """The hold tone was heard."""
    texts: list[Expression] = []
    """Texts that the caller received, in this order: each expression fits a whole text."""
    said: list[Expression] = []
    """Sentences of the model, in this order, among others: each expression fits a whole one."""
    asked: dict[str, int] = {}
    """Number of requests to each path of `services`."""
    paths: dict[CallPath, int] = {}
    """Number of calls of the run that were first answered on each path."""
    agents: dict[str, int] = {}
    """Number of calls of the run that each agent answered."""
    after_beep: str | None = None
    """Words that an answering machine recorded, all of them and nothing else."""
    record: dict[str, Any] = {}
    """Fields of the gateway's record of an outbound call."""
    no_protocol_warnings: bool = True
    """Neither Twilio nor the model had anything to object to."""
    metrics: dict[str, float] = {}
    """Growth of the gateway's metrics during the run."""


class Scenario(StrictModel):
    """A rehearsal: one caller's steps, and what must hold afterwards."""

    name: str
    """Name in reports."""
    description: str = ""
    """What the scenario is about."""
    call: CallerSpec = CallerSpec()
    """How the call reaches the gateway."""
    at: datetime | None = None
    """Time at which a spawned gateway starts, for opening hours only; without an offset it is
    the time of the agents' zone."""
    language: str = "en"
    """Language of the caller's voice."""
    max_s: Seconds = 180
    """Longest duration of the call."""
    agents: str | dict[str, Any] | None = None
    """Agents of a spawned gateway: a file beside the scenario, or the content of one."""
    model: dict[str, Any] | str | None = None
    """Script of a spawned model: a file beside the scenario, or the content of one."""
    people: dict[Party, PersonSpec] = {}
    """People who can be called, by number, SIP address or `queue:NAME`."""
    services: dict[Annotated[str, Field(pattern=r"^/")], Answer] = {}
    """Web services for a spawned gateway's functions, by path; `${services}` in `agents` is
    their address."""
    processes: dict[Annotated[str, Field(pattern=r"^[a-z]+$")], list[str]] = {}
    """Commands that run beside a spawned gateway, each with a `${port}` of its own; `${NAME}` in
    `agents` is the address."""
    environment: dict[str, str] = {}
    """Settings of a spawned gateway."""
    steps: Annotated[list[CallerStep], Field(min_length=1)]
    """What the caller does, in order."""
    faults: FaultSpec = FaultSpec()
    """A bad network for the whole call."""
    expect: Expect = Expect()
    """What must hold when the call is over."""

    @property
    def spawned_only(self) -> list[str]:
        """The keys of this scenario that have an effect on spawned gateways only."""
        keys = ("at", "agents", "model", "services", "processes", "environment")
        return [key for key in keys if getattr(self, key)]

    @model_validator(mode="after")
    def _processes_exist(self) -> Scenario:
        for number, step in enumerate(self.steps, 1):
            name = step.kill or step.start
            if name and name not in self.processes:
                raise ValueError(f"steps.{number}: no process is named {name}")
        return self

    @model_validator(mode="after")
    def _called_person_exists(self) -> Scenario:
        if self.call.direction == "outbound" and self.call.to not in self.people:
            raise ValueError(f"call.to: {self.call.to} must be one of `people`")
        return self

    @model_validator(mode="after")
    def _echo_of_words(self) -> Scenario:
        if (echo := self.expect.echo) and (
            echo.of_step > len(self.steps)
            or self.steps[echo.of_step - 1].kind not in ("say", "play", "interrupt")
        ):
            raise ValueError(f"expect.echo: the caller does not speak in step {echo.of_step}")
        return self


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
