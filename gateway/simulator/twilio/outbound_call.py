"""Calls that are placed over REST: rung up, answered by somebody, and found out about.

Sources: Calls resource, 2010-04-01; Twilio docs "Answering Machine Detection".
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import FormData

from gateway.audio.g711 import CALLER_HZ, pcm_to_mulaw
from gateway.audio.tones import tone_pcm
from gateway.simulator.audio import analysis
from gateway.simulator.audio.synthesis import Speaker
from gateway.simulator.scenario.schema import PersonSpec
from gateway.simulator.twilio import reachable
from gateway.simulator.twilio.call import TwilioCall
from gateway.simulator.twilio.outcomes import CallOutcome, Fetch

EVENTS: Final = frozenset({"initiated", "ringing", "answered", "completed"})
RING_DEFAULT_S: Final = 60.0
RING_MAX_S: Final = 600.0
SPEECH_MS: Final = 2400
"""MachineDetectionSpeechThreshold: who speaks for longer than this at once is a machine."""
SPEECH_END_MS: Final = 1200
"""MachineDetectionSpeechEndThreshold: a silence that ends what is said."""
SILENCE_MS: Final = 5000
"""MachineDetectionSilenceTimeout."""
FAX_MS: Final = 1500
BEEP_MS: Final = 500
BEEP_HZ: Final = 1000
BEEP_DBFS: Final = -12.0
BEFORE_BEEP_MS: Final = 400
QUEUED_S: Final = 0.1
_NUMBER: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_PARTY: Final = re.compile(rf"{_NUMBER.pattern}|sips?:[^\s@]+@[^\s@]+")
_UNANSWERED: Final = CallOutcome("caller", "no_answer", "no-answer")
_BUSY: Final = CallOutcome("caller", "busy", "busy")


class OrderRefused(Exception):
    """What Twilio does not place; carries its error code."""

    def __init__(self, code: int, problem: str) -> None:
        self.code, self.problem = code, problem
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    """What was asked of the Calls resource."""

    to: str
    caller: str
    url: str
    method: str
    callback: str
    events: frozenset[str]
    ring_s: float
    detection: str = ""
    """`Enable`, `DetectMessageEnd`, or nothing."""
    detection_url: str = ""

    @classmethod
    def of(cls, form: FormData) -> OutboundRequest:
        """Raises OrderRefused."""
        fields = {name: str(value) for name, value in form.items()}
        events = frozenset(str(event) for event in form.getlist("StatusCallbackEvent"))
        _check(fields, events)
        return cls(
            fields["To"],
            fields["From"],
            fields["Url"],
            fields.get("Method", "POST"),
            fields.get("StatusCallback", ""),
            events or frozenset({"completed"}),
            float(fields.get("Timeout", RING_DEFAULT_S)),
            fields.get("MachineDetection", "") if fields.get("AsyncAmd") == "true" else "",
            fields.get("AsyncAmdStatusCallback", ""),
        )


def _check(fields: Mapping[str, str], events: frozenset[str]) -> None:
    for name, missing, wrong in (("To", 21201, 21211), ("From", 21213, 21212)):
        if not fields.get(name):
            raise OrderRefused(missing, f"No '{name}' number is specified")
        if not (_NUMBER if name == "From" else _PARTY).fullmatch(fields[name]):
            raise OrderRefused(wrong, f"The '{name}' number {fields[name]} is not valid")
    if not fields.get("Url", "").startswith(("https://", "http://")):
        raise OrderRefused(21205, f"Url is not a valid URL: {fields.get('Url', '')}")
    if not fields.get("Timeout", "60").isdigit() or int(fields.get("Timeout", "60")) > RING_MAX_S:
        raise OrderRefused(21220, f"Timeout is from 0 to {RING_MAX_S:g}")
    if not events <= EVENTS:
        raise OrderRefused(21626, f"StatusCallbackEvent is one of {', '.join(sorted(EVENTS))}")
    if fields.get("MachineDetection", "Enable") not in ("Enable", "DetectMessageEnd"):
        raise OrderRefused(21218, "MachineDetection is Enable or DetectMessageEnd")


@dataclass(frozen=True, slots=True)
class Opening:
    """What comes out of the telephone when it is taken up, and where its beep ends."""

    text: str
    mulaw: bytes
    beep_ms: float | None = None

    @property
    def ms(self) -> float:
        return analysis.milliseconds(len(self.mulaw))


def _beep() -> bytes:
    return pcm_to_mulaw(tone_pcm(BEEP_HZ, BEEP_MS, BEEP_DBFS, CALLER_HZ))


async def opening(person: PersonSpec, speak: Speaker) -> Opening:
    words = await speak(person.says, person.language) if person.says else b""
    if words:
        words = analysis.silence(1000 * person.says_after_s) + words
    if not (person.machine and person.beep):
        return Opening(person.says, words)
    beep = analysis.silence(BEFORE_BEEP_MS) + _beep()
    mulaw = words + beep
    return Opening(f"{person.says} (beep)", mulaw, analysis.milliseconds(len(mulaw)))


@dataclass
class PlacedCall(TwilioCall):
    """The carrier's half of a call that it was asked for."""

    order: OutboundRequest | None = None
    opening: Opening = Opening("", b"")
    _sequence: int = 0

    async def _whole(self) -> CallOutcome:
        order = self.order
        assert order is not None  # noqa: S101 - whoever makes one has it
        unanswered = await self._ring(order)
        if unanswered is not None:
            return unanswered
        reachable.answer(self)
        self._tell(order, "answered")
        if order.detection:
            self.keep(self._detect(order))
        return await self._follow(Fetch(order.url, order.method))

    async def _ring(self, order: OutboundRequest) -> CallOutcome | None:
        """None as soon as somebody answers."""
        self._order = asyncio.get_running_loop().create_future()
        await asyncio.wait({self._order}, timeout=QUEUED_S)
        self.status = "initiated"
        self._tell(order, "initiated")
        self.status = "ringing"
        self.line.note("rings", order.to)
        self._tell(order, "ringing")
        person, after_s = self.person, order.ring_s
        answers = not (person.busy or person.no_answer) and person.answers_after_s < order.ring_s
        if answers or person.busy:
            after_s = reachable.BUSY_AFTER_S if person.busy else person.answers_after_s
        await asyncio.wait({self._order}, timeout=after_s)
        if self._order.done():
            result = self._order.result()
            return result if isinstance(result, CallOutcome) else None
        if answers:
            return None
        return _BUSY if person.busy else _UNANSWERED

    def _tell(self, order: OutboundRequest, event: str) -> None:
        if event in order.events and order.callback:
            self._sequence += 1
            self.post_soon(
                order.callback, self._completion() | {"SequenceNumber": str(self._sequence)}
            )

    async def _detect(self, order: OutboundRequest) -> None:
        """Who it is, as Twilio tells from the sound; `beep` is noted when it is over."""
        who, after_ms = self._found(order)
        if self.opening.beep_ms is not None:
            self.keep(self._beep(self.opening.beep_ms))
        over = asyncio.create_task(self.line.over.wait())
        await asyncio.wait({over}, timeout=after_ms / 1000)
        over.cancel()
        if self.line.over.is_set():
            return
        self.line.note("detected", who)
        fields = {
            "AccountSid": self.webhooks.account.sid,
            "AnsweredBy": who,
            "CallSid": self.call_sid,
            "MachineDetectionDuration": str(round(after_ms)),
        }
        self.keep(self._callback(order.detection_url, fields, "POST"))

    async def _beep(self, at_ms: float) -> None:
        await asyncio.sleep(max(0.0, at_ms - self.line.now_ms) / 1000)
        self.line.note("beep")

    def _found(self, order: OutboundRequest) -> tuple[str, float]:
        person, said_ms = self.person, self.opening.ms
        if person.fax:
            return "fax", FAX_MS
        if not person.machine:
            return ("human", said_ms + SPEECH_END_MS) if said_ms else ("unknown", SILENCE_MS)
        if order.detection == "Enable":
            return "machine_start", SPEECH_MS
        if self.opening.beep_ms is not None:
            return "machine_end_beep", self.opening.beep_ms
        return "machine_end_silence", said_ms + SPEECH_END_MS
