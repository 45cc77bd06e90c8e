"""Script of the simulated model: what it says and does, and its faults, as YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.errors import ScenarioError
from gateway.simulator.scenario.errors import scenario_error

SCRIPT_MAX_BYTES: Final = 1 << 20
DEMO_TURNS: Final = 3


class _Strict(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


class ErrorSpec(_Strict):
    """Fields of an `error` event."""

    code: str = "server_error"
    """The vendor's code."""
    message: str = "The server had an error while processing your request."
    """The vendor's sentence."""
    type: str = "server_error"
    """The vendor's type."""


class CallSpec(_Strict):
    """One call of a tool."""

    name: str
    """Name of the tool."""
    arguments: dict[str, Any] = {}
    """Arguments of the call."""
    mcp: str | None = None
    """Label of the hosted MCP server of the tool; unset for a function."""


class ScriptStep(_Strict):
    """One step of a response: exactly one of these keys; `times` goes with any."""

    say: str | None = None
    """Speak a sentence; `${seconds}`, `${turn}`, `${output}`, `${text}` are filled."""
    preamble: str | None = None
    """Speak a sentence in an item of its own, which is done after the next one has begun."""
    echo: Literal[True] | None = None
    """Play back the caller's last words as they arrived."""
    call: CallSpec | None = None
    """Call a tool."""
    recall: str | None = None
    """Say the group of this expression that the conversation matches, or that it does not."""
    next_item: Literal[True] | None = None
    """Begin another message item of the same response."""
    think_ms: int | None = Field(None, ge=0, le=600_000)
    """Pause for this long."""
    stall_ms: int | None = Field(None, ge=0, le=600_000)
    """Send nothing at all for this long, and then everything."""
    error: ErrorSpec | None = None
    """Send an `error` event."""
    fail: ErrorSpec | None = None
    """End the response with status `failed`."""
    close: int | None = Field(None, ge=1000, le=4999)
    """Close the socket with this code; 1006 drops it without a closing handshake."""
    times: int | None = Field(None, ge=1)
    """How often the step happens, over all sessions of the server; then it is skipped."""

    @model_validator(mode="after")
    def _one_thing(self) -> ScriptStep:
        if len(self.model_fields_set - {"times"}) != 1:
            raise ValueError("a step is one of " + ", ".join(sorted(STEP_KINDS)))
        return self


STEP_KINDS: Final = frozenset(ScriptStep.model_fields) - {"times"}

Plan = Annotated[tuple[ScriptStep, ...], Field(strict=False)]


class OnConnect(_Strict):
    """Fault of the WebSocket handshake."""

    refuse: int | None = Field(None, ge=400, le=599)
    """Answer with this HTTP status."""
    hang: Literal[True] | None = None
    """Do not answer."""
    error: ErrorSpec | None = None
    """Accept, send an `error` event and close."""
    times: int | None = Field(None, ge=1)
    """How often, over all handshakes; unset, always."""


class OnUpdate(_Strict):
    """Fault of `session.update`: a wrong echo, or no answer."""

    echo: dict[str, Any] = {}
    """Fields of the session that are echoed with these values."""
    ignore: bool = False
    """Do not answer."""
    times: int | None = Field(None, ge=1)
    """How often, over all sessions; unset, always."""


Webhook = Literal[
    "plain",
    "again",
    "new_id",
    "tampered",
    "stale",
    "late",
    "oversized",
    "old_secret",
    "unsigned",
    "other_type",
    "live",
]
"""Ways to send a webhook; see `sip/webhooks.py`."""

HttpFailure = Annotated[int | None, Field(ge=400, le=599)]
Delay = Annotated[int, Field(ge=0, le=600_000)]


