"""People whom the carrier dials: ringing them, and what the two hear of each other."""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.simulator.audio import analysis
from gateway.simulator.scenario.parties import PersonSpec
from gateway.simulator.twilio.call import TwilioCall

BUSY_AFTER_S: Final = 0.3


async def ring(person: PersonSpec, timeout_s: float) -> bool:
    """Ring a person. Return whether they answer in time."""
    if person.busy or person.no_answer or person.answers_after_s >= timeout_s:
        await asyncio.sleep(BUSY_AFTER_S if person.busy else timeout_s)
        return False
    await asyncio.sleep(person.answers_after_s)
    return True


async def talk(call: TwilioCall, person: PersonSpec) -> None:
    """Play a person's words to the caller until they hang up, and log what they heard."""
    line, since = call.line, call.line.now
    try:
        if person.says:
            words = await call.speak(person.says, person.language)
            line.playback.media(words, line.now)
            await asyncio.sleep(analysis.milliseconds(len(words)) / 1000)
        if person.hangs_up_after_s is None:
            await line.over.wait()
        else:
            await asyncio.sleep(person.hangs_up_after_s)
    finally:
        line.stop_playback()
        heard_ms = analysis.loud_ms(line.spoken.between(since, line.now))
        line.log("person_heard", f"{heard_ms:.0f}")
