"""Calls placed over REST: ringing, status callbacks, answering machine detection.

Sources: Calls resource, 2010-04-01; Twilio docs "Answering Machine Detection".
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import FormData

from gateway.audio.g711 import CALLER_HZ, pcm_to_mulaw
from gateway.audio.tones import tone_pcm
from gateway.simulator.audio import analysis
from gateway.simulator.audio.tts import Speaker
from gateway.simulator.scenario.parties import PersonSpec
from gateway.simulator.twilio import reachable
from gateway.simulator.twilio.call import Number, Parties, TwilioCall
from gateway.simulator.twilio.line import Moment, TelephoneLine
from gateway.simulator.twilio.outcomes import CallOutcome, Fetch, NextStep

EVENTS: Final = frozenset({"initiated", "ringing", "answered", "completed"})
RING_DEFAULT_S: Final = 60.0
RING_MAX_S: Final = 600.0
SPEECH_MS: Final = 2400
"""MachineDetectionSpeechThreshold: longer speech without a pause is a machine's."""
SPEECH_END_MS: Final = 1200
"""MachineDetectionSpeechEndThreshold: a silence that ends a speech."""
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


class PlacementRefused(Exception):
    """Request that Twilio refuses, with its error code."""

    def __init__(self, code: int, problem: str) -> None:
        self.code, self.problem = code, problem
        super().__init__(problem)


@dataclass(frozen=True, slots=True)
class OutboundRequest:
    """Request to the Calls resource."""

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
        """Read a form. Raises PlacementRefused."""
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
            raise PlacementRefused(missing, f"No '{name}' number is specified")
        if not (_NUMBER if name == "From" else _PARTY).fullmatch(fields[name]):
            raise PlacementRefused(wrong, f"The '{name}' number {fields[name]} is not valid")
    if not fields.get("Url", "").startswith(("https://", "http://")):
        raise PlacementRefused(21205, f"Url is not a valid URL: {fields.get('Url', '')}")
    if not fields.get("Timeout", "60").isdigit() or int(fields.get("Timeout", "60")) > RING_MAX_S:
        raise PlacementRefused(21220, f"Timeout is from 0 to {RING_MAX_S:g}")
    if not events <= EVENTS:
        raise PlacementRefused(21626, f"StatusCallbackEvent is one of {', '.join(sorted(EVENTS))}")
    if fields.get("MachineDetection", "Enable") not in ("Enable", "DetectMessageEnd"):
        raise PlacementRefused(21218, "MachineDetection is Enable or DetectMessageEnd")


@dataclass(frozen=True, slots=True)
class Opening:
    """Sound with which the called party answers, and where its beep ends."""

    text: str
    mulaw: bytes
    beep_ms: float | None = None

    @property
    def ms(self) -> float:
        return analysis.milliseconds(len(self.mulaw))


def _beep() -> bytes:
    return pcm_to_mulaw(tone_pcm(BEEP_HZ, BEEP_MS, BEEP_DBFS, CALLER_HZ))


async def opening(person: PersonSpec, speak: Speaker) -> Opening:
    """Return what a person or machine says on answering."""
    words = await speak(person.says, person.language) if person.says else b""
    if words:
        words = analysis.silence(1000 * person.says_after_s) + words
    if not (person.machine and person.beep):
        return Opening(person.says, words)
    beep = analysis.silence(BEFORE_BEEP_MS) + _beep()
    mulaw = words + beep
    return Opening(f"{person.says} (beep)", mulaw, analysis.milliseconds(len(mulaw)))


