"""Whom the carrier can reach beside the gateway: the model's SIP connector, and people."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from gateway.simulator.audio import analysis
from gateway.simulator.scenario.schema import PersonSpec
from gateway.simulator.twilio.outcomes import NextStep
from gateway.simulator.twilio.queues import Queues

if TYPE_CHECKING:
    from gateway.simulator.twilio.call import TwilioCall

BUSY_AFTER_S: Final = 0.3
BUSY: Final = frozenset({486, 600})
NO_ANSWER: Final = frozenset({408, 480, 487})


@dataclass
class ReachableParties:
    """`connector_url` is where the simulated model listens; people are known by their numbers."""

    connector_url: str = ""
    people: dict[str, PersonSpec] = field(default_factory=dict)
    queues: Queues = field(default_factory=Queues)


@dataclass
class Outcome:
    """How a dialled leg ended, as the `action` of `<Dial>` is told."""

    status: str = "failed"
    """`completed`, `busy`, `no-answer` or `failed`."""
    bridged_at_s: float | None = None
    sid: str = field(default_factory=lambda: "CA" + uuid4().hex)
    sip_call_id: str = ""
    sip_status: int | None = None
    order: NextStep | None = None
    """What takes the place of the action: the far end had the caller transferred."""

    def bridge(self) -> None:
        self.status, self.bridged_at_s = "completed", monotonic()

    def fields(self) -> dict[str, str]:
        """As it stands now."""
        since_s = self.bridged_at_s
        fields = {
            "DialCallSid": self.sid,
            "DialCallStatus": self.status,
            "DialCallDuration": str(round(monotonic() - since_s) if since_s else 0),
            "DialBridged": str(since_s is not None).lower(),
        }
        if self.sip_status is not None:
            fields["DialSipCallId"] = self.sip_call_id
            fields["DialSipResponseCode"] = str(self.sip_status)
        return fields


def status_of(sip_status: int) -> str:
    """Twilio's word for a SIP status."""
    if sip_status == 200:
        return "completed"
    if sip_status in BUSY:
        return "busy"
    return "no-answer" if sip_status in NO_ANSWER else "failed"


def answer(call: TwilioCall) -> None:
    """The caller stops hearing it ring."""
    if not call.line.answered.is_set():
        call.status = "in-progress"
        call.line.answer()
        call.line.note("answered")


async def reach(call: TwilioCall, person: PersonSpec, party: str, timeout_s: float) -> bool:
    """Rings a person and connects the two; whether he took the call."""
    if not await ring(person, timeout_s):
        return False
    connect(call, party)
    return True


async def ring(person: PersonSpec, timeout_s: float) -> bool:
    """Whether he answers."""
    if person.busy or person.no_answer or person.answers_after_s >= timeout_s:
        await asyncio.sleep(BUSY_AFTER_S if person.busy else timeout_s)
        return False
    await asyncio.sleep(person.answers_after_s)
    return True


def connect(call: TwilioCall, party: str) -> None:
    """The caller has him on the line."""
    answer(call)
    call.line.note("person_answered", party)


async def talk(call: TwilioCall, person: PersonSpec) -> None:
    """What the caller hears of a person, until that one hangs up, or for ever; and he of him."""
    line, since = call.line, call.line.now
    try:
        if person.says:
            words = await call.speak(person.says, person.language)
            line.ear.media(words, line.now)
            await asyncio.sleep(analysis.milliseconds(len(words)) / 1000)
        if person.hangs_up_after_s is None:
            await line.over.wait()
        else:
            await asyncio.sleep(person.hangs_up_after_s)
    finally:
        line.hush()
        said = analysis.loud_ms(line.mouth.between(since, line.now))
        line.note("person_heard", f"{said:.0f}")
