"""Steps of the caller in a scenario."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

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


def or_bare_words(*words: str) -> Callable[[dict[str, Any]], None]:
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
        or_bare_words(*BARE)(schema)

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
