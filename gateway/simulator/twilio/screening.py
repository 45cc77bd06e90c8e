"""Call screening: what a dialled person hears before they are connected, and the key they press.

Source: Twilio docs, "TwiML Voice: <Number>", attribute `url`: its document runs on the leg that was
dialled; the two are connected when it has come to its end, and not after a `<Hangup>`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from gateway.simulator.audio import analysis
from gateway.simulator.scenario.parties import PersonSpec
from gateway.simulator.twilio.call import TwilioCall
from gateway.simulator.twilio.outcomes import DialOutcome
from gateway.simulator.twilio.twiml import TwimlDocument, TwimlVerb

GATHER_S: Final = 5.0


class Screening:
    """One dialled leg before it is connected."""

    def __init__(
        self, call: TwilioCall, person: PersonSpec, party: str, outcome: DialOutcome
    ) -> None:
        self._call, self._person = call, person
        self._fields = {
            "CallSid": outcome.call_sid,
            "ParentCallSid": call.call_sid,
            "CallStatus": "in-progress",
            "Direction": "outbound-dial",
            "From": call.parties.caller,
            "To": party,
        }

    async def passes(self, verb: TwimlVerb, base: str) -> bool:
        """Run the `url` of `<Number>` or `<Sip>`. Return whether the two are to be connected."""
        document: TwimlDocument | bool = await self._fetch(
            verb.get("url"), base, verb.get("method", "POST")
        )
        while isinstance(document, TwimlDocument):
            document = await self._run(document.verbs, document.base_url)
        return document

    async def _run(self, verbs: Iterable[TwimlVerb], base: str) -> TwimlDocument | bool:
        for verb in verbs:
            if verb.name == "Hangup":
                return False
            if verb.name == "Gather":
                following = await self._gather(verb, base)
                if following is not None:
                    return following
            elif verb.name == "Redirect":
                return await self._fetch(verb.text, base, verb.get("method", "POST"))
            else:
                await self._play(verb)
        return True

    async def _gather(self, verb: TwimlVerb, base: str) -> TwimlDocument | None:
        for child in verb.children:
            await self._play(child)
        wanted = int(verb.seconds("numDigits", 1000))
        digits = self._person.presses.partition(verb.get("finishOnKey", "#") or " ")[0][:wanted]
        if not digits:
            await asyncio.sleep(verb.seconds("timeout", GATHER_S))
            return None
        self._call.line.log("person_pressed", digits)
        url = verb.get("action") or base
        return await self._fetch(url, base, verb.get("method", "POST"), {"Digits": digits})

    async def _play(self, verb: TwimlVerb) -> None:
        call = self._call
        if verb.name == "Say":
            language = verb.get("language", "en").partition("-")[0]
            words = await call.speak(verb.text, language)
            call.line.log("whispered", verb.text)
            await asyncio.sleep(analysis.milliseconds(len(words)) / 1000)
        elif verb.name == "Pause":
            await asyncio.sleep(verb.seconds("length", 1))
        else:
            call.line.warn(12200, f"<{verb.name}> is not supported in a screening document")

    async def _fetch(
        self, url: str, base: str, method: str, extra: dict[str, str] | None = None
    ) -> TwimlDocument:
        fields = self._fields | (extra or {})
        return await self._call.fetch(url, fields, method=method, base=base)
