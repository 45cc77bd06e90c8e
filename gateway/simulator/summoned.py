"""Somebody of the scenario's who is rung up by REST for a caller that waits in a queue."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from gateway.simulator.line import Line
from gateway.simulator.placed import Order, PlacedCall
from gateway.simulator.twilio_call import Number, Parties, TwilioCall

TOLD: Final = {"said_by_twilio": "whispered", "pressed": "person_pressed"}
"""What happens on his line, as the record of the caller's call has it."""


@dataclass
class PersonLine(Line):
    caller: Line | None = None

    def note(self, kind: str, detail: str = "") -> None:
        super().note(kind, detail)
        if self.caller is not None and kind in TOLD:
            self.caller.note(TOLD[kind], detail)

    def warn(self, code: int, text: str) -> None:
        super().warn(code, text)
        if self.caller is not None:
            self.caller.warn(code, text)


@dataclass
class SummonedCall(PlacedCall):
    """The carrier's half of the call to him."""

    caller: Line = field(default_factory=lambda: Line(lambda: 0.0))
    _has_pressed: bool = False

    def _tell(self, order: Order, event: str) -> None:
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


def summoned(caller: TwilioCall, order: Order) -> SummonedCall | None:
    """None when this caller does not wait for him, or he was rung for him already."""
    person, place = caller.exchange.people.get(order.to), caller.place
    if person is None or place is None or order.to in place.rung:
        return None
    place.rung.add(order.to)
    caller.line.note("person_rung", order.to)
    return SummonedCall(
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
