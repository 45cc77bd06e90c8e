"""Somebody of the scenario's who is rung up by REST for a caller that waits in a queue."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from gateway.simulator.twilio.call import Number, Parties, TwilioCall
from gateway.simulator.twilio.line import CallerEnd
from gateway.simulator.twilio.outbound_call import OutboundRequest, PlacedCall

TOLD: Final = {"said_by_twilio": "whispered", "pressed": "person_pressed"}
"""What happens on his line, as the record of the caller's call has it."""


@dataclass
class PersonLine(CallerEnd):
    caller: CallerEnd | None = None

    def note(self, kind: str, detail: str = "") -> None:
        super().note(kind, detail)
        if self.caller is not None and kind in TOLD:
            self.caller.note(TOLD[kind], detail)

    def warn(self, code: int, text: str) -> None:
        super().warn(code, text)
        if self.caller is not None:
            self.caller.warn(code, text)


@dataclass
class RingingCall(PlacedCall):
    """The carrier's half of the call to him."""

    caller: CallerEnd = field(default_factory=lambda: CallerEnd(lambda: 0.0))
    _has_pressed: bool = False

    def _tell(self, order: OutboundRequest, event: str) -> None:
        super()._tell(order, event)
        if event == "answered":
            self.caller.note("person_screens", order.to)

    def prompted(self) -> None:
        """He presses his keys when he has heard what they are for."""
        if not self._has_pressed:
            self._has_pressed = True
            for key in self.person.presses:
                self.line.note("pressed", key)
                self.keys.put_nowait(key)


def ringing_call(caller: TwilioCall, order: OutboundRequest) -> RingingCall | None:
    """None when this caller does not wait for him, or he was rung for him already."""
    person, place = caller.exchange.people.get(order.to), caller.place
    if person is None or place is None or order.to in place.rung:
        return None
    place.rung.add(order.to)
    caller.line.note("person_rung", order.to)
    return RingingCall(
        caller.webhooks,
        Number(order.url, status_callback=order.callback if "completed" in order.events else ""),
        Parties(order.caller, order.to),
        PersonLine(caller.line.clock, caller=caller.line),
        speak=caller.speak,
        direction="outbound-api",
        exchange=caller.exchange,
        order=order,
        person=person,
        caller=caller.line,
    )
