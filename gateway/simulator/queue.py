"""A queue in which a caller waits, with music, for somebody at its other end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from gateway.audio.tones import hold_mulaw
from gateway.simulator import exchange
from gateway.simulator.telephone import milliseconds

if TYPE_CHECKING:
    from gateway.simulator.twilio_call import TwilioCall

NOBODY: Final = "bridged"
"""A queue of which a scenario says nothing: that he went there is on record."""
GIVES_UP_S: Final = 20.0
"""Somebody who never comes to the queue: the operator takes the caller out of it by then."""


async def wait(call: TwilioCall, name: str) -> tuple[str, int]:
    """Twilio's QueueResult, and the seconds that he waited."""
    party = f"queue:{name}"
    person = call.exchange.people.get(party)
    if person is None:
        return NOBODY, 0
    if person.busy:
        return "queue-full", 0
    music = asyncio.create_task(_play(call))
    try:
        comes = await exchange.ring(person, GIVES_UP_S)
    finally:
        music.cancel()
        call.line.hush()
    if not comes:
        return "error", round(GIVES_UP_S)
    exchange.connect(call, party)
    await exchange.talk(call, person)
    return "bridged", round(person.answers_after_s)


async def _play(call: TwilioCall) -> None:
    """Twilio's own music, which is what a queue without a `waitUrl` plays."""
    line, music = call.line, hold_mulaw()
    line.note("hold_music")
    while True:
        line.ear.media(music, line.now)
        await asyncio.sleep(milliseconds(len(music)) / 1000)
