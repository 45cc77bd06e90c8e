"""An agent as its file describes it: typed, bounded, frozen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from re import ASCII, fullmatch
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gateway import limits
from gateway.agents.config.base import none_for, suggestion, wrong
from gateway.agents.config.before import Before
from gateway.agents.config.hours import Hours, ZoneName
from gateway.agents.config.interaction import BargeIn, Idle
from gateway.agents.config.mcp import McpServer, check_labels, server_of
from gateway.agents.config.models import DEFAULT_MODEL
from gateway.agents.config.outbound import Outbound
from gateway.agents.config.placeholders import Fillable
from gateway.agents.config.privacy import PrivacyPreset, RedactSwitch, with_preset
from gateway.agents.config.recording import PAUSES_RECORDING, Recording
from gateway.agents.config.result import ResultSchema
from gateway.agents.config.secret_input import SecretInputs
from gateway.agents.config.session_options import (
    DEFAULT_VOICE,
    NoiseReduction,
    RetentionRatio,
    ServerVad,
    Transcription,
    TurnDetection,
    Voice,
    with_type,
)
from gateway.agents.config.tool_names import (
    BACKGROUND_TOOLS,
    BUILT_IN_TOOLS,
    HANDS_OVER,
    SENDS_DIGITS,
    ToolName,
)
from gateway.agents.config.tool_options import NAME, FunctionTool, ToolOptions
from gateway.agents.config.transfers import Fallback, KeypadTransfer, TransferDestination
from gateway.agents.texts.lookup import LANGUAGE_TAG

_NO_SOUND: Final = "does not go with path: sip, where no sound passes through us"
_MEDIA_ONLY: Final = ("audio", "lead_ms")  # on the SIP path no sound passes through the gateway


def _name(text: str) -> str:
    if len(text) > limits.agents.AGENT_NAME_MAX_CHARS or not fullmatch(
        r"[A-Za-z0-9][\w-]*", text, ASCII
    ):
        raise ValueError(
            "an agent's name is made of letters, digits, - and _, "
            f"at most {limits.agents.AGENT_NAME_MAX_CHARS}"
        )
    return text


def _language(text: str) -> str:
    if not LANGUAGE_TAG.fullmatch(text):
        raise ValueError('must be a language tag like "en" or "ar-EG"')
    return text


class Agent(SecretInputs):
    """One agent; what is None is left to the vendor's default and is not sent.

    Inherits its secret inputs, whose keys and rule stand in a module of their own.
    """

    name: Annotated[str, AfterValidator(_name)]
    model: str = Field(DEFAULT_MODEL, min_length=1)
    voice: Voice = DEFAULT_VOICE
    path: Literal["media-streams", "sip"] = "media-streams"
    audio: Literal["pcm24k", "pcmu"] = "pcm24k"
    language: Annotated[str, AfterValidator(_language)] = "en"
    greeting: Fillable | None = Field(
        None, min_length=1, max_length=limits.agents.GREETING_MAX_CHARS
    )
    instructions: Fillable = Field(min_length=1, max_length=limits.agents.INSTRUCTIONS_MAX_CHARS)
    turn_detection: Annotated[
        TurnDetection | None,
        BeforeValidator(
            lambda value: None if value == "none" else with_type(value),
            json_schema_input_type=TurnDetection
            | Literal["none", "server_vad", "semantic_vad"]
            | None,
        ),
    ] = ServerVad()
    noise_reduction: Annotated[
        NoiseReduction | None,
        BeforeValidator(
            with_type,
            json_schema_input_type=NoiseReduction | Literal["near_field", "far_field"] | None,
        ),
    ] = None
    transcription: Annotated[Transcription | None, none_for(Transcription)] = Transcription()
    truncation: Literal["auto", "disabled"] | RetentionRatio | None = None
    reasoning_effort: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None
    max_output_tokens: (
        Annotated[int, Field(ge=1, le=limits.agents.OUTPUT_TOKENS_MAX)] | Literal["inf"] | None
    ) = None
    speed: float | None = Field(None, ge=limits.agents.SPEED_MIN, le=limits.agents.SPEED_MAX)
    tools: list[ToolName] = Field(default_factory=list)
    functions: dict[str, FunctionTool] = Field(
        default_factory=dict, max_length=limits.tools.FUNCTIONS_MAX
    )
    mcp: dict[str, McpServer] = Field(default_factory=dict, max_length=limits.mcp.SERVERS_MAX)
    transfers: dict[str, TransferDestination] = Field(
        default_factory=dict, max_length=limits.call.TRANSFERS_MAX
    )
    hand_over: dict[
        str, Annotated[str, Field(min_length=1, max_length=limits.agents.GREETING_MAX_CHARS)]
    ] = Field(default_factory=dict, max_length=limits.agents.HAND_OVER_MAX)
    """Other agents that may lead the same call on, and when."""
    time_zone: ZoneName | None = None
    """Of the clock that the model is told; without it that of `hours`, or else UTC."""
    knows: list[Literal["caller_number"]] = Field(default_factory=list)
    before: Before | None = None
    hours: Hours | None = None
    out_of_hours: str | None = None
    """Which agent answers instead."""
    keypad: Annotated[KeypadTransfer | None, none_for(KeypadTransfer)] = KeypadTransfer()
    fallback: Annotated[
        Fallback | None,
        BeforeValidator(
            lambda value: {"to": value} if isinstance(value, str) else value,
            json_schema_input_type=Fallback | str | None,
        ),
    ] = None
    resume: Literal["announce", "silent"] = "announce"
    if_forgotten: Literal["restart", "transfer"] = "restart"
    max_calls: int | None = Field(None, ge=1, le=limits.settings.MAX_CALLS_MAX)
    outbound: Outbound | None = None
    session: dict[str, Any] = Field(default_factory=dict)
    barge_in: BargeIn = BargeIn()
    idle: Idle = Idle()
    max_call_s: float = Field(
        limits.agents.MAX_CALL_DEFAULT_S,
        ge=limits.agents.MAX_CALL_MIN_S,
        le=limits.agents.MAX_CALL_MAX_S,
    )
    spend_usd: float | None = Field(
        None, ge=limits.agents.SPEND_MIN_USD, le=limits.agents.SPEND_MAX_USD
    )
    record: Literal["none", "metadata", "transcript"] = "metadata"
    recording: Recording | None = None
    privacy: PrivacyPreset = "default"
    redact: list[RedactSwitch] = Field(default_factory=list)
    """What is taken out of people's words before anybody but the model sees them."""
    retain_days: int | None = Field(
        None, ge=limits.agents.RETAIN_DAYS_MIN, le=limits.agents.RETAIN_DAYS_MAX
    )
    """Days after which what was kept of a call is deleted."""
    result: ResultSchema | None = None
    """What is to be known of a call when it is over."""
    lead_ms: int = Field(
        limits.agents.LEAD_DEFAULT_MS, ge=limits.agents.LEAD_MIN_MS, le=limits.agents.LEAD_MAX_MS
    )
    goodbye: str = Field(
        "The call ends in one minute. Tell the caller, finish what matters most and say goodbye.",
        min_length=1,
        max_length=limits.agents.GREETING_MAX_CHARS,
    )

    @property
    def zone(self) -> str:
        """The time zone of the clock that the model is told."""
        return self.time_zone or (self.hours.zone if self.hours is not None else "UTC")

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, value: Any) -> Any:
        return with_preset(value)

    @property
    def client_turns(self) -> bool:
        """Whether the gateway, not the model's VAD, decides on answers and interruptions."""
        return self.barge_in.min_speech_ms > 0 or self.barge_in.protect_greeting_ms > 0

    @property
    def tool_options(self) -> Mapping[str, ToolOptions]:
        """The tools that are run beside the conversation, by name."""
        background = {name: ToolOptions() for name in self.tools if name in BACKGROUND_TOOLS}
        if SENDS_DIGITS in self.tools:  # its tones are what there is to hear meanwhile
            background[SENDS_DIGITS] = ToolOptions(filler_after_ms=limits.tools.FILLER_AFTER_MAX_MS)
        if HANDS_OVER in self.tools:
            background[HANDS_OVER] = ToolOptions()
        return {**background, **self.functions}

    def tool_options_of(self, tools: Iterable[str]) -> Mapping[str, ToolOptions]:
        """The same with the tools of MCP servers that are among these names."""
        labels = {name: server_of(name, self.private) for name in tools}
        of_servers = {name: self.mcp[label] for name, label in labels.items() if label}
        return {**of_servers, **self.tool_options}

    @property
    def hold_tone_keys(self) -> Iterator[str]:
        """Yield the keys that ask for the hold tone."""
        for kind, parts in (("functions", self.functions), ("mcp", self.mcp)):
            for name, part in parts.items():
                if part.hold:
                    yield f"{kind}.{name}.hold"

    @property
    def hosted(self) -> Mapping[str, McpServer]:
        """Return the MCP servers that the model's own server reaches, by label."""
        return {label: server for label, server in self.mcp.items() if server.via == "openai"}

    @property
    def private(self) -> Mapping[str, McpServer]:
        """Return the MCP servers that the gateway reaches itself, by label."""
        return {label: server for label, server in self.mcp.items() if server.via == "gateway"}

    @model_validator(mode="after")
    def _tools_are_known(self) -> Self:
        for index, tool in enumerate(self.tools):
            if tool not in BUILT_IN_TOOLS and tool not in self.functions:
                known = ", ".join([*sorted(BUILT_IN_TOOLS), *self.functions])
                near = suggestion(tool, [*BUILT_IN_TOOLS, *self.functions])
                raise wrong(f"tools.{index}", f"{tool} is no tool{near}: there are {known}")
            if tool in self.tools[:index]:
                raise wrong(f"tools.{index}", "stands here twice")
        return self

    @model_validator(mode="after")
    def _functions_are_named(self) -> Self:
        for name in self.functions:
            if name in BUILT_IN_TOOLS or not NAME.fullmatch(name):
                raise wrong(f"functions.{name}", "must be a name of letters, and not a built-in's")
            if name not in self.tools:
                raise wrong(f"functions.{name}", "must stand in `tools` too, or nobody can use it")
        return self

    @model_validator(mode="after")
    def _mcp_is_named(self) -> Self:
        check_labels(self.mcp)
        return self

    @model_validator(mode="after")
    def _transfers_go_somewhere(self) -> Self:
        if "transfer" in self.tools and not self.transfers:
            raise wrong(
                "transfers", "is missing: `transfer` in `tools` needs somebody to transfer to"
            )
        if self.transfers and "transfer" not in self.tools:
            raise wrong(
                "transfers", "needs `transfer` in `tools`: without it the model cannot transfer"
            )
        return self

    @model_validator(mode="after")
    def _hands_over_to_somebody(self) -> Self:
        if HANDS_OVER in self.tools and not self.hand_over:
            raise wrong(
                "hand_over", "is missing: `hand_over` in `tools` needs at least one agent, and when"
            )
        if self.hand_over and HANDS_OVER not in self.tools:
            raise wrong(
                "hand_over", "needs `hand_over` in `tools`: without it the model cannot hand over"
            )
        if self.name in self.hand_over:
            raise wrong(f"hand_over.{self.name}", "is this agent itself: name another one")
        return self

    @model_validator(mode="after")
    def _result_has_words(self) -> Self:
        if self.result is not None and self.transcription is None:
            raise wrong("result", "needs transcription: it rests on the caller's words")
        return self

    @model_validator(mode="after")
    def _somebody_is_there(self) -> Self:
        if (self.hours is None) != (self.out_of_hours is None):
            raise wrong(
                "out_of_hours" if self.hours else "hours",
                "is missing: `hours` and `out_of_hours`, who answers instead, go together",
            )
        return self

    @model_validator(mode="after")
    def _recording_can_be_paused(self) -> Self:
        if PAUSES_RECORDING in self.tools and self.recording is None:
            index = self.tools.index(PAUSES_RECORDING)
            raise wrong(f"tools.{index}", f"{PAUSES_RECORDING} goes with `recording`")
        return self

    @model_validator(mode="after")
    def _recording_is_found(self) -> Self:
        if self.record == "none" and self.recording is not None:
            raise wrong(
                "recording",
                "does not go with `record: none`: by its record a recording is found, deleted "
                "when its time is over, and forgotten. Remove it, or keep `metadata`",
            )
        return self

    @model_validator(mode="after")
    def _path_allows(self) -> Self:
        if self.path == "sip":
            if self.max_call_s > limits.agents.MAX_SIP_CALL_S:
                longest = f"{limits.agents.MAX_SIP_CALL_S:g}"
                raise wrong("max_call_s", f"is at most {longest} with path: sip")
            if SENDS_DIGITS in self.tools:
                raise wrong(
                    f"tools.{self.tools.index(SENDS_DIGITS)}",
                    "send_digits does not go with path: sip, where no sound passes through us",
                )
            for field in _MEDIA_ONLY:
                if field in self.model_fields_set:
                    raise wrong(field, _NO_SOUND)
            for key in self.hold_tone_keys:
                raise wrong(key, _NO_SOUND)
        return self

    @model_validator(mode="after")
    def _screening_hears_words(self) -> Self:
        screens = self.outbound is not None and self.outbound.screening is not None
        if screens and self.transcription is None:
            raise wrong("outbound.screening", "needs transcription: an assistant is known by words")
        return self

    @model_validator(mode="after")
    def _one_decides_on_turns(self) -> Self:
        if not self.client_turns:
            return self
        if self.turn_detection is None:
            raise wrong("barge_in", "needs turn_detection: without it no speech is noticed")
        for flag in ("create_response", "interrupt_response"):
            if getattr(self.turn_detection, flag) is not None:
                raise wrong(
                    f"turn_detection.{flag}",
                    "does not go with barge_in above 0, which has the gateway decide on turns",
                )
        return self
