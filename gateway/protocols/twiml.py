"""TwiML templates with `${placeholders}`: checked when read, escaped when rendered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Final
from xml.parsers import expat

from gateway.errors import BugError, TemplateError

_SAYS_SORRY: Final = frozenset({"apology", "language"})

# The documents that the gateway answers with, and the values that each may use.
PLACEHOLDERS: Final[Mapping[str, frozenset[str]]] = {
    "connect.xml": frozenset({"after_url", "media_url", "stream_status_url", "token"})
    | _SAYS_SORRY,
    "busy.xml": frozenset(),
    "declined.xml": frozenset(),
    "refused.xml": frozenset({"sentence", "language"}),
    "unavailable.xml": frozenset({"unavailable", "language"}),
    "apology.xml": _SAYS_SORRY,
    "hangup.xml": frozenset(),
    "sip.xml": frozenset({"after_url", "refer_url", "sip_uri"}) | _SAYS_SORRY,
    "sip-recorded.xml": frozenset({"after_url", "refer_url", "sip_uri", "recording_url", "consent"})
    | _SAYS_SORRY,
    "human.xml": frozenset({"after_url", "to", "whisper_url", "unavailable", "language"}),
    "human-sip.xml": frozenset({"after_url", "to", "whisper_url", "unavailable", "language"}),
    "whisper.xml": frozenset({"handover", "summary", "press_key", "key_url", "language"}),
    "warm-accepted.xml": frozenset(),
    "warm.xml": frozenset({"after_url", "hold_url", "queue", "unavailable", "language"}),
    "hold.xml": frozenset({"music_url"}),
    "warm-cancel.xml": frozenset(),
    "warm-connect.xml": frozenset({"queue"}),
    "warm-return.xml": frozenset({"after_url"}),
    "pass-on.xml": frozenset({"after_url"}),
    "queue.xml": frozenset({"after_url", "queue", "unavailable", "language"}),
    "secret-digits.xml": frozenset({"ask", "digits_url", "key_wait_s", "digits", "language"})
    | _SAYS_SORRY,
    "payment.xml": frozenset(
        {
            "payment_url",
            "key_wait_s",
            "attempts",
            "connector",
            "token_type",
            "security_code",
            "postal_code",
            "pay_language",
            "language",
        }
    )
    | _SAYS_SORRY,
    "voicemail.xml": frozenset({"after_url", "leave_message", "language", "max_seconds"}),
    "fallback.xml": frozenset(),
    "message.xml": frozenset({"text"}),
    "no-message.xml": frozenset(),
}


@dataclass(frozen=True)
class Verb:
    """Allowed content of an element: attributes, child elements, text."""

    attributes: frozenset[str] = frozenset()
    children: frozenset[str] = frozenset()
    text: bool = False


def _verb(attributes: str = "", children: str = "", *, text: bool = False) -> Verb:
    return Verb(frozenset(attributes.split()), frozenset(children.split()), text)


_STATUS: Final = "statusCallback statusCallbackMethod statusCallbackEvent"
_RECORDING: Final = (
    "recordingConfigurationId recordingStatusCallback recordingStatusCallbackMethod "
    "recordingStatusCallbackEvent"
)
_MACHINE: Final = (
    "machineDetection amdStatusCallback amdStatusCallbackMethod machineDetectionTimeout "
    "machineDetectionSpeechThreshold machineDetectionSpeechEndThreshold "
    "machineDetectionSilenceTimeout"
)

VERBS: Final[Mapping[str, Verb]] = {
    "Response": _verb(
        children="Connect Dial Enqueue Gather Hangup Leave Message Pause Pay Play Record Redirect "
        "Refer Reject Say"
    ),
    "Connect": _verb("action method", "Stream"),
    "Stream": _verb(
        "name connectorName url track statusCallback statusCallbackMethod audioFormat sampleRate",
        "Parameter",
    ),
    "Parameter": _verb("name value"),
    "Dial": _verb(
        "action method timeout hangupOnStar timeLimit callerId record trim recordingTrack "
        f"answerOnBridge ringTone sequential referUrl referMethod events passports {_RECORDING}",
        "Client Conference Number Queue Sip",
        text=True,
    ),
    "Number": _verb(f"sendDigits url method byoc {_STATUS} {_MACHINE}", text=True),
    "Sip": _verb(f"username password url method {_STATUS} {_MACHINE}", text=True),
    "Client": _verb(f"url method {_STATUS}", "Parameter", text=True),
    "Queue": _verb("url method reservationSid postWorkActivitySid", text=True),
    "Conference": _verb(
        "muted beep startConferenceOnEnter endConferenceOnExit waitUrl waitMethod maxParticipants "
        "record region coach trim eventCallbackUrl jitterBufferSize participantLabel "
        f"{_STATUS} {_RECORDING}",
        text=True,
    ),
    "Enqueue": _verb(
        "action maxQueueSize method waitUrl waitUrlMethod workflowSid", "Task", text=True
    ),
    "Task": _verb("priority timeout", text=True),
    "Say": _verb("voice loop language", text=True),
    "Play": _verb("loop digits", text=True),
    "Pause": _verb("length"),
    "Hangup": _verb(children="Parameter"),
    "Leave": _verb(),
    "Reject": _verb("reason", "Parameter"),
    "Redirect": _verb("method", text=True),
    "Gather": _verb(
        "input action method timeout speechTimeout maxSpeechTime profanityFilter finishOnKey "
        "numDigits partialResultCallback partialResultCallbackMethod language hints bargeIn debug "
        "actionOnEmptyResult speechModel enhanced",
        "Pause Play Say",
    ),
    "Pay": _verb(
        "input action bankAccountType statusCallback statusCallbackMethod timeout maxAttempts "
        "securityCode postalCode minPostalCodeLength paymentConnector paymentMethod tokenType "
        "chargeAmount currency description validCardTypes language",
        "Parameter Prompt",
    ),
    "Prompt": _verb("for errorType cardType attempt requireMatchingInputs", "Pause Play Say"),
    "Record": _verb(
        "action method timeout finishOnKey maxLength playBeep trim transcribe transcribeCallback "
        f"{_RECORDING}"
    ),
    "Refer": _verb("action method", "Sip"),
    "Message": _verb("to from action method statusCallback", text=True),
}

_PLACEHOLDER: Final = re.compile(r"\$\{([^{}]*)\}")
# What XML 1.0 does not allow in any form, not even escaped (section 2.2).
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# A parser normalises white space, unless it is written as a reference.
_IN_TEXT: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_IN_ATTRIBUTE: Final = _IN_TEXT | str.maketrans({'"': "&quot;", "\t": "&#9;", "\n": "&#10;"})


@dataclass
class _Element:
    name: str
    attributes: dict[str, str]
    children: list[_Element] = field(default_factory=list)
    text: str = ""


@dataclass(frozen=True)
class Template:
    """Checked TwiML document that is rendered with values."""

    file: str
    placeholders: frozenset[str]
    _root: _Element = field(repr=False)

    def render(self, values: Mapping[str, str]) -> str:
        """Return the document, with each value escaped for its place.

        BugError when a value is missing, even one that this file makes no use of.
        An attribute that is nothing but a placeholder is left out when its value is empty.
        """
        if missing := sorted(self.placeholders - values.keys()):
            raise BugError(f"{self.file} was rendered without {', '.join(missing)}")
        body = "".join(_written(self._root, values))
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'


def parse_template(text: str, file: str) -> Template:
    """Check a document by the name of its file; raises TemplateError with the line."""
    allowed = PLACEHOLDERS.get(PurePath(file).name)
    if allowed is None:
        known = ", ".join(PLACEHOLDERS)
        raise TemplateError(file, None, None, f"no such template: there are {known}")
    return Template(file, allowed, _Reader(file, allowed).read(text))


class _Reader:
    """Tree builder that checks each element while the parser still knows its line."""

    def __init__(self, file: str, allowed: frozenset[str]) -> None:
        self.file, self.allowed = file, allowed
        self.open: list[_Element] = []
        self.root: _Element | None = None
        self.parser = expat.ParserCreate(namespace_separator=None)
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.StartDoctypeDeclHandler = self._refuse_doctype
        self.parser.ProcessingInstructionHandler = self._refuse_instruction

    def read(self, text: str) -> _Element:
        try:
            self.parser.Parse(text, True)
        except expat.ExpatError as error:
            raise TemplateError(
                self.file,
                error.lineno,
                None,
                f"is not well-formed XML: {expat.errors.messages[error.code]}",
            ) from None
        except UnicodeEncodeError:
            raise TemplateError(self.file, None, None, "is not text that XML can hold") from None
        if self.root is None:
            raise BugError("a well-formed document without a root element")
        return self.root

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._check_nesting(name)
        for key, value in attributes.items():
            if key not in VERBS[name].attributes:
                raise self._error(f"{name}.{key}", "no such attribute")
            self._check_placeholders(value, f"{name}.{key}")
        if name == "Stream" and re.search(r"[?#]", attributes.get("url", "")):
            raise self._error(
                "Stream.url", "must have no query and no fragment: use <Parameter> instead"
            )
        element = _Element(name, attributes)
        if self.open:
            self.open[-1].children.append(element)
        else:
            self.root = element
        self.open.append(element)

    def _check_nesting(self, name: str) -> None:
        if not self.open:
            if name != "Response":
                raise self._error(name, "the outermost element must be <Response>")
        elif name not in VERBS:
            raise self._error(name, "no such verb")
        elif name not in VERBS[self.open[-1].name].children:
            raise self._error(name, f"must not stand inside <{self.open[-1].name}>")

    def _end(self, name: str) -> None:
        element = self.open.pop()
        element.text = element.text.strip()
        self._check_placeholders(element.text, name)

    def _characters(self, text: str) -> None:
        element = self.open[-1]
        if text.strip() and not VERBS[element.name].text:
            raise self._error(element.name, "must hold no text")
        element.text += text

    def _check_placeholders(self, text: str, key: str) -> None:
        if "${" in _PLACEHOLDER.sub("", text):
            raise self._error(key, "a placeholder is not closed: write ${name}")
        for name in _PLACEHOLDER.findall(text):
            if name not in self.allowed:
                known = ", ".join(sorted(self.allowed)) or "none"
                raise self._error(key, f"${{{name}}} is unknown here: there are {known}")

    def _refuse_doctype(self, *_: Any) -> None:
        raise self._error(None, "must have no DOCTYPE and no entities of its own")

    def _refuse_instruction(self, *_: Any) -> None:
        raise self._error(None, "must have no processing instructions")

    def _error(self, key: str | None, problem: str) -> TemplateError:
        return TemplateError(self.file, self.parser.CurrentLineNumber, key, problem)


def _written(element: _Element, values: Mapping[str, str]) -> Iterator[str]:
    yield f"<{element.name}"
    for key, text in element.attributes.items():
        value = _filled(text, values)
        if value or not _PLACEHOLDER.fullmatch(text):
            yield f' {key}="{value.translate(_IN_ATTRIBUTE)}"'
    text = _filled(element.text, values).translate(_IN_TEXT)
    if not (text or element.children):
        yield "/>"
        return
    yield f">{text}"
    for child in element.children:
        yield from _written(child, values)
    yield f"</{element.name}>"


def _filled(text: str, values: Mapping[str, str]) -> str:
    return _FORBIDDEN.sub("", _PLACEHOLDER.sub(lambda match: values[match[1]], text))
