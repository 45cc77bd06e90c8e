"""Parser of TwiML: an unknown verb is an error."""

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
        "Pay",
        "Play",
        "Record",
        "Redirect",
    }
    | {"Refer", "Reject", "Say", "Start", "Stop"}
)
PARAMETER_MAX_CHARS: Final = 500


class TwimlError(Exception):
    """Error of a document that Twilio would not execute, with its code."""

    def __init__(self, code: int, problem: str) -> None:
        self.code, self.problem = code, problem
        super().__init__(f"{code}: {problem}")


@dataclass(frozen=True, slots=True)
class TwimlVerb:
    """Element of a document: name, attributes, text and children."""

    name: str
    attributes: dict[str, str]
    text: str = ""
    children: tuple[TwimlVerb, ...] = ()

    def get(self, attribute: str, default: str = "") -> str:
        return self.attributes.get(attribute, default)

    def seconds(self, attribute: str, default: float) -> float:
        """Return a number attribute; Twilio takes the default for other values."""
        try:
            return max(float(self.get(attribute, str(default))), 0.0)
        except ValueError:
            return default

    def first(self, name: str) -> TwimlVerb | None:
        return next((child for child in self.children if child.name == name), None)


@dataclass(frozen=True, slots=True)
class TwimlDocument:
    """Verbs of a document, and the URL against which theirs are resolved."""

    verbs: tuple[TwimlVerb, ...]
    base_url: str
    source: str = field(default="", repr=False)


def parse(xml: str, base_url: str) -> TwimlDocument:
    """Parse a document. Raises TwimlError 12100 (no XML) and 12200 (no TwiML)."""
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
    """Return the `<Parameter>`s of a stream. Raises TwimlError for one that is too long."""
    parameters: dict[str, str] = {}
    for child in stream.children:
        if child.name != "Parameter":
            continue
        name, value = child.get("name"), child.get("value")
        if len(name) + len(value) >= PARAMETER_MAX_CHARS:
            raise TwimlError(12200, f"parameter {name!r} is {len(name) + len(value)} characters")
        parameters[name] = value
    return parameters