class SipScript(_Strict):
    """Faults between an INVITE and the end of a SIP call."""

    webhooks: Annotated[tuple[Webhook, ...], Field(strict=False)] = ("plain",)
    """Webhooks sent for each INVITE, in this order."""
    accept_status: HttpFailure = None
    """Answer `accept` with this status, and do nothing."""
    reject_status: HttpFailure = None
    """Answer `reject` with this status, and do nothing."""
    refer_status: HttpFailure = None
    """Answer `refer` with this status, and do nothing."""
    hangup_status: HttpFailure = None
    """Answer `hangup` with this status, and do nothing."""
    times: int | None = Field(None, ge=1)
    """How often each kind of control call fails, over all calls; unset, always."""
    slow_ms: Delay = 0
    """Delay of each control call."""
    reject_broken: bool = False
    """Answer `reject` with 200 and let the call ring on."""
    refer: Literal["transferred", "ignored"] = "transferred"
    """Whether a `refer` that was answered 200 reaches the carrier."""
    sideband_404_ms: Delay = 60
    """Time from `accept` until the session exists."""
    ring_s: float = Field(60.0, gt=0, le=600)
    """Time after which a call without a decision ends with 480."""
    drop_sideband_after_s: float | None = Field(None, gt=0)
    """Time after which the first sideband of each call breaks."""
    sideband_refused: HttpFailure = None
    """Answer every later handshake of that call with this status."""
    session_created: bool = True
    """Whether a sideband gets `session.created`."""
    dtmf_blank: bool = False
    """Put a blank before the type of DTMF events, as in the vendor's own example."""
    media_security: str | None = None
    """Media security that the webhook reports; an empty string leaves it out."""


class Script(_Strict):
    """Script of the simulated model; an empty one is the demo."""

    greeting: Plan | None = None
    """The first response, when nobody has spoken yet."""
    hears: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """Transcripts of the caller's turns; the last one repeats."""
    turns: Annotated[tuple[Plan, ...], Field(strict=False)] = ()
    """Responses to the caller's turns, in order; the demo follows them."""
    after_tool: Plan | None = None
    """Response to the output of a tool; `${output}` is the output."""
    after_image: Plan | None = None
    """Response to pictures; `${images}` is their number, `${text}` the text beside them."""
    out_of_band: Plan = (ScriptStep(say="{}"),)
    """Response beside the conversation (`conversation: none`), such as a call's result, as text."""
    mcp_goes_on: bool = False
    """Whether the model responds by itself to the output of a hosted MCP call."""
    goes_on: Plan = (ScriptStep(say="And so on, as I was saying, until the end of the story."),)
    """Response to instructions that say that a response was cut off."""
    demo_turns: int = Field(DEMO_TURNS, ge=1)
    """Turn in which the demo says goodbye."""
    language: str | None = None
    """Language of the voice; by default that of the instructions."""
    speed: float = Field(4.0, gt=0, le=1000)
    """Delivery of responses, in multiples of real time."""
    think_ms: int = Field(250, ge=0, le=600_000)
    """Time from the request to the first delta."""
    session_seconds: float = Field(3600.0, gt=0, le=86_400)
    """Longest duration of a session."""
    on_connect: OnConnect | None = None
    """Fault of the WebSocket handshake."""
    on_update: OnUpdate | None = None
    """Fault of `session.update`."""
    sip: SipScript = SipScript()
    """Faults of SIP calls."""


def load_script(path: Path) -> Script:
    """Read a script. Raises ScenarioError with file, line and key."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(path, None, None, f"cannot be read: {error}") from error
    return parse_script(text, path)


def parse_script(text: str, file: Path | str = "script") -> Script:
    """Parse the text of a script. Raises ScenarioError."""
    if len(text) > SCRIPT_MAX_BYTES:
        raise ScenarioError(file, None, None, "is larger than 1 MiB")
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else None
        problem = getattr(error, "problem", None) or "is not YAML"
        raise ScenarioError(file, line, None, str(problem)) from error
    try:
        return Script.model_validate({} if document is None else document)
    except ValidationError as error:
        raise scenario_error(file, tree, error) from error


class FaultBudget:
    """Counter of limited steps over all sessions of a server."""

    def __init__(self) -> None:
        self._used: dict[int, int] = {}

    def consume(self, step: ScriptStep | OnConnect | OnUpdate) -> bool:
        """Return whether the step happens once more, and count it."""
        if step.times is None:
            return True
        used = self._used.get(id(step), 0)
        self._used[id(step)] = used + 1
        return used < step.times
