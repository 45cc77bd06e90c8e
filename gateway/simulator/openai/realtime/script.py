"""What a simulated model says and does, as a YAML file may tell it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.errors import ScenarioError
from gateway.simulator.scenario.errors import mistake

SCRIPT_MAX_BYTES: Final = 1 << 20
DEMO_TURNS: Final = 3


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ErrorSpec(_Strict):
    """An `error` as the vendor words it."""

    code: str = "server_error"
    message: str = "The server had an error while processing your request."
    type: str = "server_error"


class CallSpec(_Strict):
    name: str
    arguments: dict[str, Any] = {}
    mcp: str | None = None
    """The label of a hosted MCP server that has the tool; none for a function."""


class ScriptStep(_Strict):
    """One thing that happens in a response; exactly one of these (`times` goes with any)."""

    say: str | None = None
    echo: Literal[True] | None = None
    """The caller's own last words, as they arrived."""
    call: CallSpec | None = None
    recall: str | None = None
    """What the conversation holds that fits this expression is said; else that it holds none."""
    next_item: Literal[True] | None = None
    """What is said after this is another message item of the same response."""
    think_ms: int | None = Field(None, ge=0, le=600_000)
    stall_ms: int | None = Field(None, ge=0, le=600_000)
    """The server says nothing at all for this long, and then everything."""
    error: ErrorSpec | None = None
    fail: ErrorSpec | None = None
    """The response ends with status `failed`."""
    close: int | None = Field(None, ge=1000, le=4999)
    """The socket closes with this code; 1006 drops it without a word."""
    times: int | None = Field(None, ge=1)
    """Only so often, counted over all sessions of this server; then the step is skipped."""

    @model_validator(mode="after")
    def _one_thing(self) -> ScriptStep:
        if len(self.model_fields_set - {"times"}) != 1:
            raise ValueError("a step is one of " + ", ".join(sorted(STEP_KINDS)))
        return self


STEP_KINDS: Final = frozenset(ScriptStep.model_fields) - {"times"}

Plan = Annotated[tuple[ScriptStep, ...], Field(strict=False)]


class OnConnect(_Strict):
    """What becomes of a client that knocks."""

    refuse: int | None = Field(None, ge=400, le=599)
    hang: Literal[True] | None = None
    error: ErrorSpec | None = None
    times: int | None = Field(None, ge=1)


class OnUpdate(_Strict):
    """What becomes of `session.update`: laid over the echo, or no answer at all."""

    echo: dict[str, Any] = {}
    ignore: bool = False
    times: int | None = Field(None, ge=1)


Webhook = Literal[
    "plain", "again", "new_id", "tampered", "stale", "late", "oversized", "old_secret", "unsigned",
    "other_type", "live",
]  # fmt: skip
"""How a webhook is sent; what each is stands in `sip_webhooks.py`."""

HttpFailure = Annotated[int | None, Field(ge=400, le=599)]
Delay = Annotated[int, Field(ge=0, le=600_000)]


class SipScript(_Strict):
    """What goes wrong between an INVITE and the end of a SIP call."""

    webhooks: Annotated[tuple[Webhook, ...], Field(strict=False)] = ("plain",)
    """What is sent for each INVITE, in this order."""
    accept_status: HttpFailure = None
    reject_status: HttpFailure = None
    refer_status: HttpFailure = None
    hangup_status: HttpFailure = None
    """A control call is answered with this, and nothing happens."""
    times: int | None = Field(None, ge=1)
    """How often each kind of control call fails, over all calls; then it works."""
    slow_ms: Delay = 0
    """Each control call takes this much longer."""
    reject_broken: bool = False
    """Reject is answered 200, and the call goes on ringing."""
    refer: Literal["transferred", "ignored"] = "transferred"
    """Whether a REFER that was answered 200 reaches the carrier."""
    sideband_404_ms: Delay = 60
    """From accept until the session exists."""
    ring_s: float = Field(60.0, gt=0, le=600)
    """A call that nobody decides on ends with 480 after this."""
    drop_sideband_after_s: float | None = Field(None, gt=0)
    """The first sideband of each call breaks this long after it was opened."""
    sideband_refused: HttpFailure = None
    """What every later handshake of that call gets."""
    session_created: bool = True
    """Whether a sideband is greeted with `session.created`."""
    dtmf_blank: bool = False
    """A blank before the type of a key's event, as in the vendor's own example."""
    media_security: str | None = None
    """What the webhook says of it, whatever was negotiated; an empty string leaves it out."""


class Script(_Strict):
    """The whole of it; an empty file is the demo."""

    greeting: Plan | None = None
    hears: Annotated[tuple[str, ...], Field(strict=False)] = ()
    """What the caller says, turn by turn, as a transcriber would write it; the last one goes on."""
    turns: Annotated[tuple[Plan, ...], Field(strict=False)] = ()
    """By the caller's turns, the first one first; the demo goes on where they end."""
    after_tool: Plan | None = None
    after_image: Plan | None = None
    """When it is shown pictures; `${images}` is how many, `${text}` what was written with them."""
    mcp_goes_on: bool = False
    """Whether the model answers by itself when the output of a hosted MCP call is in."""
    goes_on: Plan = (ScriptStep(say="And so on, as I was saying, until the end of the story."),)
    """When it is told that it was cut off, and by what words."""
    demo_turns: int = Field(DEMO_TURNS, ge=1)
    """The demo says goodbye in this turn."""
    language: str | None = None
    speed: float = Field(4.0, gt=0, le=1000)
    """How much faster than real time answers are delivered."""
    think_ms: int = Field(250, ge=0, le=600_000)
    session_seconds: float = Field(3600.0, gt=0, le=86_400)
    on_connect: OnConnect | None = None
    on_update: OnUpdate | None = None
    sip: SipScript = SipScript()


def load_script(path: Path) -> Script:
    """Raises `ScenarioError` with file, line and key."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(path, None, None, f"cannot be read: {error}") from error
    return parse_script(text, path)


def parse_script(text: str, file: Path | str = "script") -> Script:
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
        raise mistake(file, tree, error) from error


class FaultBudget:
    """Counts, over all sessions of a server, how often a limited step has happened."""

    def __init__(self) -> None:
        self._used: dict[int, int] = {}

    def take(self, step: ScriptStep | OnConnect | OnUpdate) -> bool:
        """Whether it happens once more."""
        if step.times is None:
            return True
        used = self._used.get(id(step), 0)
        self._used[id(step)] = used + 1
        return used < step.times
