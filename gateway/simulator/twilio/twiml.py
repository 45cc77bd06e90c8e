"""Reads TwiML into verbs, as Twilio would: an unknown verb is an error, not a guess."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from xml.etree import ElementTree

VERBS: Final = frozenset(
    {
        "Connect",
        "Dial",
        "Enqueue",
        "Gather",
        "Hangup",
        "Leave",
        "Pause",
        "Play",
        "Record",
        "Redirect",
    }
    | {"Refer", "Reject", "Say", "Start", "Stop"}
)
PARAMETER_MAX_CHARS: Final = 500


class TwimlError(Exception):
    """A document that Twilio would not execute; carries its error code."""

    def __init__(self, code: int, problem: str) -> None:
        self.code, self.problem = code, problem
        super().__init__(f"{code}: {problem}")


@dataclass(frozen=True, slots=True)
class TwimlVerb:
    """One element: its name, attributes, text and children."""

    name: str
    attributes: dict[str, str]
    text: str = ""
    children: tuple[TwimlVerb, ...] = ()

    def get(self, attribute: str, default: str = "") -> str:
        return self.attributes.get(attribute, default)

    def seconds(self, attribute: str, default: float) -> float:
        """A number attribute; Twilio takes its default where the value is no number."""
        try:
            return max(float(self.get(attribute, str(default))), 0.0)
        except ValueError:
            return default

    def first(self, name: str) -> TwimlVerb | None:
        return next((child for child in self.children if child.name == name), None)


@dataclass(frozen=True, slots=True)
class TwimlDocument:
    """Verbs, and the URL they came from, against which relative URLs are resolved."""

    verbs: tuple[TwimlVerb, ...]
    base_url: str
    source: str = field(default="", repr=False)


def parse(xml: str, base_url: str) -> TwimlDocument:
    """Raises TwimlError 12100 (cannot be parsed) and 12200 (is no TwiML)."""
    try:
        # The peer is the gateway under rehearsal, and expat expands no external entity.
        root = ElementTree.fromstring(xml)  # noqa: S314
    except ElementTree.ParseError as error:
        raise TwimlError(12100, f"document cannot be parsed: {error}") from error
    if root.tag != "Response":
        raise TwimlError(12200, f"the root is <{root.tag}>, not <Response>")
    verbs = tuple(_verb(element) for element in root)
    for verb in verbs:
        if verb.name not in VERBS:
            raise TwimlError(12200, f"<{verb.name}> is no verb")
    return TwimlDocument(verbs, base_url, xml)


def _verb(element: ElementTree.Element) -> TwimlVerb:
    text = "".join(element.itertext() if element.tag == "Say" else [element.text or ""]).strip()
    return TwimlVerb(
        element.tag, dict(element.attrib), text, tuple(_verb(child) for child in element)
    )


def stream_parameters(stream: TwimlVerb) -> dict[str, str]:
    """The `<Parameter>`s of a stream. Raises TwimlError for one that is too long."""
    parameters: dict[str, str] = {}
    for child in stream.children:
        if child.name != "Parameter":
            continue
        name, value = child.get("name"), child.get("value")
        if len(name) + len(value) >= PARAMETER_MAX_CHARS:
            raise TwimlError(12200, f"parameter {name!r} is {len(name) + len(value)} characters")
        parameters[name] = value
    return parameters