@dataclass
class OutboundPlacement:
    """Ringing, status callbacks and answering machine detection of a call placed over REST."""

    request: OutboundRequest
    opening: Opening = Opening("", b"")
    presses: str = ""
    """Keys that the person presses, once, when they have heard what the keys are for."""
    on_answered: Callable[[], None] = lambda: None
    _sequence: int = 0
    _pressed: bool = False

    async def ring(self, call: TwilioCall) -> NextStep:
        """Ring the called party. Return what runs on answer, or the outcome."""
        update, request, person = call.begin_step(), self.request, call.person
        await asyncio.wait({update}, timeout=QUEUED_S)
        call.status = "initiated"
        self._report(call, "initiated")
        call.status = "ringing"
        call.line.log("rings", request.to)
        self._report(call, "ringing")
        after_s = request.ring_s
        answers = not (person.busy or person.no_answer) and person.answers_after_s < request.ring_s
        if answers or person.busy:
            after_s = reachable.BUSY_AFTER_S if person.busy else person.answers_after_s
        await asyncio.wait({update}, timeout=after_s)
        if update.done():
            return update.result()
        if not answers:
            return _BUSY if person.busy else _UNANSWERED
        call.answer()
        self._report(call, "answered")
        self.on_answered()
        if request.detection:
            call.run_in_background(self._detect(call))
        return Fetch(request.url, request.method)

    def prompt_played(self, call: TwilioCall) -> None:
        """Press the person's keys."""
        if not self._pressed:
            self._pressed = True
            for key in self.presses:
                call.line.log("pressed", key)
                call.keys.put_nowait(key)

    def _report(self, call: TwilioCall, event: str) -> None:
        if event in self.request.events and self.request.callback:
            self._sequence += 1
            fields = call.completion_fields() | {"SequenceNumber": str(self._sequence)}
            call.post_soon(self.request.callback, fields)

    async def _detect(self, call: TwilioCall) -> None:
        """Report who answered when Twilio would know; the end of the beep is logged."""
        answered_by, after_ms = self.answered_by(call.person)
        if self.opening.beep_ms is not None:
            call.run_in_background(self._log_beep(call, self.opening.beep_ms))
        over = asyncio.create_task(call.line.over.wait())
        await asyncio.wait({over}, timeout=after_ms / 1000)
        over.cancel()
        if call.line.over.is_set():
            return
        call.line.log("detected", answered_by)
        fields = {
            "AccountSid": call.webhooks.account.sid,
            "AnsweredBy": answered_by,
            "CallSid": call.call_sid,
            "MachineDetectionDuration": str(round(after_ms)),
        }
        call.run_in_background(call.post(self.request.detection_url, fields))

    async def _log_beep(self, call: TwilioCall, at_ms: float) -> None:
        await asyncio.sleep(max(0.0, at_ms - call.line.now_ms) / 1000)
        call.line.log("beep")

    def answered_by(self, person: PersonSpec) -> tuple[str, float]:
        """Return Twilio's AnsweredBy, and after how many milliseconds it is known."""
        spoken_ms = self.opening.ms
        if person.fax:
            return "fax", FAX_MS
        if not person.machine:
            return ("human", spoken_ms + SPEECH_END_MS) if spoken_ms else ("unknown", SILENCE_MS)
        if self.request.detection == "Enable":
            return "machine_start", SPEECH_MS
        if self.opening.beep_ms is not None:
            return "machine_end_beep", self.opening.beep_ms
        return "machine_end_silence", spoken_ms + SPEECH_END_MS


MIRRORED: Final = {"said_by_twilio": "whispered", "pressed": "person_pressed"}
"""Moments on the person's line that the record of the waiting caller's call shows too."""


def call_for_waiting(caller: TwilioCall, request: OutboundRequest) -> TwilioCall | None:
    """Return the call to a person of the scenario for a caller who waits in a queue.

    None when this caller does not wait for them, or they were called for this caller before.
    """
    person, position = caller.reachable.people.get(request.to), caller.queue_position
    if person is None or position is None or request.to in position.called:
        return None
    position.called.add(request.to)
    caller.line.log("person_called", request.to)

    def mirror(moment: Moment) -> None:
        if moment.kind in MIRRORED:
            caller.line.log(MIRRORED[moment.kind], moment.detail)

    completed = request.callback if "completed" in request.events else ""
    return TwilioCall(
        caller.webhooks,
        Number(request.url, status_callback=completed),
        Parties(request.caller, request.to),
        TelephoneLine(caller.line.clock, on_moment=mirror, on_warning=caller.line.warn),
        caller.executor,
        speak=caller.speak,
        direction="outbound-api",
        placement=OutboundPlacement(
            request,
            presses=person.presses,
            on_answered=lambda: caller.line.log("person_screens", request.to),
        ),
        reachable=caller.reachable,
        person=person,
    )
